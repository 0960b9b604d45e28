"""Connection sections of the app settings and the managed identities that they name."""

from typing import Any

from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration

DEFAULT_CHAT_STORAGE = "AzureWebJobsStorage"


def table_service_uri(configuration: Configuration, setting: str | None) -> str:
    """The table endpoint of the identity-based connection that `setting` names. Raises BindingError.

    Without a setting the extension reads a connection string only, never the section's identity.
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
        + (
            " The extension uses an identity only if chatStorageConnectionSetting is set."
            if setting is None
            else ""
        )
    )


def credential(configuration: Configuration, section: str) -> Any:
    """The credential of a connection section, as Microsoft.Extensions.Azure creates it. Raises BindingError.

    Without `credential` that is DefaultAzureCredential, which on Azure uses the managed identity of
    AZURE_CLIENT_ID, or the system-assigned one.
    """
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415

    kind = configuration.get(f"{section}__credential")
    if (kind or "managedidentity").lower() != "managedidentity":
        raise BindingError(
            f"The connection's credential {kind!r} is unknown; "
            f"an identity-based connection takes 'managedidentity'."
        )
    client_id = configuration.get(f"{section}__clientId")
    resource_id = configuration.get(f"{section}__managedIdentityResourceId")
    if resource_id:
        if client_id:
            raise BindingError("A connection takes clientId or managedIdentityResourceId, not both.")
        return ManagedIdentityCredential(identity_config={"resource_id": resource_id})
    client_id = client_id or (None if kind else configuration.get("AZURE_CLIENT_ID"))
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
