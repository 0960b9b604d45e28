"""The gateway over HTTPS: managed identities as in App Service, metadata, ARM."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.resource import Azure
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, STORAGE_AUDIENCES, Tokens, load_key
from local_azure.dataplane import Services
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.tests.frontends.pulumi.support import FakeModels, FakeServices, FakeStorage

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
SITE = ids.build(GROUP, "Microsoft.Web/sites", "App1")
ASSIGNED, UNASSIGNED = (ids.build(GROUP, IDENTITY_TYPE, name) for name in ("assigned", "unassigned"))
CLIENT_ID = {
    ASSIGNED: "11111111-1111-4111-8111-111111111111",
    UNASSIGNED: "22222222-2222-4222-8222-222222222222",
}
PRINCIPAL_ID = {identity: client_id[:-4] + "aaaa" for identity, client_id in CLIENT_ID.items()}
TOKEN = "/msi/token?api-version=2019-08-01&resource=https://storage.azure.com"


class RunningSites(FakeServices):
    def host_keys(self, site_id: str) -> Mapping[str, str]:
        return {"master": f"m-{ids.name_of(site_id)}", "default": "d"}

    def functions(self, site_id: str) -> list[str]:
        return [f"Create{ids.name_of(site_id)}"]

    def host_status(self, site_id: str) -> Mapping[str, object]:
        return {"id": ids.name_of(site_id), "state": "Running"}


@dataclass(frozen=True)
class World:
    url: str
    tls: Tls
    tokens: Tokens

    async def call(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, self.url + path, headers=headers, ssl=self.tls.client_context()
            ) as response,
        ):
            return response.status, await response.json() if response.content_length else None

    async def principal_of(self, owner: str, scope: str, client_id: str | None = None) -> str:
        """The principal in the token that azure-identity gets in a process of `owner`.

        It reads the environment for each token; without these variables it would use a virtual machine's
        identity service.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("IDENTITY_ENDPOINT", f"{self.url}/msi/token")
            patch.setenv("IDENTITY_HEADER", self.tokens.header_for(owner))
            options: dict[str, Any] = {"client_id": client_id} if client_id else {}
            credential = ManagedIdentityCredential(connection_verify=str(self.tls.ca_file), **options)
            token = await asyncio.to_thread(credential.get_token, f"{scope}/.default")
        return self.tokens.verify(token.token, (scope,))

    def bearer(self, principal_id: str, audience: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.issue(principal_id, audience).token}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    home = Home(tmp_path_factory.mktemp("home"))
    tls, tokens, store = (
        certificates.ensure(home),
        Tokens(load_key(home.token_key_file)),
        Store(home.store_file),
    )
    store.put(Resource(id=GROUP, name="rg", type="Microsoft.Resources/resourceGroups"))
    for identity, client_id in CLIENT_ID.items():
        properties = {"clientId": client_id, "principalId": PRINCIPAL_ID[identity]}
        name = ids.name_of(identity)
        store.put(Resource(id=identity, name=name, type=IDENTITY_TYPE, properties=properties))
    site = Resource(id=SITE, name="App1", type=ids.type_of(SITE))
    store.put({**site, "identity": {"type": "UserAssigned", "userAssignedIdentities": {ASSIGNED: {}}}})
    listener = Ports(home.ports_file).hold("gateway")
    port: int = listener.getsockname()[1]
    azure = Azure(store, Services(FakeStorage(), RunningSites(), FakeModels()))
    gateway = Gateway(port, azure, tokens, lambda: {"storageAccounts": []})
    runner = web.ServerRunner(web.Server(gateway, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=tls.server_context()).start()
        yield World(f"https://127.0.0.1:{port}", tls, tokens)
    finally:
        await gateway.close()
        await runner.cleanup()


async def test_a_site_and_the_developer_get_tokens_of_their_own_identity(world: World) -> None:
    storage, arm = STORAGE_AUDIENCES[0], ARM_AUDIENCES[0]
    assert await world.principal_of(SITE, storage, CLIENT_ID[ASSIGNED]) == PRINCIPAL_ID[ASSIGNED]
    assert await world.principal_of(DEVELOPER, arm) == DEVELOPER_PRINCIPAL_ID


@pytest.mark.parametrize(
    ("owner", "client_id"),
    [(SITE, CLIENT_ID[UNASSIGNED]), (SITE, None), (DEVELOPER, CLIENT_ID[ASSIGNED]), (f"{SITE}2", None)],
)
async def test_no_owner_gets_a_token_of_another_identity(
    world: World, owner: str, client_id: str | None
) -> None:
    with pytest.raises(
        ClientAuthenticationError, match="No User Assigned or Delegated Managed Identity found"
    ):
        await world.principal_of(owner, STORAGE_AUDIENCES[0], client_id)


@pytest.mark.parametrize(
    "selector",
    [
        f"mi_res_id={ASSIGNED}",
        *(f"{name}={PRINCIPAL_ID[ASSIGNED]}" for name in ("principal_id", "object_id")),
    ],
)
async def test_an_identity_may_be_selected_by_its_other_ids(world: World, selector: str) -> None:
    headers = {"X-IDENTITY-HEADER": world.tokens.header_for(SITE)}
    status, body = await world.call("GET", f"{TOKEN}&{selector}", headers)
    assert (status, body["client_id"]) == (200, CLIENT_ID[ASSIGNED])
    assert {"access_token", "expires_on", "resource", "token_type"} <= set(body)


@pytest.mark.parametrize(
    ("path", "header", "expected"),
    [
        (TOKEN, "made up", 401),
        (TOKEN.replace("2019-08-01", "2017-09-01"), None, 400),
        (TOKEN.partition("&")[0], None, 400),
        (f"{TOKEN}&client_id={CLIENT_ID[ASSIGNED]}&principal_id={PRINCIPAL_ID[ASSIGNED]}", None, 400),
    ],
)
async def test_a_wrong_token_request_is_rejected(
    world: World, path: str, header: str | None, expected: int
) -> None:
    headers = {"X-IDENTITY-HEADER": header or world.tokens.header_for(SITE)}
    status, body = await world.call("GET", path, headers)
    assert (status, body["statusCode"]) == (expected, expected)


async def test_metadata_is_an_object_and_in_old_api_versions_a_list(world: World) -> None:
    _, cloud = await world.call("GET", "/metadata/endpoints?api-version=2022-09-01")
    assert cloud["resourceManager"] == f"{world.url}/"
    assert f"{ARM_AUDIENCES[0]}/" in cloud["authentication"]["audiences"]
    assert await world.call("GET", "/metadata/endpoints?api-version=2019-05-01") == (200, [cloud])


async def test_arm_has_the_functions_keys_and_status_of_a_site(world: World) -> None:
    async def call(method: str, path: str) -> Any:
        headers = world.bearer(DEVELOPER_PRINCIPAL_ID, ARM_AUDIENCES[0])
        return (await world.call(method, f"{SITE}/{path}?api-version=2024-11-01", headers))[1]

    functions = await call("GET", "functions")
    assert [function["name"] for function in functions["value"]] == ["App1/CreateApp1"]
    keys = {"masterKey": "m-App1", "functionKeys": {"default": "d"}, "systemKeys": {}}
    assert await call("POST", "host/default/listKeys") == keys
    assert await call("GET", "hostruntime/admin/host/status") == {"id": "App1", "state": "Running"}


@pytest.mark.parametrize(
    ("method", "path", "audience", "expected"),
    [
        ("GET", f"{SITE}?api-version=2024-11-01", None, (401, "AuthenticationFailed")),
        ("GET", f"{SITE}?api-version=2024-11-01", STORAGE_AUDIENCES[0], (401, "InvalidAuthenticationToken")),
        ("GET", SITE, ARM_AUDIENCES[0], (400, "MissingApiVersionParameter")),
        ("GET", f"{SITE}2?api-version=2024-11-01", ARM_AUDIENCES[0], (404, "ResourceNotFound")),
        ("GET", f"{SITE}2/functions?api-version=1", ARM_AUDIENCES[0], (404, "ResourceNotFound")),
        ("POST", f"{SITE}?api-version=2024-11-01", ARM_AUDIENCES[0], (405, "MethodNotAllowed")),
        ("GET", "/what?api-version=2024-11-01", ARM_AUDIENCES[0], (404, "InvalidResourceId")),
    ],
)
async def test_arm_rejects_with_its_own_codes(
    world: World, method: str, path: str, audience: str | None, expected: tuple[int, str]
) -> None:
    headers = world.bearer(DEVELOPER_PRINCIPAL_ID, audience) if audience else {}
    status, body = await world.call(method, path, headers)
    assert (status, body["error"]["code"]) == expected


async def test_arm_requires_a_role(world: World) -> None:
    headers = world.bearer(PRINCIPAL_ID[ASSIGNED], ARM_AUDIENCES[0])
    status, body = await world.call("POST", f"{SITE}/host/default/listKeys?api-version=2024-11-01", headers)
    assert (status, body["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Web/sites/host/listkeys/action" in body["error"]["message"]


async def test_the_status_is_for_the_developer_only(world: World) -> None:
    for headers in ({}, {"X-IDENTITY-HEADER": world.tokens.header_for(SITE)}):
        assert (await world.call("GET", "/local-azure/status", headers))[0] == 401
    headers = {"X-IDENTITY-HEADER": world.tokens.header_for(DEVELOPER)}
    assert await world.call("GET", "/local-azure/status", headers) == (200, {"storageAccounts": []})
