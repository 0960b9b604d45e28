"""The function app's settings: the one place that makes them. No key, no secret.

function_app/ reads its own and its bindings name the connections; a test holds both
sides together. Every value of something in Azure is that resource's own output.
"""

import pulumi

from infra.identity import AppIdentity
from infra.monitoring import Monitoring
from infra.names import LEASE_TABLE, TODO_TABLE
from infra.openai import ChatModel
from infra.settings import Settings
from infra.settings.models import prompt_tokens
from infra.storage import ChatStorage

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
    """Name to value of every setting. Flex refuses names with a colon; `__` separates."""
    found: dict[str, pulumi.Input[str]] = {
        # The host is content with `__accountName`; the extension signs in as an identity only where it finds
        # `__tableServiceUri` (azure-functions-openai-extension #112).
        # `__clientId` alone is enough (recorded), but as DefaultAzureCredential, in which a client secret
        # in the environment comes first. `__credential` leaves the identity as the only way.
        f"{STORAGE_CONNECTION}__credential": "managedidentity",
        f"{STORAGE_CONNECTION}__clientId": identity.client_id,
        f"{STORAGE_CONNECTION}__blobServiceUri": storage.blob_endpoint,
        f"{STORAGE_CONNECTION}__tableServiceUri": storage.table_endpoint,
        f"{MODEL_CONNECTION}__credential": "managedidentity",
        f"{MODEL_CONNECTION}__clientId": identity.client_id,
        f"{MODEL_CONNECTION}__endpoint": model.endpoint,
        "CHAT_MODEL_CONTEXT_TOKENS": str(prompt_tokens(settings.model.name, settings.model.version)),
        "CHAT_MODEL_DEPLOYMENT_NAME": model.deployment_name,
        "CHAT_MODEL_IS_REASONING": _switch(settings.model.is_reasoning),
        "CHAT_MODEL_MAX_TOKENS": str(settings.model.max_tokens),
        "CHAT_MODEL_TEMPERATURE": settings.model.temperature,
        "LEASE_TABLE": LEASE_TABLE,
        "TODO_TABLE": TODO_TABLE,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": monitoring.connection_string,
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": pulumi.Output.format(
            "ClientId={0};Authorization=AAD", identity.client_id
        ),
        "HTTP_AUTH_LEVEL": settings.host.http_auth_level,
        "EXPOSE_INSTRUCTIONS": _switch(settings.host.expose_instructions),
        "CHAT_PAGE": _switch(settings.host.chat_page),
        "ASSISTANT_RETENTION_DAYS": str(settings.host.assistant_retention_days),
        # The package's azure-functions wins over the worker's older one (openai-extension #82).
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
    }
    if settings.host.default_instructions:
        found["DEFAULT_INSTRUCTIONS"] = settings.host.default_instructions
    return found


def _switch(on: bool) -> str:
    return "true" if on else "false"
