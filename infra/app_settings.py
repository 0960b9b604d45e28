"""The app settings of the function app, without keys or secrets.

Those that are settings of the stack come from their declarations (`app_setting` in
infra/settings/declarations.py); those that come from other resources are here, each value an output of its
resource. tests/unit/infra/test_settings_contract.py compares them with what function_app/ reads.
"""

import pulumi

from infra.components.identity import AppIdentity
from infra.components.monitoring import Monitoring
from infra.components.openai import ChatModel
from infra.components.storage import ChatStorage
from infra.names import LEASE_TABLE, TODO_TABLE
from infra.settings import Settings, app_settings_of
from infra.settings.models import prompt_tokens

STORAGE_CONNECTION = "AzureWebJobsStorage"
MODEL_CONNECTION = "AzureOpenAI"


def app_settings(
    settings: Settings,
    *,
    identity: AppIdentity,
    storage: ChatStorage,
    model: ChatModel,
    monitoring: Monitoring,
) -> dict[str, pulumi.Input[str]]:
    """Name to value of every setting, in a fixed order: azure-native compares lists by position.

    Flex Consumption refuses names with a colon; `__` separates.
    """
    return {
        # `__accountName` is enough for the host; the extension signs in as an identity only if there is a
        # `__tableServiceUri` (azure-functions-openai-extension #112).
        # `__clientId` alone works too (recorded), but selects DefaultAzureCredential, which prefers a client
        # secret in the environment. With `__credential` only the identity is used.
        f"{STORAGE_CONNECTION}__credential": "managedidentity",
        f"{STORAGE_CONNECTION}__clientId": identity.client_id,
        f"{STORAGE_CONNECTION}__blobServiceUri": storage.blob_endpoint,
        f"{STORAGE_CONNECTION}__tableServiceUri": storage.table_endpoint,
        f"{MODEL_CONNECTION}__credential": "managedidentity",
        f"{MODEL_CONNECTION}__clientId": identity.client_id,
        f"{MODEL_CONNECTION}__endpoint": model.endpoint,
        "CHAT_MODEL_CONTEXT_TOKENS": str(prompt_tokens(settings.model.name, settings.model.version)),
        "CHAT_MODEL_DEPLOYMENT_NAME": model.deployment_name,
        **app_settings_of(settings.model),
        "LEASE_TABLE": LEASE_TABLE,
        "TODO_TABLE": TODO_TABLE,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": monitoring.connection_string,
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": pulumi.Output.format(
            "ClientId={0};Authorization=AAD", identity.client_id
        ),
        **app_settings_of(settings.host),
        # The package's azure-functions wins over the worker's older one (openai-extension #82).
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
        **app_settings_of(settings),  # last, since an empty text is left out
    }
