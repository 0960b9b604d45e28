"""The Azurite process of one storage account."""

import asyncio
import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_azure.runtime import node
from local_azure.runtime.ports import ADDRESS, free_port
from local_azure.runtime.processes import Command, ProcessError, Ready, Supervised
from local_azure.runtime.tls import Tls
from local_azure.services.storage.rights import Service

SERVICES: tuple[Service, ...] = ("blob", "queue", "table")
KEEP_ALIVE = 60
"""Seconds for which Azurite keeps an idle connection; its own five would drop the front's in mid-use."""

_DEADLINE = 30.0
_TRIES = 3


@dataclass(frozen=True)
class Azurite:
    process: Supervised
    ports: Mapping[Service, int]


async def start(account: str, location: Path, log: Path, tls: Tls) -> Azurite:
    """Starts Azurite for one account. Raises SetupError when it is not installed, ProcessError."""
    script = node.script("azurite", "dist/src/azurite.js")
    await asyncio.to_thread(location.mkdir, parents=True, exist_ok=True, mode=0o700)
    error: ProcessError | None = None
    # Azurite opens its ports itself: somebody may have been quicker.
    for _ in range(_TRIES):
        ports: dict[Service, int] = {service: free_port() for service in SERVICES}
        argv = [*_argv(script, location, tls), *_listening(ports)]
        command = _command(account, argv, location, log)
        try:
            return Azurite(await Supervised.start(command, _listens_on(ports.values()), _DEADLINE), ports)
        except ProcessError as failed:
            error = failed
            if "EADDRINUSE" not in str(failed):
                break
    assert error is not None  # noqa: S101 # the loop ends only by a return or an error
    raise error


def _command(account: str, argv: list[str], location: Path, log: Path) -> Command:
    # Azurite wants an account key; this one is made for this start and told to nobody.
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    return Command(
        name=f"Azurite of storage account {account}",
        argv=argv,
        # With its code compiled once for all (Node's module compile cache), it starts in three quarters.
        env={"AZURITE_ACCOUNTS": f"{account}:{key}", "NODE_COMPILE_CACHE": str(node.COMPILED)},
        cwd=location,
        log=log,
    )


def _argv(script: Path, location: Path, tls: Tls) -> list[str]:
    return [
        str(node.NODE),
        "--require",
        str(Path(__file__).with_name("save_soon.cjs")),
        str(script),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--oauth", "basic", "--cert", str(tls.certificate_file), "--key", str(tls.key_file)),
        *("--location", str(location)),
    ]


def _listening(ports: Mapping[Service, int]) -> list[str]:
    argv: list[str] = []
    for service, port in ports.items():
        argv += [f"--{service}Host", ADDRESS, f"--{service}Port", str(port)]
        argv += [f"--{service}KeepAliveTimeout", str(KEEP_ALIVE)]
    return argv


def _listens_on(ports: Collection[int]) -> Ready:
    """Ready when the child itself listens on all of them.

    An answer is not enough: it may be another Azurite's, which was quicker to take one of the ports.
    """

    def own(pid: int) -> set[int]:
        try:
            found = psutil.Process(pid).net_connections("tcp4")
        except psutil.Error:
            return set()
        return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}

    async def ready(pid: int) -> bool:
        return set(ports) <= await asyncio.to_thread(own, pid)

    return ready
