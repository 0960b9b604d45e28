from typing import Any

import pytest

from local_azure.functions_host.bindings import connections
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration

IDENTITY = {
    "AzureWebJobsStorage__tableServiceUri": "https://127.0.0.1:1/account",
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "client",
}


@pytest.mark.parametrize(
    ("settings", "setting", "message"),
    [
        ({"AzureWebJobsStorage": "AccountKey=x"}, "AzureWebJobsStorage", "refuses shared keys"),
        (IDENTITY, None, "only if chatStorageConnectionSetting is set"),
        (IDENTITY, "Other", "Other__tableServiceUri"),
        ({"S__accountName": "x"}, "S", "S__tableServiceUri"),
    ],
)
def test_storage_without_an_identity_says_what_is_missing(
    settings: dict[str, str], setting: str | None, message: str
) -> None:
    with pytest.raises(BindingError, match=message):
        connections.table_service_uri(Configuration(settings), setting)


@pytest.mark.parametrize(
    ("section", "arguments"),
    [
        ({}, {"client_id": "default"}),
        ({"credential": "ManagedIdentity"}, {}),
        ({"credential": "managedidentity", "clientId": "c"}, {"client_id": "c"}),
        ({"managedIdentityResourceId": "r"}, {"identity_config": {"resource_id": "r"}}),
        ({"clientId": "c", "managedIdentityResourceId": "r"}, "not both"),
        ({"credential": "secret"}, "'secret'"),
    ],
)
def test_a_connection_section_names_a_managed_identity(
    monkeypatch: pytest.MonkeyPatch, section: dict[str, str], arguments: dict[str, Any] | str
) -> None:
    def credential(**created: Any) -> dict[str, Any]:
        return created

    monkeypatch.setattr("azure.identity.aio.ManagedIdentityCredential", credential)
    settings = {"AZURE_CLIENT_ID": "default", **{f"S__{name}": value for name, value in section.items()}}
    if isinstance(arguments, str):
        with pytest.raises(BindingError, match=arguments):
            connections.credential(Configuration(settings), "S")
    else:
        assert connections.credential(Configuration(settings), "S") == arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"OPENAI_API_KEY": "sk-x"}, "sends no request to the internet"),
        ({"OpenAI__endpoint": "http://127.0.0.1:1/"}, "not permitted for non TLS protected"),
    ],
)
def test_a_model_connection_that_leads_nowhere_says_why(settings: dict[str, str], message: str) -> None:
    with pytest.raises(BindingError, match=message):
        connections.model_endpoint(Configuration(settings), "OpenAI")
