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
from local_azure.services.storage.permissions import Service

SERVICES: tuple[Service, ...] = ("blob", "queue", "table")
KEEP_ALIVE = 60
"""Seconds for which Azurite keeps an idle connection; by its default of five it closes the proxy's in use."""

_DEADLINE = 30.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Azurite:
    process: Supervised
    ports: Mapping[Service, int]


async def start(account: str, location: Path, log: Path, tls: Tls) -> Azurite:
    """Starts Azurite for one account. Raises SetupError when it is not installed, ProcessError."""
    script = node.script("azurite", "dist/src/azurite.js")
    await asyncio.to_thread(location.mkdir, parents=True, exist_ok=True, mode=0o700)
    # Azurite requires an account key: a new one for each start, which is stored nowhere.
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    attempt = 1
    while True:
        ports: dict[Service, int] = {service: free_port() for service in SERVICES}
        command = Command(
            name=f"Azurite of storage account {account}",
            argv=_argv(script, location, tls, ports),
            # With its code compiled once for all (Node's module compile cache), it starts in three quarters.
            env={"AZURITE_ACCOUNTS": f"{account}:{key}", "NODE_COMPILE_CACHE": str(node.COMPILED)},
            cwd=location,
            log=log,
        )
        try:
            return Azurite(await Supervised.start(command, _listens_on(ports.values()), _DEADLINE), ports)
        except ProcessError as error:
            # Azurite opens its ports itself, and another process may have taken one in between.
            if "EADDRINUSE" not in str(error) or attempt == _ATTEMPTS:
                raise
        attempt += 1


def _argv(script: Path, location: Path, tls: Tls, ports: Mapping[Service, int]) -> list[str]:
    argv = [
        str(node.NODE),
        "--require",
        str(Path(__file__).with_name("save_soon.cjs")),
        str(script),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--oauth", "basic", "--cert", str(tls.certificate_file), "--key", str(tls.key_file)),
        *("--location", str(location)),
    ]
    for service, port in ports.items():
        argv += [f"--{service}Host", ADDRESS, f"--{service}Port", str(port)]
        argv += [f"--{service}KeepAliveTimeout", str(KEEP_ALIVE)]
    return argv


def _listens_on(ports: Collection[int]) -> Ready:
    """Ready when the child itself listens on all of them: another Azurite might answer on a port."""

    def listening(pid: int) -> set[int]:
        try:
            connections = psutil.Process(pid).net_connections("tcp4")
        except psutil.Error:
            return set()
        return {
            connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN
        }

    async def ready(pid: int) -> bool:
        return set(ports) <= await asyncio.to_thread(listening, pid)

    return ready
