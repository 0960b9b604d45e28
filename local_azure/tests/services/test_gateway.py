"""The gateway over HTTPS: identities as App Service answers them, metadata, ARM."""

from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID
from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, STORAGE_AUDIENCES

from .conftest import GROUP, SITE_ID, STRANGER, UNASSIGNED, WRITER, WRITER_PRINCIPAL, World, in_thread

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPE = "https://storage.azure.com/.default"
TOKEN = "/msi/token?api-version=2019-08-01&resource=https://storage.azure.com"


async def call(
    world: World, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, world.gateway + path, headers=headers, ssl=world.tls.client_context()
        ) as answer,
    ):
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


def bearer(
    world: World, principal: str = DEVELOPER_PRINCIPAL_ID, audience: str = ARM_AUDIENCES[0]
) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.tokens.issue(principal, audience).token}"}


async def test_a_site_gets_a_token_of_an_identity_that_is_assigned_to_it(world: World) -> None:
    token = await in_thread(lambda: world.identity(SITE_ID, WRITER).get_token(SCOPE))
    assert world.tokens.verify(token.token, STORAGE_AUDIENCES) == WRITER_PRINCIPAL


async def test_a_site_gets_no_token_of_an_identity_that_is_not_assigned_to_it(world: World) -> None:
    with pytest.raises(
        ClientAuthenticationError, match="No User Assigned or Delegated Managed Identity found"
    ):
        await in_thread(lambda: world.identity(SITE_ID, UNASSIGNED).get_token(SCOPE))


async def test_a_site_without_a_system_identity_has_to_name_one(world: World) -> None:
    with pytest.raises(ClientAuthenticationError):
        await in_thread(lambda: world.identity(SITE_ID).get_token(SCOPE))


async def test_an_identity_may_be_named_by_its_resource_id(world: World) -> None:
    identity = ids.build(GROUP, "Microsoft.ManagedIdentity/userAssignedIdentities", "writer")
    headers = {"X-IDENTITY-HEADER": world.tokens.header_for(SITE_ID)}
    status, body = await call(world, "GET", f"{TOKEN}&mi_res_id={identity}", headers)
    assert (status, body["client_id"]) == (200, WRITER)
    assert {"access_token", "expires_on", "resource", "token_type"} <= set(body)


@pytest.mark.parametrize(
    ("path", "header", "expected"),
    [
        (TOKEN, "made up", 401),
        (TOKEN.replace("2019-08-01", "2017-09-01"), None, 400),
        (TOKEN.partition("&")[0], None, 400),
        (f"{TOKEN}&client_id={WRITER}&principal_id={WRITER_PRINCIPAL}", None, 400),
        (f"{TOKEN}&client_id={STRANGER}x", None, 400),
    ],
)
async def test_a_token_request_that_is_not_right_is_refused(
    world: World, path: str, header: str | None, expected: int
) -> None:
    headers = {"X-IDENTITY-HEADER": header or world.tokens.header_for(SITE_ID)}
    status, body = await call(world, "GET", path, headers)
    assert (status, body["statusCode"]) == (expected, expected)


async def test_the_developer_signs_in_as_the_person_at_the_laptop(world: World) -> None:
    token = await in_thread(
        lambda: world.identity(DEVELOPER).get_token("https://management.azure.com/.default")
    )
    assert world.tokens.verify(token.token, ARM_AUDIENCES) == DEVELOPER_PRINCIPAL_ID


async def test_metadata_is_one_object_now_and_a_list_before(world: World) -> None:
    _, cloud = await call(world, "GET", "/metadata/endpoints?api-version=2022-09-01")
    assert cloud["resourceManager"] == f"{world.gateway}/"
    assert f"{ARM_AUDIENCES[0]}/" in cloud["authentication"]["audiences"]
    _, clouds = await call(world, "GET", "/metadata/endpoints?api-version=2019-05-01")
    assert clouds == [cloud]


async def test_a_resource_is_read_without_its_app_settings(world: World) -> None:
    status, site = await call(world, "GET", f"{SITE_ID}?api-version=2024-11-01", bearer(world))
    assert (status, site["name"]) == (200, "App1")
    assert site["properties"]["siteConfig"]["appSettings"] is None


async def test_functions_and_keys_and_status_of_a_site_are_answered(world: World) -> None:
    _, functions = await call(world, "GET", f"{SITE_ID}/functions?api-version=2024-11-01", bearer(world))
    assert [one["name"] for one in functions["value"]] == ["App1/CreateApp1"]
    _, keys = await call(
        world, "POST", f"{SITE_ID}/host/default/listKeys?api-version=2024-11-01", bearer(world)
    )
    assert keys == {"masterKey": "m-App1", "functionKeys": {"default": "d"}, "systemKeys": {}}
    _, status = await call(
        world, "GET", f"{SITE_ID}/hostruntime/admin/host/status?api-version=2024-11-01", bearer(world)
    )
    assert status == {"id": "App1", "state": "Running"}


@pytest.mark.parametrize(
    ("method", "path", "signed_in", "expected"),
    [
        ("GET", f"{SITE_ID}?api-version=2024-11-01", None, (401, "AuthenticationFailed")),
        (
            "GET",
            f"{SITE_ID}?api-version=2024-11-01",
            STORAGE_AUDIENCES[0],
            (401, "InvalidAuthenticationToken"),
        ),
        ("GET", SITE_ID, ARM_AUDIENCES[0], (400, "MissingApiVersionParameter")),
        ("GET", f"{SITE_ID}2?api-version=2024-11-01", ARM_AUDIENCES[0], (404, "ResourceNotFound")),
        ("GET", f"{SITE_ID}2/functions?api-version=1", ARM_AUDIENCES[0], (404, "ResourceNotFound")),
        ("POST", f"{SITE_ID}?api-version=2024-11-01", ARM_AUDIENCES[0], (405, "MethodNotAllowed")),
        ("GET", "/what?api-version=2024-11-01", ARM_AUDIENCES[0], (404, "InvalidResourceId")),
    ],
)
async def test_arm_refuses_with_its_own_codes(
    world: World, method: str, path: str, signed_in: str | None, expected: tuple[int, str]
) -> None:
    headers = bearer(world, audience=signed_in) if signed_in else {}
    status, body = await call(world, method, path, headers)
    assert (status, body["error"]["code"]) == expected


async def test_arm_asks_for_a_role(world: World) -> None:
    path = f"{SITE_ID}/host/default/listKeys?api-version=2024-11-01"
    status, body = await call(world, "POST", path, bearer(world, WRITER_PRINCIPAL))
    assert (status, body["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Web/sites/host/listkeys/action" in body["error"]["message"]


async def test_the_status_is_for_the_developer_only(world: World) -> None:
    path = "/local-azure/status"
    assert (await call(world, "GET", path))[0] == 401
    assert (await call(world, "GET", path, {"X-IDENTITY-HEADER": world.tokens.header_for(SITE_ID)}))[0] == 401
    status, body = await call(world, "GET", path, {"X-IDENTITY-HEADER": world.tokens.header_for(DEVELOPER)})
    assert (status, body) == (200, {"storageAccounts": []})
