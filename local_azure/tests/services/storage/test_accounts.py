"""A storage account as an app sees it: the real SDKs, the front, and a real Azurite behind it."""

import asyncio
import base64
from functools import partial
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AccessToken, AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.storage.blob import BlobServiceClient

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, STORAGE_AUDIENCES
from local_azure.runtime.ports import free_port
from local_azure.services.storage import azurite
from local_azure.services.storage.accounts import StorageAccounts
from local_azure.tests.services.conftest import (
    ACCOUNT_ID,
    SITE_ID,
    STRANGER,
    TABLE_DATA_CONTRIBUTOR,
    WRITER,
    World,
    assign,
    in_thread,
    kill_azurite,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_RETRY: dict[str, Any] = {"retry_total": 0}
STRANGERS_PRINCIPAL = STRANGER[:24] + "a" * 12


class Fixed:
    """A credential with the token that it is given."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, 2**31)


def entity(row: str, **more: Any) -> dict[str, Any]:
    return {"PartitionKey": "p", "RowKey": row, **more}


async def test_an_identity_with_the_role_writes_and_reads_a_table(world: World) -> None:
    table = world.tables(world.identity(SITE_ID, WRITER)).get_table_client("ChatState")
    await in_thread(lambda: table.upsert_entity(entity("a", text="hällo"), mode=UpdateMode.REPLACE))
    found = await in_thread(lambda: table.get_entity("p", "a"))
    assert found["text"] == "hällo"


async def test_a_transaction_gets_through(world: World) -> None:
    table = world.tables(world.identity(SITE_ID, WRITER)).get_table_client("ChatState")
    await in_thread(lambda: table.submit_transaction([("upsert", entity(f"t{n}")) for n in range(3)]))
    rows = await in_thread(lambda: [row["RowKey"] for row in table.query_entities("RowKey ge 't'")])
    assert rows == ["t0", "t1", "t2"]


async def test_links_in_answers_lead_through_the_front(world: World) -> None:
    token = world.tokens.issue(DEVELOPER_PRINCIPAL_ID, STORAGE_AUDIENCES[0]).token
    status, _, body = await raw(world, "GET", "Tables", {"Authorization": f"Bearer {token}"})
    assert (status, f"{world.endpoints.table}$metadata#Tables" in body.decode()) == (200, True)


@pytest.mark.parametrize("operation", ["read", "write", "transaction", "delete"])
async def test_an_identity_without_the_role_is_refused(world: World, operation: str) -> None:
    table = world.tables(world.identity(SITE_ID, STRANGER), **NO_RETRY).get_table_client("ChatState")
    operations = {
        "read": lambda: list(table.list_entities()),
        "write": lambda: table.upsert_entity(entity("a")),
        "transaction": lambda: table.submit_transaction([("upsert", entity("a"))]),
        "delete": lambda: table.delete_entity("p", "a"),
    }
    with pytest.raises(HttpResponseError) as refused:
        await in_thread(operations[operation])
    assert refused.value.status_code == 403
    assert "AuthorizationPermissionMismatch" in str(refused.value)


async def test_a_role_counts_from_the_moment_it_is_assigned(world: World) -> None:
    table = world.tables(world.identity(SITE_ID, STRANGER), **NO_RETRY).get_table_client("ChatState")
    scope = f"{ACCOUNT_ID}/tableServices/default/tables/ChatState"
    assignment = assign(world.store, STRANGERS_PRINCIPAL, TABLE_DATA_CONTRIBUTOR, scope, STRANGER)
    try:
        await in_thread(lambda: table.upsert_entity(entity("b")))
        other = world.tables(world.identity(SITE_ID, STRANGER), **NO_RETRY).get_table_client("Other")
        with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
            await in_thread(lambda: other.upsert_entity(entity("b")))
    finally:
        world.store.delete(assignment)

    def refused() -> bool:
        try:
            table.upsert_entity(entity("b"))
        except HttpResponseError as error:
            return error.status_code == 403
        return False

    async with asyncio.timeout(10):
        while not await in_thread(refused):
            pass


async def test_the_developer_may_use_every_account(world: World) -> None:
    tables = world.tables(world.identity(DEVELOPER))
    assert "ChatState" in await in_thread(lambda: [one.name for one in tables.list_tables()])


async def test_a_shared_key_is_refused_as_the_account_says(world: World) -> None:
    key = AzureNamedKeyCredential("acc1", base64.b64encode(b"k" * 64).decode())
    tables = world.tables(key, **NO_RETRY)
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        await in_thread(lambda: list(tables.list_tables()))


async def test_a_shared_access_signature_is_refused_as_the_account_says(world: World) -> None:
    tables = world.tables(AzureSasCredential("sv=2024-11-04&sig=abc"), **NO_RETRY)
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        await in_thread(lambda: list(tables.list_tables()))


@pytest.mark.parametrize(
    ("audience", "lifetime", "reason"),
    [(ARM_AUDIENCES[0], 3600, "another audience"), (STORAGE_AUDIENCES[0], -10, "expired")],
)
async def test_a_wrong_token_is_refused_with_the_reason(
    world: World, audience: str, lifetime: int, reason: str
) -> None:
    token = world.tokens.issue(DEVELOPER_PRINCIPAL_ID, audience, lifetime=lifetime).token
    tables = world.tables(Fixed(token), **NO_RETRY)
    with pytest.raises(ClientAuthenticationError, match=reason) as refused:
        await in_thread(lambda: list(tables.list_tables()))
    assert refused.value.status_code == 401


async def test_a_request_that_does_not_sign_in_is_told_where_to(world: World) -> None:
    status, headers, body = await raw(world, "GET", "Tables", {})
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert b'"code": "NoAuthenticationInformation"' in body


async def test_blobs_pass_in_both_directions_also_when_they_are_large(world: World) -> None:
    content = bytes(range(256)) * 20_000  # 5 MB: several blocks up, a streamed answer down
    client: Any = BlobServiceClient(
        world.endpoints.blob,
        credential=world.identity(DEVELOPER),
        connection_verify=str(world.tls.ca_file),
        max_single_put_size=1024 * 1024,
        max_block_size=1024 * 1024,
    )
    blob = client.get_blob_client("deploy", "package/a b.zip")
    await in_thread(lambda: blob.upload_blob(content, overwrite=True))
    assert await in_thread(lambda: blob.download_blob().readall()) == content
    properties = await in_thread(blob.get_blob_properties)
    assert properties.size == len(content)


async def test_a_blob_reader_without_a_role_gets_xml(world: World) -> None:
    client: Any = BlobServiceClient(
        world.endpoints.blob,
        credential=world.identity(SITE_ID, WRITER),
        connection_verify=str(world.tls.ca_file),
        **NO_RETRY,
    )
    with pytest.raises(HttpResponseError) as refused:
        await in_thread(lambda: client.get_blob_client("deploy", "x").download_blob())
    assert refused.value.status_code == 403
    assert "AuthorizationPermissionMismatch" in str(refused.value)


async def test_making_a_table_or_a_container_again_changes_nothing(world: World) -> None:
    table = world.tables(world.identity(DEVELOPER)).get_table_client("Twice")
    await world.accounts.create_table(ACCOUNT_ID, "Twice")
    await in_thread(lambda: table.upsert_entity(entity("kept")))
    await world.accounts.create_table(ACCOUNT_ID, "Twice")
    assert (await in_thread(lambda: table.get_entity("p", "kept")))["RowKey"] == "kept"
    await world.accounts.delete_table(ACCOUNT_ID, "Twice")
    await world.accounts.delete_table(ACCOUNT_ID, "Twice")
    with pytest.raises(ResourceNotFoundError):
        await in_thread(lambda: table.get_entity("p", "kept"))


async def test_a_killed_azurite_comes_back_with_what_was_stored(world: World) -> None:
    table = world.tables(world.identity(SITE_ID, WRITER), retry_backoff_factor=0.1).get_table_client(
        "ChatState"
    )
    await in_thread(lambda: table.upsert_entity(entity("before", n=1)))
    database = world.home.storage / "acc1" / "__azurite_db_table__.json"
    await until(lambda: '"before"' in database.read_text())
    restarts = world.accounts.states()[0].restarts
    pid = kill_azurite(world.accounts)
    await until(lambda: not world.accounts.states()[0].alive)
    status, headers, _ = await raw(
        world,
        "GET",
        "Tables",
        {"Authorization": f"Bearer {world.tokens.issue(DEVELOPER_PRINCIPAL_ID, STORAGE_AUDIENCES[0]).token}"},
    )
    assert (status, headers["x-ms-error-code"]) == (503, "ServerBusy")
    await until(lambda: world.accounts.states()[0].alive)
    state = world.accounts.states()[0]
    assert (state.restarts, state.pid == pid) == (restarts + 1, False)
    assert (await in_thread(lambda: table.get_entity("p", "before")))["n"] == 1


async def test_what_was_acknowledged_is_soon_on_disk(world: World) -> None:
    """Azurite alone writes every five seconds, three rows in ten; a killed daemon would lose the rest."""
    table = world.tables(world.identity(SITE_ID, WRITER)).get_table_client("ChatState")
    database = world.home.storage / "acc1" / "__azurite_db_table__.json"
    async with asyncio.timeout(9):
        for row in ("soon1", "soon2", "soon3"):
            await in_thread(partial(table.upsert_entity, entity(row)))
            await until(lambda: f'"{row}"' in database.read_text())  # noqa: B023 # asked at once


async def test_closing_and_opening_keeps_data_and_endpoints(world: World) -> None:
    other = ids.build(ids.parse(ACCOUNT_ID)[0], "Microsoft.Storage/storageAccounts", "acc2")
    first = StorageAccounts(world.home, world.store, world.tokens, world.tls, world.ports)
    second = StorageAccounts(world.home, world.store, world.tokens, world.tls, world.ports)
    try:
        endpoints = await first.open_account(other)
        await first.create_container(other, "kept")
        await first.close()
        assert await second.open_account(other) == endpoints
        client: Any = BlobServiceClient(
            endpoints.blob, credential=world.identity(DEVELOPER), connection_verify=str(world.tls.ca_file)
        )
        assert await in_thread(lambda: [one.name for one in client.list_containers()]) == ["kept"]
        await second.delete_account(other)
        assert not (world.home.storage / "acc2").exists()
    finally:
        await first.close()
        await second.close()


async def test_an_account_is_opened_once_when_two_ask_at_the_same_time(world: World) -> None:
    both = await asyncio.gather(*(world.accounts.open_account(ACCOUNT_ID.upper()) for _ in range(2)))
    assert both == [world.endpoints, world.endpoints]
    assert len(world.accounts.states()) == 1


async def test_the_accounts_key_is_in_no_file(world: World) -> None:
    """Azurite asks for a key per account; nobody may learn it, or roles would be worth nothing."""
    for file in world.home.root.rglob("*"):
        if file.is_file():
            assert b"AZURITE_ACCOUNTS" not in file.read_bytes(), file


async def raw(
    world: World, method: str, path: str, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            world.endpoints.table + path,
            headers={
                "x-ms-version": "2024-11-04",
                "Accept": "application/json;odata=fullmetadata",
                **headers,
            },
            ssl=world.tls.client_context(),
        ) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


async def test_an_account_whose_port_is_taken_meanwhile_gets_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Azurite listens there, so that an answer on the port proves nothing."""
    other = next(iter(world.accounts._accounts.values())).azurite.ports["blob"]  # pyright: ignore[reportPrivateUsage]
    ports = iter([other])
    monkeypatch.setattr(azurite, "free_port", lambda: next(ports, None) or free_port())

    second = await azurite.start("acc2", world.home.storage / "acc2", world.home.logs / "acc2.log", world.tls)

    try:
        assert other not in second.ports.values()
        assert second.process.alive
    finally:
        await second.process.stop()
