"""Keeps local Azure out of real stacks: it serves engines on a `file://` backend only.

An engine tells a provider its address. Who listens there is the engine's process,
and that process' own environment names the backend. What cannot be found out is
refused too: a fake resource in a real stack's state is worse than a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

BACKEND_VARIABLE = "PULUMI_BACKEND_URL"
_ADVICE = "Run it through `python -m local_azure pulumi …`, which sets everything that an engine needs."


@dataclass(frozen=True)
class Refusal:
    message: str


def decide(engine_address: str, environment: Mapping[str, str] | None) -> Refusal | None:
    """None when the engine may go on. `environment` is None when the engine's process was not found."""
    if environment is None:
        return Refusal(
            f"local Azure cannot tell which backend the engine at {engine_address!r} uses: no process "
            f"of this user listens there. {_ADVICE}"
        )
    backend = environment.get(BACKEND_VARIABLE, "")
    if backend.startswith("file://"):
        return None
    found = f"{BACKEND_VARIABLE} is {backend!r}" if backend else f"{BACKEND_VARIABLE} is not set"
    return Refusal(
        f"local Azure serves stacks on a file:// backend only, so that its resources never stand in the "
        f"state of a real stack; {found} in the environment of the engine at {engine_address!r}. {_ADVICE}"
    )


def port_of(engine_address: str) -> int | None:
    """The port in `host:port`, for a host on this machine."""
    host, _, port = engine_address.rpartition(":")
    if host not in {"127.0.0.1", "localhost", "[::1]"} or not port.isdigit():
        return None
    return int(port)


def environment_of_listener(port: int) -> Mapping[str, str] | None:
    """The environment of this user's process that listens on the port; None when there is none.

    It is the environment that the process was started with (`/proc/PID/environ`).
    Reads processes of this user, one after the other: call it in a thread. An engine has just been started,
    so the youngest come first; with 180 processes the oldest first took over a second, twice per command.
    """
    for process in sorted(psutil.process_iter(), key=lambda one: one.pid, reverse=True):
        try:
            listens = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections("tcp")
            )
            if listens:
                return process.environ()
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or not ours to look into
    return None


def refusal(engine_address: str) -> Refusal | None:
    """`decide` for the process that listens at the address."""
    port = port_of(engine_address)
    return decide(engine_address, environment_of_listener(port) if port is not None else None)
