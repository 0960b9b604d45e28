"""Access to a site's deployment container with the identity that the site names for it. All calls block."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from local_azure.core import ids
from local_azure.core.store import Resource, Store
from local_azure.core.tokens import Tokens

RELEASED_PACKAGE = "released-package.zip"
_AUDIENCE = "https://storage.azure.com"


class InaccessibleStorageError(Exception):
    """The container cannot be accessed; the message is the body of Azure's 400 response."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"InaccessibleStorageException: Failed to access storage account for deployment: "
            f"BlobUploadFailedException: Failed to upload blob to storage account: {reason}"
        )


@dataclass(frozen=True)
class _IdentityToken:
    """A credential of one principal of local Azure."""

    tokens: Tokens
    principal_id: str
    client_id: str | None

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        issued = self.tokens.issue(self.principal_id, _AUDIENCE, client_id=self.client_id)
        return AccessToken(issued.token, issued.expires_on)


@contextmanager
def container(site: Resource, store: Store, tokens: Tokens, ca_file: Path) -> Generator[ContainerClient]:
    """The container that `functionAppConfig.deployment.storage` names.

    Raises InaccessibleStorageError, also for each error of Azure's SDK within the context.
    """
    config: dict[str, Any] = site.get("properties", {}).get("functionAppConfig") or {}
    deployment: dict[str, Any] = config.get("deployment") or {}
    storage: dict[str, Any] = deployment.get("storage") or {}
    url = storage.get("value")
    if not url:
        raise InaccessibleStorageError(
            f"Site {site['name']} has no functionAppConfig.deployment.storage.value to deploy to."
        )
    credential = _credential(site, storage.get("authentication") or {}, store, tokens)
    try:
        with ContainerClient.from_container_url(
            str(url), credential, connection_verify=str(ca_file), retry_total=2, retry_backoff_factor=0.2
        ) as client:
            yield client
    except AzureError as error:
        reason = str(error)
        if isinstance(error, HttpResponseError) and error.status_code is not None:
            reason = (
                f"Response status code does not indicate success: {error.status_code} "
                f"({str(error.message).splitlines()[0]})."
            )
        raise InaccessibleStorageError(reason) from error


def upload(client: ContainerClient, blob: str, file: Path) -> None:
    with file.open("rb") as content:
        client.upload_blob(blob, content, overwrite=True, length=file.stat().st_size)


def delete(client: ContainerClient, blob: str) -> None:
    with suppress(ResourceNotFoundError):
        client.delete_blob(blob)


def _credential(
    site: Resource, authentication: Mapping[str, Any], store: Store, tokens: Tokens
) -> _IdentityToken:
    kind = str(authentication.get("type") or "").lower()
    identity: Mapping[str, Any] = site.get("identity") or {}
    if kind == "userassignedidentity":
        named_id = str(authentication.get("userAssignedIdentityResourceId") or "")
        assigned_ids = cast("Mapping[str, Any]", identity.get("userAssignedIdentities") or {})
        resource = store.get(named_id) if any(ids.same(named_id, id_) for id_ in assigned_ids) else None
        if resource is None:
            raise InaccessibleStorageError(
                f"The deployment storage names the identity {named_id!r}, which is not assigned to the site."
            )
        properties = resource.get("properties", {})
        return _IdentityToken(tokens, properties["principalId"], properties["clientId"])
    if kind == "systemassignedidentity" and identity.get("principalId"):
        return _IdentityToken(tokens, str(identity["principalId"]), None)
    raise InaccessibleStorageError(
        f"Deployment storage authentication {authentication.get('type')!r} is refused: the account takes "
        f"Microsoft Entra tokens of an identity that the site has: use UserAssignedIdentity or "
        f"SystemAssignedIdentity."
    )
