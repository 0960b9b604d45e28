import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError

from local_azure.functions_host.bindings import assistant_create, connections
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.payload import AssistantCreateRequest
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.skills import Skills

IDENTITY = {
    "AzureWebJobsStorage__tableServiceUri": "https://127.0.0.1:1/account",
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "client",
}


async def no_skill(_function: str, _parameter: str, _argument: str | None) -> str | None:
    raise AssertionError


class RecordingTable:
    """Only for the order of calls; what storage makes of them is tested against Azurite."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        self.calls: list[Any] = []

    async def create_table(self) -> object:
        self.calls.append("create table")
        raise ResourceExistsError("TableAlreadyExists")

    async def query_entities(self, query_filter: str) -> AsyncIterator[Mapping[str, Any]]:
        self.calls.append(query_filter)
        for row in self.rows:
            yield row

    async def submit_transaction(self, operations: Sequence[tuple[Any, ...]]) -> object:
        self.calls.append([operation[0] for operation in operations])
        return None


def old_rows(number: int) -> list[dict[str, Any]]:
    return [{"PartitionKey": "a", "RowKey": f"msg-{at:04X}", "Content": "old"} for at in range(number)]


@pytest.mark.parametrize(("existing", "batches"), [(0, []), (2, [2]), (100, [100]), (250, [100, 100, 50])])
async def test_old_rows_are_deleted_in_hundreds_before_one_insert(existing: int, batches: list[int]) -> None:
    table = RecordingTable(old_rows(existing))
    await assistant_create.create_assistant(table, AssistantCreateRequest("a", "x"))
    assert table.calls == [
        "create table",
        "PartitionKey eq 'a'",
        *(["delete"] * size for size in batches),
        ["create", "create"],
    ]


async def test_the_id_goes_into_the_filter_unescaped() -> None:
    table = RecordingTable(old_rows(0))
    await assistant_create.create_assistant(table, AssistantCreateRequest("x' or PartitionKey eq 'victim"))
    assert table.calls[1] == "PartitionKey eq 'x' or PartitionKey eq 'victim'"


async def test_a_null_id_fails_after_the_empty_partition_was_emptied() -> None:
    table = RecordingTable(old_rows(1))
    with pytest.raises(BindingError, match="PartitionKey"):
        await assistant_create.create_assistant(table, AssistantCreateRequest(None))
    assert table.calls == ["create table", "PartitionKey eq ''", ["delete"]]


async def test_hazard_5_a_create_that_fails_half_way_has_lost_the_old_rows() -> None:
    class Failing(RecordingTable):
        async def submit_transaction(self, operations: Sequence[tuple[Any, ...]]) -> object:
            await super().submit_transaction(operations)
            if operations[0][0] == "create":
                raise ConnectionError
            return None

    table = Failing(old_rows(150))
    with pytest.raises(ConnectionError):
        await assistant_create.create_assistant(table, AssistantCreateRequest("a", "x"))
    assert table.calls[2:] == [["delete"] * 100, ["delete"] * 50, ["create", "create"]]


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({"AzureWebJobsStorage": "AccountKey=x"}, "AzureWebJobsStorage", "refuses shared keys"),
        (IDENTITY, None, "only if chatStorageConnectionSetting is set"),
        (IDENTITY, "Other", "Other__tableServiceUri"),
        ({"S__accountName": "x"}, "S", "S__tableServiceUri"),
    ],
)
def test_storage_without_an_identity_says_what_is_missing(
    settings: dict[str, str], setting: str | None, message: str
) -> None:
    with pytest.raises(BindingError, match=message):
        connections.table_service_uri(Configuration(settings), setting)


@pytest.mark.parametrize(
    ("section", "arguments"),
    [
        ({}, {"client_id": "default"}),
        ({"credential": "ManagedIdentity"}, {}),
        ({"credential": "managedidentity", "clientId": "c"}, {"client_id": "c"}),
        ({"managedIdentityResourceId": "r"}, {"identity_config": {"resource_id": "r"}}),
        ({"clientId": "c", "managedIdentityResourceId": "r"}, "not both"),
        ({"credential": "secret"}, "'secret'"),
    ],
)
def test_a_connection_section_names_a_managed_identity(
    monkeypatch: pytest.MonkeyPatch, section: dict[str, str], arguments: dict[str, Any] | str
) -> None:
    def credential(**created: Any) -> dict[str, Any]:
        return created

    monkeypatch.setattr("azure.identity.aio.ManagedIdentityCredential", credential)
    settings = {"AZURE_CLIENT_ID": "default", **{f"S__{name}": value for name, value in section.items()}}
    if isinstance(arguments, str):
        with pytest.raises(BindingError, match=arguments):
            connections.credential(Configuration(settings), "S")
    else:
        assert connections.credential(Configuration(settings), "S") == arguments


async def test_the_first_client_serves_later_collections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = AssistantService(Configuration(IDENTITY), Skills(no_skill))
    tables: dict[str | None, RecordingTable] = {}

    def connect(_uri: str, _section: str, collection: str | None) -> RecordingTable:
        return tables.setdefault(collection, RecordingTable(old_rows(0)))

    monkeypatch.setattr(service, "_connect", connect)
    with caplog.at_level(logging.WARNING):
        for collection in ("First", "Second"):
            await service.create(AssistantCreateRequest("a", "x", "AzureWebJobsStorage", collection))
    assert list(tables) == ["First"]
    assert tables["First"].calls.count("create table") == 2
    assert "'Second' are ignored" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"OPENAI_API_KEY": "sk-x"}, "sends no request to the internet"),
        ({"AzureOpenAI__endpoint": ""}, "'AzureOpenAI' is missing required 'Endpoint'"),
        ({"AzureOpenAI__endpoint": "http://127.0.0.1:1/"}, "not permitted for non TLS protected"),
        ({"CHAT_MODEL": ""}, "chatModel is empty"),
    ],
)
async def test_a_model_connection_that_leads_nowhere_says_why(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    settings = {**IDENTITY, "AzureOpenAI__endpoint": "https://127.0.0.1:1", "CHAT_MODEL": "chat", **changes}
    service = AssistantService(Configuration(settings), Skills(no_skill))
    table = RecordingTable([{"PartitionKey": "a", "RowKey": "state", "Exists": True}])
    monkeypatch.setattr(service, "_table", table)
    with pytest.raises(BindingError, match=message):
        await service.post(
            PostRequest("a", "hi", "AzureOpenAI", settings["CHAT_MODEL"], "AzureWebJobsStorage")
        )
