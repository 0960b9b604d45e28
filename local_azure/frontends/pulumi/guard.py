"""Refuses every engine without a `file://` backend, so that no real stack's state holds these resources.

An engine sends a provider its address. The process that listens there is the engine, and its environment
names the backend. Where this cannot be determined, the engine is refused.
"""

from collections.abc import Mapping

import psutil

BACKEND_VARIABLE = "PULUMI_BACKEND_URL"
_ADVICE = "Run it through `python -m local_azure pulumi …`, which sets everything that an engine needs."


def refusal_for(engine_address: str, environment: Mapping[str, str] | None) -> str | None:
    """None where the engine is accepted. `environment`: the engine process's; None if it is not found."""
    if environment is None:
        return (
            f"local Azure cannot determine the backend of the engine at {engine_address!r}: no process of "
            f"this user listens there. {_ADVICE}"
        )
    backend = environment.get(BACKEND_VARIABLE, "")
    if backend.startswith("file://"):
        return None
    setting = f"{BACKEND_VARIABLE} is {backend!r}" if backend else f"{BACKEND_VARIABLE} is not set"
    return (
        f"local Azure serves stacks on a file:// backend only, so that its resources are never in the state "
        f"of a real stack; {setting} in the environment of the engine at {engine_address!r}. {_ADVICE}"
    )


def port_of(engine_address: str) -> int | None:
    """The port of `host:port`; None for a host that is not this machine."""
    host, _, port = engine_address.rpartition(":")
    if host not in {"127.0.0.1", "localhost", "[::1]"} or not port.isdigit():
        return None
    return int(port)


def environment_of_listener(port: int) -> Mapping[str, str] | None:
    """The initial environment of the process that listens on the port; None if no process of this user does.

    Blocks: it reads one process after the other, the youngest first, since the engine was just started.
    (The oldest first took over a second with 180 processes, twice per command.)
    """
    for process in sorted(psutil.process_iter(), key=lambda process: process.pid, reverse=True):
        try:
            listens = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections("tcp")
            )
            if listens:
                return process.environ()
        except (psutil.Error, OSError):
            continue  # it has ended, or belongs to another user
    return None


def refusal(engine_address: str) -> str | None:
    """`refusal_for` the process that listens at the address. Blocks."""
    port = port_of(engine_address)
    return refusal_for(engine_address, environment_of_listener(port) if port is not None else None)
