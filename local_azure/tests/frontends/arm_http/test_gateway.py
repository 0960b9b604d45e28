"""The gateway over HTTPS: managed identities as in App Service, metadata, a site's host, refusals of ARM."""

from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource
from local_azure.core.tokens import ARM_AUDIENCES, DEVELOPER, STORAGE_AUDIENCES
from local_azure.tests.frontends.arm_http.conftest import STRANGER, World

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
SITE = ids.build(GROUP, "Microsoft.Web/sites", "App1")
ASSIGNED, UNASSIGNED = (ids.build(GROUP, IDENTITY_TYPE, name) for name in ("assigned", "unassigned"))
CLIENT_ID = {
    ASSIGNED: "11111111-1111-4111-8111-111111111111",
    UNASSIGNED: "22222222-2222-4222-8222-222222222222",
}
PRINCIPAL_ID = {identity: client_id[:-4] + "aaaa" for identity, client_id in CLIENT_ID.items()}
TOKEN = "/msi/token?api-version=2019-08-01&resource=https://storage.azure.com"


class Gateway:
    def __init__(self, world: World) -> None:
        self.tokens, self.url = world.tokens, world.clients.cloud.endpoint.rstrip("/")

    def call(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        response = requests.request(method, self.url + path, headers=headers, timeout=20)
        return response.status_code, response.json() if response.content else None

    def identity(self, owner: str) -> dict[str, str]:
        return {"X-IDENTITY-HEADER": self.tokens.header_for(owner)}

    def bearer(self, audience: str, principal_id: str = DEVELOPER_PRINCIPAL_ID) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.issue(principal_id, audience).token}"}


@pytest.fixture
def gateway(world: World) -> Gateway:
    """With a site, one of two identities of which is assigned to it."""
    world.store.put(Resource(id=GROUP, name="rg", type="Microsoft.Resources/resourceGroups"))
    for identity, client_id in CLIENT_ID.items():
        properties = {"clientId": client_id, "principalId": PRINCIPAL_ID[identity]}
        name = ids.name_of(identity)
        world.store.put(Resource(id=identity, name=name, type=IDENTITY_TYPE, properties=properties))
    site = Resource(id=SITE, name="App1", type=ids.type_of(SITE))
    world.store.put({**site, "identity": {"type": "UserAssigned", "userAssignedIdentities": {ASSIGNED: {}}}})
    return Gateway(world)


@pytest.mark.parametrize(
    ("owner", "audience", "client_id", "principal_id"),
    [
        (SITE, STORAGE_AUDIENCES[0], CLIENT_ID[ASSIGNED], PRINCIPAL_ID[ASSIGNED]),
        (DEVELOPER, ARM_AUDIENCES[0], None, DEVELOPER_PRINCIPAL_ID),
        (SITE, STORAGE_AUDIENCES[0], CLIENT_ID[UNASSIGNED], None),
        (SITE, STORAGE_AUDIENCES[0], None, None),
        (DEVELOPER, STORAGE_AUDIENCES[0], CLIENT_ID[ASSIGNED], None),
        (f"{SITE}2", STORAGE_AUDIENCES[0], None, None),
    ],
)
def test_an_owner_gets_tokens_of_its_own_identity_and_of_no_other(  # noqa: PLR0917 # fixtures and case
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    audience: str,
    client_id: str | None,
    principal_id: str | None,
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{gateway.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", gateway.tokens.header_for(owner))
    options: dict[str, Any] = {"client_id": client_id} if client_id else {}
    credential = ManagedIdentityCredential(**options)
    if principal_id is None:
        message = "No User Assigned or Delegated Managed Identity found"
        with pytest.raises(ClientAuthenticationError, match=message):
            credential.get_token(f"{audience}/.default")
    else:
        token = credential.get_token(f"{audience}/.default").token
        assert gateway.tokens.verify(token, (audience,)) == principal_id


@pytest.mark.parametrize(
    "selector",
    [
        f"mi_res_id={ASSIGNED}",
        *(f"{name}={PRINCIPAL_ID[ASSIGNED]}" for name in ("principal_id", "object_id")),
    ],
)
def test_an_identity_may_be_selected_by_its_other_ids(gateway: Gateway, selector: str) -> None:
    status, body = gateway.call("GET", f"{TOKEN}&{selector}", gateway.identity(SITE))
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
def test_a_wrong_token_request_is_rejected(
    gateway: Gateway, path: str, header: str | None, expected: int
) -> None:
    headers = {"X-IDENTITY-HEADER": header} if header else gateway.identity(SITE)
    status, body = gateway.call("GET", path, headers)
    assert (status, body["statusCode"]) == (expected, expected)


def test_metadata_is_an_object_and_in_old_api_versions_a_list(gateway: Gateway) -> None:
    _, cloud = gateway.call("GET", "/metadata/endpoints?api-version=2022-09-01")
    assert cloud["resourceManager"] == f"{gateway.url}/"
    assert f"{ARM_AUDIENCES[0]}/" in cloud["authentication"]["audiences"]
    assert gateway.call("GET", "/metadata/endpoints?api-version=2019-05-01") == (200, [cloud])


@pytest.mark.usefixtures("gateway")
def test_arm_has_the_functions_keys_and_status_of_a_site(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "functions": ["CreateApp1"],
        "host_keys": {"master": "m", "default": "d"},
        "host_status": {"state": "Running"},
    }.items():
        monkeypatch.setattr(world.services, name, {SITE: value}.__getitem__)
    functions = world.send("GET", f"{SITE}/functions").json()["value"]
    assert [function["name"] for function in functions] == ["App1/CreateApp1"]
    keys = {"masterKey": "m", "functionKeys": {"default": "d"}, "systemKeys": {}}
    assert world.send("POST", f"{SITE}/host/default/listKeys").json() == keys
    assert world.send("GET", f"{SITE}/hostruntime/admin/host/status").json() == {"state": "Running"}


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
def test_arm_rejects_with_its_own_codes(
    gateway: Gateway, method: str, path: str, audience: str | None, expected: tuple[int, str]
) -> None:
    status, body = gateway.call(method, path, gateway.bearer(audience) if audience else None)
    assert (status, body["error"]["code"]) == expected


def test_the_keys_of_a_site_require_a_role(gateway: Gateway) -> None:
    headers = gateway.bearer(ARM_AUDIENCES[0], STRANGER)
    status, body = gateway.call("POST", f"{SITE}/host/default/listKeys?api-version=2024-11-01", headers)
    assert (status, body["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Web/sites/host/listkeys/action" in body["error"]["message"]


def test_the_status_is_for_the_developer_only(gateway: Gateway) -> None:
    for headers, expected in (({}, 401), (gateway.identity(SITE), 401), (gateway.identity(DEVELOPER), 200)):
        assert gateway.call("GET", "/local-azure/status", headers)[0] == expected
