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


def model_endpoint(configuration: Configuration, connection: str) -> tuple[str, str | None, str]:
    """The endpoint of the model, its API key if there is one, and the section with the identity.

    Raises BindingError.
    """
    if configuration.get("OPENAI_API_KEY"):
        raise BindingError(
            "App setting OPENAI_API_KEY is set: on Azure the extension would send every prompt to "
            "api.openai.com, whatever the connection is. Local Azure sends no request to the internet: "
            "remove the setting."
        )
    section = connection if connection and configuration.has_section(connection) else ""

    def setting(name: str, fallback: str) -> str | None:
        value = configuration.get(f"{section}__{name}") if section else None
        # An empty value of the section is one.
        return configuration.get(fallback) if value is None else value

    endpoint, key = setting("endpoint", "AZURE_OPENAI_ENDPOINT"), setting("key", "AZURE_OPENAI_KEY")
    if not endpoint:
        raise BindingError(
            f"Configuration section '{connection}' is missing required 'Endpoint' and/or 'Key' values. "
            f"Set {connection or 'NAME'}__endpoint and name the connection, or AZURE_OPENAI_ENDPOINT."
        )
    if not key and not endpoint.lower().startswith("https://"):
        raise BindingError(
            f"Bearer token authentication is not permitted for non TLS protected (https) endpoints: "
            f"{connection or 'AZURE_OPENAI'} names {endpoint!r}."
        )
    return endpoint, key, section


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
