"""Who pushes the code, and to which Azure: the same answer as azure-native gives."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError
from requests import Session

from delivery import signin
from delivery.signin import CLOUDS, Cloud, SignInError, cloud_of, kind_of, read_settings, token_source
from tests.unit.delivery.loopback import IDENTITY, METADATA, OIDC, Azure, Reply, loopback

APPLICATION = {"ARM_CLIENT_ID": "client", "ARM_TENANT_ID": "tenant"}
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}


def settings(environment: dict[str, str], config: dict[str, object] | None = None) -> dict[str, str]:
    return read_settings((config or {}).get, environment)


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Azure]:
    with loopback(tmp_path) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        yield server


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "Azure CLI"),
        ({"ARM_SUBSCRIPTION_ID": "s", "ARM_TENANT_ID": "t"}, "Azure CLI"),
        ({"ARM_USE_MSI": "true"}, "managed identity"),
        ({"ARM_USE_MSI": "True", "ARM_CLIENT_ID": "c"}, "managed identity"),
        ({"ARM_USE_MSI": "false"}, "Azure CLI"),
        ({"ARM_USE_MSI": "1"}, "Azure CLI"),
        ({"ARM_USE_MSI": "true", "ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "j", **APPLICATION}, "OIDC token"),
        ({"ARM_OIDC_TOKEN": "j", **APPLICATION}, "Azure CLI"),
        ({"ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN_FILE_PATH": "/t", **APPLICATION}, "OIDC token file"),
        ({"ARM_USE_OIDC": "true", **GITHUB, **APPLICATION}, "OIDC token request"),
        (
            {
                "ARM_USE_OIDC": "true",
                "ARM_OIDC_REQUEST_URL": "https://t",
                "ARM_OIDC_REQUEST_TOKEN": "t",
                **APPLICATION,
            },
            "OIDC token request",
        ),
        ({"ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "j", **GITHUB, **APPLICATION}, "OIDC token"),
        ({"ARM_CLIENT_SECRET": "s", **APPLICATION}, "client secret"),
        (
            {"ARM_CLIENT_SECRET": "s", "ARM_USE_OIDC": "true", "ARM_USE_MSI": "true", **APPLICATION},
            "client secret",
        ),
        ({"ARM_CLIENT_CERTIFICATE_PATH": "/c.pfx", **APPLICATION}, "client certificate"),
        (
            {"ARM_CLIENT_CERTIFICATE_PATH": "/c.pfx", "ARM_CLIENT_SECRET": "s", **APPLICATION},
            "client certificate",
        ),
        ({"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true", "ARM_CLIENT_SECRET": "s"}, "default credential"),
        ({"ARM_CLIENT_SECRET": ""}, "Azure CLI"),
    ],
)
def test_the_way_to_sign_in_has_azure_natives_precedence(environment: dict[str, str], kind: str) -> None:
    assert kind_of(settings(environment)) == kind


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"ARM_CLIENT_SECRET": "s"}, ["ARM_CLIENT_ID", "ARM_TENANT_ID"]),
        ({"ARM_CLIENT_SECRET": "s", "ARM_CLIENT_ID": "c"}, ["ARM_TENANT_ID"]),
        ({"ARM_CLIENT_CERTIFICATE_PATH": "/c", "ARM_TENANT_ID": "t"}, ["ARM_CLIENT_ID"]),
        ({"ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "j"}, ["ARM_CLIENT_ID", "ARM_TENANT_ID"]),
        ({"ARM_USE_OIDC": "true", "ARM_OIDC_REQUEST_URL": "u", **APPLICATION}, ["ARM_OIDC_REQUEST_TOKEN"]),
        ({"ARM_USE_OIDC": "true", **APPLICATION}, ["ARM_OIDC_TOKEN", "id-token: write"]),
    ],
)
def test_what_a_chosen_way_lacks_is_named(environment: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(SignInError) as raised:
        kind_of(settings(environment))
    assert all(name in str(raised.value) for name in missing)


def test_stack_config_comes_before_the_environment() -> None:
    config: dict[str, object] = {"azure-native:clientSecret": "of config", "azure-native:useMsi": True}
    found = settings({"ARM_CLIENT_SECRET": "of env", "ARM_TENANT_ID": "t", "ARM_USE_MSI": "false"}, config)
    assert found == {"clientSecret": "of config", "tenantId": "t", "useMsi": "True"}


def test_arm_variables_come_before_githubs() -> None:
    found = settings({**GITHUB, "ARM_OIDC_REQUEST_TOKEN": "arm"})
    assert found["oidcRequestToken"] == "arm"
    assert found["oidcRequestUrl"] == "https://t"


@pytest.mark.parametrize(
    ("environment", "cloud"),
    [
        ({}, CLOUDS["public"]),
        ({"ARM_ENVIRONMENT": "public"}, CLOUDS["public"]),
        ({"ARM_ENVIRONMENT": "AzureUSGovernment"}, CLOUDS["usgovernment"]),
        ({"AZURE_ENVIRONMENT": "AzureChinaCloud"}, CLOUDS["china"]),
        (
            {
                "ARM_RESOURCE_MANAGER_ENDPOINT": "https://arm.example/",
                "ARM_RESOURCE_MANAGER_AUDIENCE": "https://aud.example",
                "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST": "https://login.example/",
                "ARM_ENVIRONMENT": "china",
            },
            Cloud("https://arm.example", "https://aud.example", "login.example"),
        ),
    ],
)
def test_the_cloud_is_the_one_that_the_settings_name(environment: dict[str, str], cloud: Cloud) -> None:
    assert cloud_of(settings(environment), Session()) == cloud


def test_an_unknown_cloud_is_named_with_the_known_ones() -> None:
    with pytest.raises(SignInError, match=r"'mars'.*public, usgovernment, china"):
        cloud_of(settings({"ARM_ENVIRONMENT": "mars"}), Session())


@pytest.mark.parametrize("listed", [False, True])
def test_a_metadata_host_describes_its_cloud(azure: Azure, listed: bool) -> None:
    azure.signs_in()
    if listed:
        (one,) = azure.script[METADATA]
        azure.answers(METADATA, Reply(200, [{"name": "another"}, one.body]))
    found = cloud_of(settings({"ARM_METADATA_HOSTNAME": azure.host, "ARM_ENVIRONMENT": "L"}), Session())
    assert found == Cloud(f"https://{azure.host}", f"https://{azure.host}/", f"{azure.host}/login")


@pytest.mark.parametrize(
    "reply", [Reply(404), Reply(200, "<html>"), Reply(200, []), Reply(200, {}), Reply(0)]
)
def test_a_metadata_host_that_describes_no_cloud_is_named(azure: Azure, reply: Reply) -> None:
    azure.answers(METADATA, reply)
    with pytest.raises(SignInError, match=f"ARM_METADATA_HOSTNAME is '{azure.host}'"):
        cloud_of(settings({"ARM_METADATA_HOSTNAME": azure.host}), Session())


def test_a_managed_identity_signs_in_at_the_platforms_endpoint(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**azure.signs_in(), "ARM_CLIENT_ID": "chosen"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = settings(environment)
    token = token_source(found, cloud_of(found, Session()), Session())
    assert token() == token() == "tok3n"
    (asked,) = azure.requests(IDENTITY)
    assert asked.query["resource"].rstrip("/") == f"https://{azure.host}"
    assert asked.query["client_id"] == "chosen"
    assert asked.headers["X-IDENTITY-HEADER"] == "header"


def test_githubs_token_endpoint_is_asked_for_the_audience_of_entra(azure: Azure) -> None:
    azure.answers(OIDC, Reply(200, {"value": "jwt"}))
    found = {"oidcRequestUrl": f"https://{azure.host}/oidc?x=1", "oidcRequestToken": "bearer"}
    assert signin._requested_token(found, Session()) == "jwt"  # pyright: ignore[reportPrivateUsage] # azure-identity calls it deep in a sign-in
    (asked,) = azure.requests(OIDC)
    assert asked.query == {"x": "1", "audience": "api://AzureADTokenExchange"}
    assert asked.headers["Authorization"] == "Bearer bearer"


@pytest.mark.parametrize(
    "hiccup", [Reply(0), Reply(500), Reply(503, "busy"), Reply(429), Reply(200, "no json")]
)
def test_a_token_endpoint_that_stumbles_is_asked_again(azure: Azure, hiccup: Reply) -> None:
    azure.answers(OIDC, hiccup, hiccup, Reply(200, {"value": "jwt"}))
    slept: list[float] = []
    assert requested_token(azure, slept) == "jwt"
    assert slept == [1.0, 4.0]


@pytest.mark.parametrize(
    ("reply", "asked"),
    [(Reply(403, "no"), 1), (Reply(404), 1), (Reply(500), 4), (Reply(200, {}), 4), (Reply(200, []), 4)],
)
def test_a_token_endpoint_without_a_token_is_an_error_of_signing_in(
    azure: Azure, reply: Reply, asked: int
) -> None:
    azure.answers(OIDC, reply)
    with pytest.raises(ClientAuthenticationError, match="gave no token"):
        requested_token(azure, [])
    assert len(azure.requests(OIDC)) == asked


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"ARM_OIDC_TOKEN_FILE_PATH": "/nowhere/token"}, "/nowhere/token cannot be read"),
        ({"ARM_OIDC_REQUEST_URL": "https://{host}/oidc", "ARM_OIDC_REQUEST_TOKEN": "t"}, "gave no token"),
    ],
)
def test_without_an_oidc_token_a_request_of_azures_sdk_fails_as_its_own_errors_do(
    azure: Azure, environment: dict[str, str], told: str
) -> None:
    azure.answers(OIDC, Reply(403, "no"))
    known = {key: value.replace("{host}", azure.host) for key, value in environment.items()}
    found = settings({"ARM_USE_OIDC": "true", **known, **APPLICATION})
    with pytest.raises(AzureError, match=told):
        signin.credential(found, CLOUDS["public"], Session()).get_token("https://x/.default")
    with pytest.raises(SignInError, match=rf"Signing in by OIDC token.*{told}"):
        token_source(found, CLOUDS["public"], Session())()


def requested_token(azure: Azure, slept: list[float]) -> str:
    found = {"oidcRequestUrl": f"https://{azure.host}/oidc", "oidcRequestToken": "bearer"}
    return signin._requested_token(found, Session(), slept.append)  # pyright: ignore[reportPrivateUsage] # as above


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.pfx"
    found = settings({"ARM_CLIENT_CERTIFICATE_PATH": str(path), **APPLICATION})
    with pytest.raises(SignInError, match=rf"client certificate.*{path.name}"):
        token_source(found, CLOUDS["public"], Session())


def test_without_the_azure_cli_the_error_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    token = token_source({}, CLOUDS["public"], Session())
    with pytest.raises(SignInError, match=r"Azure CLI failed.*Run `az login`"):
        token()


def test_the_token_of_the_azure_cli_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = json.dumps({"accessToken": "cli-t0ken", "expires_on": 4102444800, "tokenType": "Bearer"})
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\nprintf '%s' \"$*\" > {tmp_path}/asked\necho '{answer}'\n")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    subscription = "11111111-2222-4333-8444-555555555555"
    token = token_source({"subscriptionId": subscription}, CLOUDS["public"], Session())
    assert token() == "cli-t0ken"
    asked = (tmp_path / "asked").read_text()
    assert "account get-access-token" in asked
    assert "https://management.azure.com" in asked
    assert subscription in asked
