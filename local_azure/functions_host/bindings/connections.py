"""Connection sections in app settings, and the identity that one names."""

from dataclasses import dataclass
from typing import Any

from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration

DEFAULT_CHAT_STORAGE = "AzureWebJobsStorage"


@dataclass(frozen=True)
class Identity:
    """`NAME__credential`, `NAME__clientId` and `NAME__managedIdentityResourceId`."""

    credential: str | None = None
    client_id: str | None = None
    managed_identity_resource_id: str | None = None


def identity(configuration: Configuration, section: str) -> Identity:
    return Identity(
        configuration.get(f"{section}__credential"),
        configuration.get(f"{section}__clientId"),
        configuration.get(f"{section}__managedIdentityResourceId"),
    )


def table_service_uri(configuration: Configuration, setting: str | None) -> str:
    """Where the identity-based connection behind a chat storage setting leads. Raises BindingError.

    Without a setting the extension reads a connection string only, and never
    the section: that a name is needed for identity is the extension's, not ours.
    """
    service_uri = configuration.get(f"{setting}__tableServiceUri") if setting else None
    if service_uri:
        return service_uri
    name = setting if setting is not None else DEFAULT_CHAT_STORAGE
    if configuration.get(name):
        raise BindingError(
            f"App setting {name!r} is a connection string, and the storage account refuses shared keys "
            f"(KeyBasedAuthenticationNotPermitted). Set {name}__tableServiceUri, {name}__credential and "
            f"{name}__clientId instead."
        )
    raise BindingError(
        f"Value cannot be null. (Parameter 'connectionString'): chatStorageConnectionSetting is {setting!r}, "
        f"and the site has neither {name}__tableServiceUri nor {name}."
        + (" The extension uses an identity only for a setting that is named." if setting is None else "")
    )


def managed_identity(named: Identity, default_client_id: str | None) -> Any:
    """The credential of a connection section, as Microsoft.Extensions.Azure makes it.

    Without `credential` that is DefaultAzureCredential, of which in Azure only
    the managed identity answers, the one of AZURE_CLIENT_ID where that is set.
    """
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415

    kind = (named.credential or "").lower()
    if kind not in ("", "managedidentity"):
        raise BindingError(
            f"credential {named.credential!r} of a connection is unknown; "
            f"'managedidentity' is what an identity-based connection takes."
        )
    if named.managed_identity_resource_id:
        if named.client_id:
            raise BindingError("A connection takes clientId or managedIdentityResourceId, not both.")
        return ManagedIdentityCredential(identity_config={"resource_id": named.managed_identity_resource_id})
    client_id = named.client_id or (default_client_id if not kind else None)
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
