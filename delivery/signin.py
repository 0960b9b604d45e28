"""The Azure cloud of this stack, and the credential that deploys code to it.

Code is deployed with the same credential as the resources, so this reads the same settings as the
azure-native provider: the stack's `azure-native:*` config, then the `ARM_*` environment variables, in the
provider's order of precedence (pulumi/pulumi-azure-native auth_azidentity.go).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)
from requests import HTTPError, RequestException, Session

from delivery.retry import retry_until

# Config key of azure-native, and its environment variables, of which the first one that is set is used.
VARIABLES: dict[str, tuple[str, ...]] = {
    "activeDirectoryAuthorityHost": ("ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST",),
    "clientCertificatePassword": ("ARM_CLIENT_CERTIFICATE_PASSWORD",),
    "clientCertificatePath": ("ARM_CLIENT_CERTIFICATE_PATH",),
    "clientId": ("ARM_CLIENT_ID",),
    "clientSecret": ("ARM_CLIENT_SECRET",),
    "disableInstanceDiscovery": ("ARM_DISABLE_INSTANCE_DISCOVERY",),
    "environment": ("ARM_ENVIRONMENT", "AZURE_ENVIRONMENT"),
    "metadataHost": ("ARM_METADATA_HOSTNAME",),
    "oidcAudience": ("ARM_OIDC_AUDIENCE",),
    "oidcRequestToken": ("ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    "oidcRequestUrl": ("ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    "oidcToken": ("ARM_OIDC_TOKEN",),
    "oidcTokenFilePath": ("ARM_OIDC_TOKEN_FILE_PATH",),
    "resourceManagerAudience": ("ARM_RESOURCE_MANAGER_AUDIENCE",),
    "resourceManagerEndpoint": ("ARM_RESOURCE_MANAGER_ENDPOINT",),
    "subscriptionId": ("ARM_SUBSCRIPTION_ID",),
    "tenantId": ("ARM_TENANT_ID",),
    "useDefaultAzureCredential": ("ARM_USE_DEFAULT_AZURE_CREDENTIAL",),
    "useMsi": ("ARM_USE_MSI",),
    "useOidc": ("ARM_USE_OIDC",),
}

_WITHOUT_APPLICATION = ("default credential", "managed identity", "Azure CLI")
"""The kinds of credential that need no client and no tenant."""

_NO_TOKEN = (RequestException, ValueError, KeyError, TypeError)
_TOKEN_PAUSES = (1.0, 4.0, 10.0)
"""Seconds before each retry of GitHub's token endpoint, which fails occasionally: GitHub's own client retries
up to ten times (actions/toolkit packages/core/src/oidc-utils.ts)."""


class SignInError(Exception):
    """Signing in is not possible; the message names the kind of credential and what to set."""


@dataclass(frozen=True)
class Cloud:
    """`endpoint` is ARM's URL without a closing slash, `authority` the host that signs in."""

    endpoint: str
    audience: str
    authority: str


def _cloud(endpoint: str, authority: str) -> Cloud:
    return Cloud(endpoint, f"{endpoint}/", authority)


CLOUDS = {
    "public": _cloud("https://management.azure.com", "login.microsoftonline.com"),
    "usgovernment": _cloud("https://management.usgovcloudapi.net", "login.microsoftonline.us"),
    "china": _cloud("https://management.chinacloudapi.cn", "login.chinacloudapi.cn"),
}
_CLOUD_NAMES = {
    **dict.fromkeys(("public", "azurecloud", "azurepublic", "azurepubliccloud"), "public"),
    **dict.fromkeys(("usgovernment", "usgov", "azureusgovernment", "azureusgovernmentcloud"), "usgovernment"),
    **dict.fromkeys(("china", "azurechina", "azurechinacloud"), "china"),
}


def read_settings(config: Callable[[str], object], environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of azure-native by key; `config` returns the value of `azure-native:<key>` or None."""
    settings: dict[str, str] = {}
    for key, variables in VARIABLES.items():
        configured = config(f"azure-native:{key}")
        value = str(configured) if configured is not None else ""
        for variable in variables:
            value = value or environment.get(variable, "")
        if value:
            settings[key] = value
    return settings


def kind_of(settings: Mapping[str, str]) -> str:
    """The kind of credential. Raises SignInError if a setting that it needs is missing."""
    use_oidc = _is_true(settings, "useOidc")
    in_order_of_precedence = {
        "default credential": _is_true(settings, "useDefaultAzureCredential"),
        "client certificate": "clientCertificatePath" in settings,
        "client secret": "clientSecret" in settings,
        "OIDC token": use_oidc and "oidcToken" in settings,
        "OIDC token file": use_oidc and "oidcTokenFilePath" in settings,
        "OIDC token request": use_oidc and "oidcRequestUrl" in settings,
        "OIDC": use_oidc,
        "managed identity": _is_true(settings, "useMsi"),
        "Azure CLI": True,
    }
    kind = next(kind for kind, is_selected in in_order_of_precedence.items() if is_selected)
    if kind == "OIDC":
        raise SignInError(
            "ARM_USE_OIDC is true, but there is no token: set ARM_OIDC_TOKEN or ARM_OIDC_TOKEN_FILE_PATH."
            " In a GitHub workflow, `permissions: id-token: write` sets what ARM_USE_OIDC needs."
        )
    needed = () if kind in _WITHOUT_APPLICATION else ("clientId", "tenantId")
    if kind == "OIDC token request":
        needed = (*needed, "oidcRequestToken")
    if missing := [key for key in needed if key not in settings]:
        listed = " and ".join(f"{VARIABLES[key][0]} (or azure-native:{key})" for key in missing)
        raise SignInError(f"Signing in by {kind} also needs {listed}.")
    return kind


def credential(settings: Mapping[str, str], cloud: Cloud, session: Session) -> TokenCredential:
    """The azure-identity credential for these settings. Raises SignInError."""
    kind = kind_of(settings)
    tenant, client = settings.get("tenantId", ""), settings.get("clientId", "")
    options: dict[str, Any] = {
        "authority": cloud.authority,
        "disable_instance_discovery": _is_true(settings, "disableInstanceDiscovery"),
    }

    def assertion(token: Callable[[], str]) -> TokenCredential:
        return ClientAssertionCredential(tenant, client, token, **options)

    try:
        match kind:
            case "default credential":
                return DefaultAzureCredential(authority=cloud.authority)
            case "client certificate":
                path, password = settings["clientCertificatePath"], settings.get("clientCertificatePassword")
                return CertificateCredential(tenant, client, path, password=password, **options)
            case "client secret":
                return ClientSecretCredential(tenant, client, settings["clientSecret"], **options)
            case "OIDC token":
                return assertion(lambda: settings["oidcToken"])
            case "OIDC token file":
                return assertion(lambda: _token_of_file(Path(settings["oidcTokenFilePath"])))
            case "OIDC token request":
                return assertion(lambda: _requested_token(settings, session))
            case "managed identity":
                return ManagedIdentityCredential(client_id=client or None)
            case _:
                return AzureCliCredential(tenant_id=tenant, subscription=settings.get("subscriptionId"))
    except (OSError, ValueError) as error:
        raise SignInError(f"Signing in by {kind}: {error}") from error


def token_source(settings: Mapping[str, str], cloud: Cloud, session: Session) -> Callable[[], str]:
    """A function that returns a bearer token for ARM and for deployment sites, cached until it expires.

    Both this function and the returned one raise SignInError.
    """
    kind = kind_of(settings)
    signed_in = credential(settings, cloud, session)

    def token() -> str:
        try:
            return signed_in.get_token(scope_of(cloud)).token
        except (AzureError, OSError, ValueError) as error:  # without a network, no authentication error
            hint = (
                " Run `az login`, or set ARM_* variables for another credential."
                if kind == "Azure CLI"
                else ""
            )
            raise SignInError(f"Signing in by {kind} failed: {error}.{hint}") from error

    return token


def scope_of(cloud: Cloud) -> str:
    """The scope of a token for ARM."""
    return f"{cloud.audience}/.default"


def cloud_of(settings: Mapping[str, str], session: Session) -> Cloud:
    """The cloud: three endpoints given one by one, or a metadata host, or a known name; else public Azure."""
    endpoint, audience, authority = (
        settings.get(key, "")
        for key in ("resourceManagerEndpoint", "resourceManagerAudience", "activeDirectoryAuthorityHost")
    )
    if endpoint and audience and authority:
        return Cloud(endpoint.rstrip("/"), audience, _host(authority))
    if host := settings.get("metadataHost"):
        return _described_by(host, settings.get("environment", ""), session)
    name = settings.get("environment", "public").lower()
    if name not in _CLOUD_NAMES:
        raise SignInError(f"ARM_ENVIRONMENT is {name!r}: it must be one of {', '.join(CLOUDS)}.")
    return CLOUDS[_CLOUD_NAMES[name]]


def _described_by(host: str, name: str, session: Session) -> Cloud:
    """Azure's own description of a cloud, as ARM returns it; some versions return a list of all clouds."""
    url = f"https://{host}/metadata/endpoints?api-version=2022-09-01"
    try:
        response = session.get(url, timeout=(10, 30))
        response.raise_for_status()
        described: Any = response.json()
        if isinstance(described, list):
            clouds = cast(list[Any], described)
            described = next((cloud for cloud in clouds if cloud.get("name") == name), clouds[0])
        authentication: Any = described["authentication"]
        endpoint = str(described["resourceManager"]).rstrip("/")
        audiences = [str(audience) for audience in authentication["audiences"]]
        audience = next((url for url in audiences if url.rstrip("/") == endpoint), audiences[0])
        return Cloud(endpoint, audience, _host(str(authentication["loginEndpoint"])))
    except (RequestException, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise SignInError(
            f"ARM_METADATA_HOSTNAME is {host!r}, but {url} does not describe a cloud: {error}"
        ) from error


# azure-identity calls both of these during a request of an SDK, whose caller reports an AzureError.


def _token_of_file(path: Path) -> str:
    """Read again for each exchange: the one who wrote it renews it. Raises ClientAuthenticationError."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        raise ClientAuthenticationError(f"the OIDC token in {path} cannot be read: {error}") from error


def _requested_token(
    settings: Mapping[str, str], session: Session, sleep: Callable[[float], None] = time.sleep
) -> str:
    """GitHub's token endpoint (docs: Configuring OpenID Connect in Azure).

    Raises ClientAuthenticationError.
    """

    def request() -> str:
        response = session.get(
            settings["oidcRequestUrl"],
            params={"audience": settings.get("oidcAudience", "api://AzureADTokenExchange")},
            headers={
                "Authorization": f"Bearer {settings['oidcRequestToken']}",
                "Accept": "application/json",
            },
            timeout=(10, 30),
        )
        response.raise_for_status()
        return str(response.json()["value"])

    try:
        return retry_until(
            request,
            _NO_TOKEN,
            _TOKEN_PAUSES,
            wait=lambda error, pause: None if _is_refusal(error) else pause,
            sleep=sleep,
        )
    except _NO_TOKEN as error:
        raise ClientAuthenticationError(f"the OIDC token endpoint gave no token: {error}") from error


def _is_refusal(error: Exception) -> bool:
    """Whether a retry is useless."""
    response = error.response if isinstance(error, HTTPError) else None
    return response is not None and 400 <= response.status_code < 500 and response.status_code != 429


def _is_true(settings: Mapping[str, str], key: str) -> bool:
    return settings.get(key, "").lower() == "true"


def _host(url: str) -> str:
    return url.removeprefix("https://").strip("/")
