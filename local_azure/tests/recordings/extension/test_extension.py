"""The bindings of local Azure do what the recorded extension does (README.md of recordings)."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import STORAGE_AUDIENCES, Tokens
from local_azure.functions_host.bindings import connections
from local_azure.functions_host.configuration import Configuration
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.ports import ADDRESS
from local_azure.services.storage import azurite
from local_azure.tests.recordings.extension import replay
from local_azure.tests.recordings.extension.replay import Replay, StorageKey
from local_azure.tests.recordings.extension.servers import Clock, Log, Model, Record, TableService, serve

ACCOUNT = "recordings"
SCENARIOS = replay.scenarios()
DOCUMENT = Path(__file__).parents[3] / "README.md"
TABLE = DOCUMENT.read_text().partition("| scenario of the extension | reason |\n")[2].partition("\n\n")[0]
EXCEPTIONS = dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", TABLE, re.MULTILINE))
"""Scenarios that local Azure does not follow, with the reason."""

Run = Callable[[Record], Awaitable[list[str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    home = Home(tmp_path_factory.mktemp("azure"))
    tls = certificates.ensure(home, {})
    token = Tokens(b"k" * 32).issue(DEVELOPER_PRINCIPAL_ID, STORAGE_AUDIENCES[0]).token
    async with AsyncExitStack() as running:
        emulator = await azurite.start(ACCOUNT, home.storage, home.logs / "azurite.log", tls)
        running.push_async_callback(emulator.process.stop)
        connector = aiohttp.TCPConnector(ssl=tls.client_context())
        session = await running.enter_async_context(aiohttp.ClientSession(connector=connector))
        clock = Clock()
        upstream = f"https://{ADDRESS}:{emulator.ports['table']}"
        tables, model = TableService(upstream, ACCOUNT, token, session, Log(clock)), Model(Log(clock))
        tables_url = f"{await running.enter_async_context(serve(tables))}/{ACCOUNT}"
        urls = tables_url, await running.enter_async_context(serve(model))

        async def run_scenario(scenario: Record) -> list[str]:
            await tables.delete_tables()
            return await Replay(scenario, tables, model, urls, clock).differences()

        yield run_scenario


@pytest.fixture
def keyed_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded host had connection strings, where local Azure's storage takes identities only."""
    service_uri = connections.table_service_uri

    def uri_of_a_key(configuration: Configuration, setting: str | None) -> str:
        return service_uri(configuration, connections.DEFAULT_CHAT_STORAGE if setting is None else setting)

    def key(_configuration: Configuration, _section: str) -> StorageKey:
        return StorageKey(ACCOUNT, "a2V5")

    monkeypatch.setattr(connections, "table_service_uri", uri_of_a_key)
    monkeypatch.setattr(connections, "credential", key)


@pytest.mark.usefixtures("keyed_storage")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            scenario,
            id=name,
            marks=[pytest.mark.xfail(reason=EXCEPTIONS[name], strict=True)] if name in EXCEPTIONS else [],
        )
        for name, scenario in SCENARIOS.items()
    ],
)
async def test_the_bindings_do_what_the_extension_does(run: Run, scenario: Record) -> None:
    differences = await run(scenario)
    assert not differences, "\n".join(["", *differences])


def test_at_most_20_scenarios_are_excepted() -> None:
    assert set(EXCEPTIONS) <= set(SCENARIOS)
    assert len(EXCEPTIONS) <= 20
