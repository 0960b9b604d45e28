"""The background process of local Azure: `python -m local_azure.daemon HOME`.

Everything runs in one event loop. Each start opens the resources of the store again, so that neither a stop
nor a kill loses anything.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from local_azure import quotas, run_state
from local_azure.core.errors import ArmError, DamagedStoreError
from local_azure.core.resource import Azure
from local_azure.core.store import Resource, Store
from local_azure.core.tokens import Tokens, load_key
from local_azure.dataplane import Services
from local_azure.frontends.pulumi.server import Provider, serve
from local_azure.functions_host.service import Sites
from local_azure.home import Home, HomeError
from local_azure.loopback import without_proxy
from local_azure.run_state import LockHeldError, Run
from local_azure.runtime import processes
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.node import SetupError, script
from local_azure.runtime.ports import ADDRESS, PortRangeError, Ports, PortTakenError
from local_azure.runtime.processes import ProcessError, keep_small
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.storage.accounts import StorageAccounts

log = logging.getLogger("local_azure")

ACCOUNTS = "Microsoft.Storage/storageAccounts"
MODELS = "Microsoft.CognitiveServices/accounts"
SITES = "Microsoft.Web/sites"

_CHECK_SECONDS = 1.0
"""Between two checks that the home exists: a removed home can have two daemons for so long."""

_EXPECTED = (
    ArmError,
    DamagedStoreError,
    HomeError,
    LockHeldError,
    PortRangeError,
    PortTakenError,
    ProcessError,
    SetupError,
)


class StartError(Exception):
    """All reasons why local Azure cannot start, in one message."""


class Daemon:
    def __init__(self, home: Home, lock: int, *, port: int | None, new_ports: bool) -> None:
        self._home = home
        self._lock = lock
        self._ports = Ports(home.ports_file, renew_taken=new_ports)
        if port is not None:
            self._ports.ask("gateway", port)
        tls = certificates.ensure(home)
        tokens = Tokens(load_key(home.token_key_file))
        self._tokens, self._tls = tokens, tls
        self._store = Store(home.store_file)
        self._storage = StorageAccounts(home, self._store, tokens, tls, self._ports)
        self._models = ModelAccounts(home, self._store, tokens, tls, self._ports)
        # A port that the user chose is not replaced.
        self._gateway_socket = self._ports.hold("gateway", renew=port is None)
        self._provider_port = 0
        self._gateway_port: int = self._gateway_socket.getsockname()[1]
        gateway_url = f"https://{ADDRESS}:{self._gateway_port}"
        self._sites = Sites(home, self._store, tokens, tls, self._ports, gateway_url)
        services = Services(self._storage, self._sites, self._models)
        self._azure = Azure(self._store, services, quotas=lambda: quotas.read(home.quotas_file))

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set. Raises StartError."""
        gateway = Gateway(self._gateway_port, self._azure, self._tokens, self._status)
        runner = web.ServerRunner(web.Server(gateway, access_log=None), shutdown_timeout=2)
        server: Any = None
        provider = Provider(self._azure)
        try:
            await runner.setup()
            site = web.SockSite(runner, self._gateway_socket, ssl_context=self._tls.server_context())
            await site.start()
            await self._open_all()
            server, self._provider_port = await serve(provider)
            self._end_without_a_home()
            ports = self._provider_port, self._gateway_port
            run_state.write(self._home, Run(os.getpid(), time.time(), *ports, self._ports.renewed))
            log.info("ready: gateway port %d, provider port %d", self._gateway_port, self._provider_port)
            await self._until(stop)
        finally:
            self._end_without_a_home()
            log.info("stopping")
            self._home.run_file.unlink(missing_ok=True)
            if server is not None:
                await server.stop(1.0)
            await provider.close()
            await gateway.close()
            await self._sites.close()
            await self._storage.close()
            await self._models.close()
            await runner.cleanup()
            log.info("stopped")

    async def _until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._end_without_a_home()
            keep_small(self._home.logs / "daemon.log")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _CHECK_SECONDS)

    def _end_without_a_home(self) -> None:
        """Ends the process at once where its home was removed.

        Another local Azure may have made the folder again: an orderly stop would remove its run.json, and
        write and remove files of its sites and storage accounts, which have the same names.
        """
        if not run_state.still_holds(self._home, self._lock):
            log.error("%s was removed: local Azure ends", self._home.root)
            processes.kill_all()
            os._exit(1)

    async def _open_all(self) -> None:
        """Opens the store's accounts, then the sites that use them."""
        await _gather([self._open_account(account) for account in self._store.list(ACCOUNTS)])
        await _gather([self._open_model(account) for account in self._store.list(MODELS)])
        await _gather([self._open_site(site) for site in self._store.list(SITES)])

    async def _open_account(self, account: Resource) -> None:
        log.info("opening storage account %s", account["name"])
        endpoints = await self._storage.open_account(account["id"])
        self._update(account["id"], {"primaryEndpoints": asdict(endpoints)})

    async def _open_model(self, account: Resource) -> None:
        subdomain = account.get("properties", {}).get("customSubDomainName")
        if subdomain is None:
            return  # it has only its region's endpoint
        log.info("opening OpenAI account %s", account["name"])
        endpoint = await self._models.open_account(account["id"], subdomain)
        apis: dict[str, str] = account.get("properties", {}).get("endpoints", {})
        self._update(account["id"], {"endpoint": endpoint, "endpoints": dict.fromkeys(apis, endpoint)})

    async def _open_site(self, site: Resource) -> None:
        log.info("opening function app %s", site["name"])
        hosts = await self._sites.open_site(site["id"])
        states: list[dict[str, Any]] = site.get("properties", {}).get("hostNameSslStates", [])
        named = [
            {**state, "name": hosts.scm if state.get("hostType") == "Repository" else hosts.default}
            for state in states
        ]
        self._update(site["id"], {"defaultHostName": hosts.default, "hostNameSslStates": named})
        try:
            await self._sites.configure_site(site["id"])
        except (ArmError, ProcessError) as error:
            # The rest of Azure starts without this app, whose error `status` prints.
            log.error("function app %s does not run: %s", site["name"], error)

    def _update(self, resource_id: str, new: dict[str, Any]) -> None:
        """Writes new ports to the store; a stack gets them at its next refresh."""
        resource = self._store.require(resource_id)
        properties = resource.setdefault("properties", {})
        changed = {name: _merged(properties.get(name), value) for name, value in new.items()}
        if any(properties.get(name) != value for name, value in changed.items()):
            properties.update(changed)
            self._store.put(resource)

    def _status(self) -> object:
        return {
            "provider": {"port": self._provider_port},
            "gateway": {"url": f"https://{ADDRESS}:{self._gateway_port}"},
            "storageAccounts": [asdict(state) for state in self._storage.states()],
            "openAIAccounts": [{"name": name, "endpoint": url} for name, url in self._models.states()],
            "sites": self._sites.states(),
        }


def _merged(old: object, new: object) -> object:
    """Members that only Azure sets, such as `dfs` beside `blob`, stay."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**cast("dict[str, object]", old), **cast("dict[str, object]", new)}
    return new


async def _gather(awaitables: Sequence[Awaitable[None]]) -> None:
    """Raises StartError with all expected errors, or the first unexpected error."""
    failures = [error for error in await asyncio.gather(*awaitables, return_exceptions=True) if error]
    for failure in failures:
        if not isinstance(failure, _EXPECTED):
            raise failure
    if failures:
        raise StartError("\n".join(str(failure) for failure in failures))


async def _main(home: Home, lock: int, port: int | None, *, new_ports: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    script("azurite", "package.json")  # raises SetupError first: no storage account opens without Azurite
    await Daemon(home, lock, port=port, new_ports=new_ports).run(stop)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local_azure.daemon")
    parser.add_argument("home", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--new-ports", action="store_true")
    arguments = parser.parse_args(words)
    os.environ.update(without_proxy(os.environ))
    log_format = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=log_format, datefmt="%H:%M:%S")
    logging.getLogger("azure").setLevel(logging.WARNING)
    home = Home(arguments.home)
    try:
        home.prepare()
        home.logs.mkdir(exist_ok=True)
        lock = run_state.hold(home)
        home.run_file.unlink(missing_ok=True)
        asyncio.run(_main(home, lock, arguments.port, new_ports=arguments.new_ports))
    except (*_EXPECTED, StartError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
