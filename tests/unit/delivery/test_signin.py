"""The credential that deploys code, and the cloud: chosen as azure-native chooses them."""

from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError
from requests import Session

from delivery import signin
from delivery.signin import CLOUDS, Cloud, SignInError, cloud_of, kind_of, read_settings, token_source
from tests.fake_azure import IDENTITY, METADATA, OIDC, Azure, Reply

APPLICATION = {"ARM_CLIENT_ID": "client", "ARM_TENANT_ID": "tenant"}
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
OIDC_URL = "https://azure.test/oidc"


def settings(environment: dict[str, str], config: dict[str, object] | None = None) -> dict[str, str]:
    return read_settings((config or {}).get, environment)


SECRET, CERTIFICATE = {"ARM_CLIENT_SECRET": "s"}, {"ARM_CLIENT_CERTIFICATE_PATH": "/c.pfx"}
USE_OIDC, USE_MSI, TOKEN = {"ARM_USE_OIDC": "true"}, {"ARM_USE_MSI": "true"}, {"ARM_OIDC_TOKEN": "j"}
REQUEST = {"ARM_OIDC_REQUEST_URL": OIDC_URL, "ARM_OIDC_REQUEST_TOKEN": "t"}


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "Azure CLI"),
        (USE_MSI, "managed identity"),
        ({"ARM_USE_MSI": "True"}, "managed identity"),
        ({"ARM_USE_MSI": "false"}, "Azure CLI"),
        (USE_MSI | USE_OIDC | TOKEN | APPLICATION, "OIDC token"),
        (TOKEN | APPLICATION, "Azure CLI"),
        (USE_OIDC | APPLICATION | {"ARM_OIDC_TOKEN_FILE_PATH": "/t"}, "OIDC token file"),
        (USE_OIDC | APPLICATION | GITHUB, "OIDC token request"),
        (USE_OIDC | APPLICATION | TOKEN | GITHUB, "OIDC token"),
        (SECRET | USE_OIDC | USE_MSI | APPLICATION, "client secret"),
        (CERTIFICATE | SECRET | APPLICATION, "client certificate"),
        (SECRET | {"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true"}, "default credential"),
        ({"ARM_CLIENT_SECRET": ""}, "Azure CLI"),
    ],
)
def test_the_kind_of_credential_has_azure_natives_precedence(environment: dict[str, str], kind: str) -> None:
    assert kind_of(settings(environment)) == kind


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        (SECRET, ["ARM_CLIENT_ID", "ARM_TENANT_ID"]),
        (SECRET | {"ARM_CLIENT_ID": "c"}, ["ARM_TENANT_ID"]),
        (CERTIFICATE | {"ARM_TENANT_ID": "t"}, ["ARM_CLIENT_ID"]),
        (USE_OIDC | TOKEN, ["ARM_CLIENT_ID", "ARM_TENANT_ID"]),
        (USE_OIDC | APPLICATION | {"ARM_OIDC_REQUEST_URL": "u"}, ["ARM_OIDC_REQUEST_TOKEN"]),
        (USE_OIDC | APPLICATION, ["ARM_OIDC_TOKEN", "id-token: write"]),
    ],
)
def test_missing_settings_of_the_kind_are_named(environment: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(SignInError) as raised:
        kind_of(settings(environment))
    assert all(name in str(raised.value) for name in missing)


def test_stack_config_precedes_the_environment_and_arm_variables_those_of_github() -> None:
    config: dict[str, object] = {"azure-native:clientSecret": "of config", "azure-native:useMsi": True}
    environment = {"ARM_CLIENT_SECRET": "of env", "ARM_USE_MSI": "false", "ARM_OIDC_REQUEST_TOKEN": "arm"}
    assert settings(environment | GITHUB, config) == {
        "clientSecret": "of config",
        "useMsi": "True",
        "oidcRequestToken": "arm",
        "oidcRequestUrl": "https://t",
    }


ENDPOINTS = {
    "ARM_RESOURCE_MANAGER_ENDPOINT": "https://arm.example/",
    "ARM_RESOURCE_MANAGER_AUDIENCE": "https://aud.example",
    "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST": "https://login.example/",
}


@pytest.mark.parametrize(
    ("environment", "cloud"),
    [
        ({}, CLOUDS["public"]),
        ({"ARM_ENVIRONMENT": "public"}, CLOUDS["public"]),
        (
            {"ARM_ENVIRONMENT": "AzureUSGovernment"},
            Cloud(
                "https://management.usgovcloudapi.net",
                "https://management.usgovcloudapi.net/",
                "login.microsoftonline.us",
            ),
        ),
        ({"AZURE_ENVIRONMENT": "AzureChinaCloud"}, CLOUDS["china"]),
        (
            ENDPOINTS | {"ARM_ENVIRONMENT": "china"},
            Cloud("https://arm.example", "https://aud.example", "login.example"),
        ),
        ({key: ENDPOINTS[key] for key in list(ENDPOINTS)[:2]}, CLOUDS["public"]),
    ],
)
def test_the_settings_select_the_cloud(environment: dict[str, str], cloud: Cloud) -> None:
    assert cloud_of(settings(environment), Session()) == cloud


def test_an_unknown_cloud_is_named_with_the_known_ones() -> None:
    with pytest.raises(SignInError, match=r"'mars'.*public, usgovernment, china"):
        cloud_of(settings({"ARM_ENVIRONMENT": "mars"}), Session())


@pytest.mark.parametrize("in_list", [False, True])
def test_a_metadata_host_describes_its_cloud(azure: Azure, in_list: bool) -> None:
    azure.signs_in()
    if in_list:
        (reply,) = azure.script[METADATA]
        assert isinstance(reply, Reply)
        azure.answers(METADATA, Reply(200, [{"name": "another"}, reply.body]))
    cloud = cloud_of(settings({"ARM_METADATA_HOSTNAME": azure.host, "ARM_ENVIRONMENT": "L"}), Session())
    assert cloud == Cloud(f"https://{azure.host}", f"https://{azure.host}/", f"{azure.host}/login")


@pytest.mark.parametrize(
    "reply", [Reply(404), Reply(200, "<html>"), Reply(200, []), Reply(200, {}), Reply(0)]
)
def test_a_metadata_host_that_describes_no_cloud_is_named(azure: Azure, reply: Reply) -> None:
    azure.answers(METADATA, reply)
    with pytest.raises(SignInError, match=f"ARM_METADATA_HOSTNAME is '{azure.host}'"):
        cloud_of(settings({"ARM_METADATA_HOSTNAME": azure.host}), Session())


def test_a_managed_identity_signs_in_at_the_endpoint_of_the_platform(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**azure.signs_in(), "ARM_CLIENT_ID": "chosen"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    values = settings(environment)
    token = token_source(values, cloud_of(values, Session()), Session())
    assert token() == token() == "tok3n"
    (request,) = azure.requests(IDENTITY)
    assert request.query["resource"].rstrip("/") == f"https://{azure.host}"
    assert request.query["client_id"] == "chosen"
    assert request.headers["X-IDENTITY-HEADER"] == "header"


UNDISCOVERED = {"ARM_DISABLE_INSTANCE_DISCOVERY": "true"}


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        (SECRET | UNDISCOVERED, "login.test"),
        (USE_OIDC | TOKEN | UNDISCOVERED, "login.test"),
        (SECRET, "login.microsoftonline.com"),  # knows all authorities
    ],
)
def test_an_application_signs_in_at_the_authority_of_the_cloud(
    azure: Azure, environment: dict[str, str], host: str
) -> None:
    cloud = Cloud("https://arm.test", "https://arm.test/", "login.test")
    with pytest.raises(SignInError, match=r"Signing in by (client secret|OIDC token) failed"):
        token_source(settings(environment | APPLICATION), cloud, Session())()
    assert {request.host for request in azure.received} == {host}


def requested_token(sleeps: list[float], **more: str) -> str:
    values = {"oidcRequestUrl": f"{OIDC_URL}?x=1", "oidcRequestToken": "bearer", **more}
    return signin._requested_token(values, Session(), sleeps.append)  # pyright: ignore[reportPrivateUsage] # azure-identity calls it deep in a sign-in


@pytest.mark.parametrize(
    "transient", [Reply(0), Reply(500), Reply(503, "busy"), Reply(429), Reply(200, "no json")]
)
def test_githubs_token_endpoint_is_requested_again_after_an_error_that_passes(
    azure: Azure, transient: Reply
) -> None:
    azure.answers(OIDC, transient, transient, Reply(200, {"value": "jwt"}))
    sleeps: list[float] = []
    assert requested_token(sleeps) == "jwt"
    assert sleeps == [1.0, 4.0]
    assert requested_token(sleeps, oidcAudience="other") == "jwt"
    *_, request, other = azure.requests(OIDC)
    assert request.query == {"x": "1", "audience": "api://AzureADTokenExchange"}
    assert other.query == {"x": "1", "audience": "other"}
    assert request.timeout == (10, 30)
    assert request.headers["Authorization"] == "Bearer bearer"


@pytest.mark.parametrize(
    ("reply", "requests"),
    [
        *((Reply(status), 1) for status in (400, 403, 404, 499)),
        *((Reply(status), 4) for status in (429, 500)),
        (Reply(200, {}), 4),
        (Reply(200, []), 4),
    ],
)
def test_a_token_endpoint_without_a_token_is_an_error_of_signing_in(
    azure: Azure, reply: Reply, requests: int
) -> None:
    azure.answers(OIDC, reply)
    sleeps: list[float] = []
    with pytest.raises(ClientAuthenticationError, match="gave no token"):
        requested_token(sleeps)
    assert len(azure.requests(OIDC)) == requests
    assert sleeps == [1.0, 4.0, 10.0][: requests - 1]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ARM_OIDC_TOKEN_FILE_PATH": "/nowhere/token"}, "/nowhere/token cannot be read"),
        (REQUEST, "gave no token"),
    ],
)
def test_without_an_oidc_token_a_request_of_azures_sdk_fails_with_an_error_of_the_sdk(
    azure: Azure, environment: dict[str, str], message: str
) -> None:
    azure.answers(OIDC, Reply(403, "no"))
    values = settings(USE_OIDC | environment | APPLICATION)
    with pytest.raises(AzureError, match=message):
        signin.credential(values, CLOUDS["public"], Session()).get_token("https://x/.default")
    with pytest.raises(SignInError, match=rf"Signing in by OIDC token.*{message}"):
        token_source(values, CLOUDS["public"], Session())()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.pfx"
    with pytest.raises(SignInError, match=rf"client certificate.*{path.name}"):
        token_source(
            settings(APPLICATION | {"ARM_CLIENT_CERTIFICATE_PATH": str(path)}), CLOUDS["public"], Session()
        )


def test_without_the_azure_cli_the_error_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SignInError, match=r"Azure CLI failed.*Run `az login`"):
        token_source({}, CLOUDS["public"], Session())()
