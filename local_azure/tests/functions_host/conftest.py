"""One local Azure for all tests of a session, in a thread of its own; its table is empty for each module."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from local_azure.core import ids
from local_azure.core.resource import Azure
from local_azure.core.store import Store
from local_azure.core.tokens import Tokens
from local_azure.dataplane import Services
from local_azure.functions_host.service import Sites
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.ports import Ports
from local_azure.services.storage.accounts import StorageAccounts
from local_azure.tests.frontends.pulumi.support import FakeModels
from local_azure.tests.functions_host.harness import GROUP, LocalAzure, TestSite
from local_azure.tests.functions_host.model import ScriptedModel, scripted_model

CHAT_STATE = "ChatState"


@pytest.fixture(scope="session")
def running_azure(
    azure_loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAzure]:
    home = Home(tmp_path_factory.mktemp("azure"))
    running = AsyncExitStack()

    async def start() -> LocalAzure:
        tls = certificates.ensure(home, {})
        ports, store, tokens = Ports(home.ports_file), Store(home.store_file), Tokens(b"k" * 32)
        storage_type = "Microsoft.Storage/storageAccounts"
        account = ids.build(GROUP, storage_type, "teststorage")
        properties = {"allowSharedKeyAccess": False}
        store.put({"id": GROUP, "name": "tests", "type": ids.RESOURCE_GROUP_TYPE})
        store.put({"id": account, "name": "teststorage", "type": storage_type, "properties": properties})
        storage = StorageAccounts(home, store, tokens, tls, ports)
        running.push_async_callback(storage.close)
        listener = ports.hold("gateway")
        port: int = listener.getsockname()[1]
        sites = Sites(home, store, tokens, tls, ports, f"https://127.0.0.1:{port}")
        running.push_async_callback(sites.close)
        gateway = Gateway(port, Azure(store, Services(storage, sites, FakeModels())), tokens, dict[str, Any])
        runner = web.ServerRunner(web.Server(gateway, access_log=None))
        running.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls.server_context()).start()
        endpoints = await storage.open_account(account)
        await storage.create(account, "container", "deployments")
        await storage.create(account, "table", CHAT_STATE)
        return LocalAzure(home, azure_loop, store, tokens, tls, storage, sites, account, endpoints)

    try:
        yield asyncio.run_coroutine_threadsafe(start(), azure_loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(running.aclose(), azure_loop).result(60)


@pytest.fixture(scope="module")
def local_azure(running_azure: LocalAzure) -> Iterator[LocalAzure]:
    """Modules name their assistants alike."""
    yield running_azure
    running_azure.run(running_azure.storage.delete(running_azure.account, "table", CHAT_STATE))
    running_azure.run(running_azure.storage.create(running_azure.account, "table", CHAT_STATE))


@pytest.fixture
def new_site(local_azure: LocalAzure) -> Iterator[Callable[..., TestSite]]:
    made: list[TestSite] = []

    def make(**options: Any) -> TestSite:
        made.append(local_azure.new_site(**options))
        return made[-1]

    yield make
    for site in made:
        site.delete()


@pytest.fixture(scope="session")
def model(running_azure: LocalAzure) -> Iterator[ScriptedModel]:
    with scripted_model(running_azure.tls) as scripted:
        yield scripted
