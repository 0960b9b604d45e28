"""A storage account as an app sees it: the real SDKs, the proxy, and a real Azurite behind it."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import ARM_AUDIENCES, STORAGE_AUDIENCES
from local_azure.runtime.ports import free_port
from local_azure.services.storage import azurite
from local_azure.services.storage.accounts import StorageAccounts
from local_azure.tests.services.storage.conftest import (
    ACCOUNT_ID,
    GROUP,
    STRANGER,
    WRITER,
    Credential,
    World,
    assign_table_role,
)
from tests.polling import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_RETRY: dict[str, Any] = {"retry_total": 0}
in_thread = asyncio.to_thread  # the SDK's calls block, and this event loop answers them


async def get(world: World, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
    headers = {"x-ms-version": "2024-11-04", "Accept": "application/json;odata=fullmetadata", **headers}
    url, ssl = world.endpoints.table + path, world.tls.client_context()
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=ssl) as response:
        return response.status, dict(response.headers), await response.text()


def authorization(world: World, audience: str = STORAGE_AUDIENCES[0], lifetime: int = 3600) -> dict[str, str]:
    token = world.tokens.issue(DEVELOPER_PRINCIPAL_ID, audience, lifetime=lifetime).token
    return {"Authorization": f"Bearer {token}"}


Headers = Callable[[World], dict[str, str]]


def entity(row: str, **more: Any) -> dict[str, Any]:
    return {"PartitionKey": "p", "RowKey": row, **more}


async def test_a_principal_with_the_role_writes_and_reads_a_table(world: World) -> None:
    table = world.tables(WRITER).get_table_client("ChatState")
    await in_thread(table.upsert_entity, entity("a", text="hällo"), mode=UpdateMode.REPLACE)
    assert (await in_thread(table.get_entity, "p", "a"))["text"] == "hällo"
    await in_thread(table.submit_transaction, [("upsert", entity(f"t{number}")) for number in range(3)])
    rows = await in_thread(lambda: [row["RowKey"] for row in table.query_entities("RowKey ge 't'")])
    assert rows == ["t0", "t1", "t2"]


async def test_links_in_responses_have_the_address_of_the_proxy(world: World) -> None:
    status, _, body = await get(world, "Tables", authorization(world))
    assert (status, f"{world.endpoints.table}$metadata#Tables" in body) == (200, True)


@pytest.mark.parametrize("operation", ["read", "write", "transaction", "delete", "blob"])
async def test_a_principal_without_the_role_is_rejected(world: World, operation: str) -> None:
    table = world.tables(STRANGER, **NO_RETRY).get_table_client("ChatState")
    blob = world.blobs(WRITER, **NO_RETRY).get_blob_client("deploy", "x")
    operations: dict[str, Callable[[], Any]] = {
        "read": lambda: list(table.list_entities()),
        "write": lambda: table.upsert_entity(entity("a")),
        "transaction": lambda: table.submit_transaction([("upsert", entity("a"))]),
        "delete": lambda: table.delete_entity("p", "a"),
        "blob": blob.download_blob,
    }
    with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch") as caught:
        await in_thread(operations[operation])
    assert caught.value.status_code == 403


async def test_a_role_takes_effect_when_it_is_assigned_and_no_longer_than_the_assignment(
    world: World,
) -> None:
    tables = world.tables(STRANGER, **NO_RETRY)
    table, other = tables.get_table_client("ChatState"), tables.get_table_client("Other")
    scope = f"{ACCOUNT_ID}/tableServices/default/tables/ChatState"
    assignment = assign_table_role(world.store, STRANGER, scope)
    try:
        await in_thread(table.upsert_entity, entity("b"))
        with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
            await in_thread(other.upsert_entity, entity("b"))
    finally:
        world.store.delete(assignment)

    async def write_for_ever() -> None:
        while True:
            await in_thread(table.upsert_entity, entity("b"))

    with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
        await asyncio.wait_for(write_for_ever(), 10)


def token(audience: str = STORAGE_AUDIENCES[0], lifetime: int = 3600) -> Headers:
    return lambda world: authorization(world, audience, lifetime)


def key(_world: World) -> dict[str, str]:
    return {"Authorization": "SharedKey acc1:x"}


def nothing(_world: World) -> dict[str, str]:
    return {}


@pytest.mark.parametrize(
    ("path", "headers", "account", "status", "code"),
    [
        ("Tables", nothing, {}, 401, "NoAuthenticationInformation"),
        ("a/b", nothing, {}, 401, "NoAuthenticationInformation"),
        ("a/b", token(), {}, 400, "InvalidUri"),
        ("Tables", token(ARM_AUDIENCES[0]), {}, 401, "InvalidAuthenticationInfo"),
        ("Tables", token(lifetime=-10), {}, 401, "InvalidAuthenticationInfo"),
        ("Tables", key, {"allowSharedKeyAccess": False}, 403, "KeyBasedAuthenticationNotPermitted"),
        ("Tables?sig=a", nothing, {"allowSharedKeyAccess": False}, 403, "KeyBasedAuthenticationNotPermitted"),
        ("Tables", key, {"allowSharedKeyAccess": True}, 403, "AuthenticationFailed"),
        ("Tables", token(), {"publicNetworkAccess": "Disabled"}, 403, "AuthorizationFailure"),
    ],
)
async def test_a_request_that_cannot_be_authenticated_is_rejected(  # noqa: PLR0917 # fixture and case
    world: World, path: str, headers: Headers, account: dict[str, Any], status: int, code: str
) -> None:
    stored = world.store.require(ACCOUNT_ID)
    world.store.put({**stored, "properties": account})
    try:
        actual_status, actual_headers, body = await get(world, path, headers(world))
    finally:
        world.store.put(stored)
    assert (actual_status, actual_headers["x-ms-error-code"]) == (status, code)
    assert json.loads(body)["odata.error"]["code"] == code
    assert status != 401 or actual_headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


async def test_an_error_of_the_blob_service_is_xml(world: World) -> None:
    blobs = world.blobs(Credential(world.tokens, WRITER, lifetime=-10), **NO_RETRY)
    with pytest.raises(ClientAuthenticationError, match=r"InvalidAuthenticationInfo(.|\n)*has expired"):
        await in_thread(lambda: list(blobs.list_containers()))


async def test_large_blobs_are_forwarded_in_both_directions(world: World) -> None:
    content = bytes(range(256)) * 20_000  # 5 MB: several blocks up, a streamed response down
    sizes: dict[str, Any] = {"max_single_put_size": 1024 * 1024, "max_block_size": 1024 * 1024}
    blob = world.blobs(DEVELOPER_PRINCIPAL_ID, **sizes).get_blob_client("deploy", "package/a b.zip")
    await in_thread(blob.upload_blob, content, overwrite=True)
    assert await in_thread(lambda: blob.download_blob().readall()) == content
    assert (await in_thread(blob.get_blob_properties)).size == len(content)


async def test_a_second_creation_or_deletion_changes_nothing(world: World) -> None:
    table = world.tables(DEVELOPER_PRINCIPAL_ID).get_table_client("Twice")
    await world.accounts.create(ACCOUNT_ID, "table", "Twice")
    await in_thread(table.upsert_entity, entity("kept"))
    await world.accounts.create(ACCOUNT_ID, "table", "Twice")
    assert (await in_thread(table.get_entity, "p", "kept"))["RowKey"] == "kept"
    for _ in range(2):
        await world.accounts.create(ACCOUNT_ID, "container", "twice")
        await world.accounts.create(ACCOUNT_ID, "queue", "twice")
    for _ in range(2):
        await world.accounts.delete(ACCOUNT_ID, "table", "Twice")
        await world.accounts.delete(ACCOUNT_ID, "container", "twice")
        await world.accounts.delete(ACCOUNT_ID, "queue", "twice")
    with pytest.raises(ResourceNotFoundError):
        await in_thread(table.get_entity, "p", "kept")


async def test_a_killed_azurite_restarts_with_every_acknowledged_write(world: World) -> None:
    """Azurite alone writes every five seconds, three rows in ten."""
    table = world.tables(WRITER, retry_backoff_factor=0.1).get_table_client("ChatState")
    database = world.home.storage / "acc1" / "__azurite_db_table__.json"
    async with asyncio.timeout(9):
        for row in ("soon1", "soon2", "soon3"):
            await in_thread(table.upsert_entity, entity(row, n=1))
            await in_thread(
                wait_for, lambda text=f'"{row}"': text in database.read_text(), "the row is on disk"
            )
    before = world.accounts.states()[0]
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    await in_thread(wait_for, lambda: not world.accounts.states()[0].alive, "Azurite has ended")
    status, headers, _ = await get(world, "Tables", authorization(world))
    assert (status, headers["x-ms-error-code"]) == (503, "ServerBusy")
    await in_thread(wait_for, lambda: world.accounts.states()[0].alive, "Azurite runs")
    state = world.accounts.states()[0]
    assert (state.restarts, state.pid == before.pid) == (before.restarts + 1, False)
    assert (await in_thread(table.get_entity, "p", "soon3"))["n"] == 1


async def test_closing_and_opening_keeps_data_and_endpoints(world: World) -> None:
    other = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc2")
    first, second = (
        StorageAccounts(world.home, world.store, world.tokens, world.tls, world.ports) for _ in range(2)
    )
    try:
        endpoints = await first.open_account(other)
        await first.create(other, "container", "kept")
        await first.close()
        assert await second.open_account(other) == endpoints
        blobs = world.blobs(DEVELOPER_PRINCIPAL_ID, endpoints.blob)
        names = await in_thread(lambda: [container.name for container in blobs.list_containers()])
        assert names == ["kept"]
        await second.delete_account(other)
        assert not (world.home.storage / "acc2").exists()
    finally:
        await first.close()
        await second.close()


async def test_an_account_is_opened_once_by_concurrent_calls(world: World) -> None:
    both = await asyncio.gather(*(world.accounts.open_account(ACCOUNT_ID.upper()) for _ in range(2)))
    assert both == [world.endpoints, world.endpoints]
    assert len(world.accounts.states()) == 1


async def test_no_file_contains_the_accounts_key(world: World) -> None:
    """Azurite requires a key per account, with which roles would not matter."""
    for file in world.home.root.rglob("*"):
        if file.is_file():
            assert b"AZURITE_ACCOUNTS" not in file.read_bytes(), file


async def test_an_azurite_whose_port_is_taken_meanwhile_gets_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Azurite listens there, so that a response on the port proves nothing."""
    other = next(iter(world.accounts._accounts.values())).azurite.ports["blob"]  # pyright: ignore[reportPrivateUsage]
    ports = iter([other])
    monkeypatch.setattr(azurite, "free_port", lambda: next(ports, None) or free_port())

    second = await azurite.start("acc2", world.home.storage / "acc2", world.home.logs / "acc2.log", world.tls)

    try:
        assert other not in second.ports.values()
        assert second.process.alive
    finally:
        await second.process.stop()
