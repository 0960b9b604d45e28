"""Access to a site's deployment container with the identity that the site names for it."""

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


class DeploymentStorage:
    """The methods block: call them in a thread."""

    def __init__(self, url: str, credential: _IdentityToken, ca_file: Path) -> None:
        self._container = ContainerClient.from_container_url(
            url, credential, connection_verify=str(ca_file), retry_total=2, retry_backoff_factor=0.2
        )

    def upload(self, blob: str, file: Path) -> None:
        with _storage_errors(), file.open("rb") as content:
            self._container.upload_blob(blob, content, overwrite=True, length=file.stat().st_size)

    def download(self, blob: str, file: Path) -> bool:
        """False if the blob does not exist."""
        with _storage_errors(), suppress(ResourceNotFoundError), file.open("wb") as output:
            self._container.download_blob(blob).readinto(output)
            return True
        return False

    def delete(self, blob: str) -> None:
        with _storage_errors(), suppress(ResourceNotFoundError):
            self._container.delete_blob(blob)

    def close(self) -> None:
        self._container.close()


@contextmanager
def _storage_errors() -> Generator[None]:
    try:
        yield
    except AzureError as error:
        reason = str(error)
        if isinstance(error, HttpResponseError) and error.status_code is not None:
            reason = (
                f"Response status code does not indicate success: {error.status_code} "
                f"({str(error.message).splitlines()[0]})."
            )
        raise InaccessibleStorageError(reason) from error


def connect(site: Resource, store: Store, tokens: Tokens, ca_file: Path) -> DeploymentStorage:
    """The container that `functionAppConfig.deployment.storage` names. Raises InaccessibleStorageError."""
    config: dict[str, Any] = site.get("properties", {}).get("functionAppConfig") or {}
    deployment: dict[str, Any] = config.get("deployment") or {}
    storage: dict[str, Any] = deployment.get("storage") or {}
    url = storage.get("value")
    if not url:
        raise InaccessibleStorageError(
            f"Site {site['name']} has no functionAppConfig.deployment.storage.value to deploy to."
        )
    credential = _credential(site, storage.get("authentication") or {}, store, tokens)
    return DeploymentStorage(str(url), credential, ca_file)


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
    if kind == "systemassignedidentity":
        principal = identity.get("principalId")
        if not principal:
            raise InaccessibleStorageError("The site has no system-assigned identity.")
        return _IdentityToken(tokens, str(principal), None)
    raise InaccessibleStorageError(
        f"Deployment storage authentication {authentication.get('type')!r} is refused: the account takes "
        f"Microsoft Entra tokens only. Use UserAssignedIdentity or SystemAssignedIdentity."
    )
