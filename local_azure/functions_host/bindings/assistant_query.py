"""The `assistantQuery` input binding."""

import logging
from dataclasses import dataclass
from urllib.parse import unquote

from local_azure.functions_host.bindings import conversation, date_texts
from local_azure.functions_host.bindings.assistant_create import DEFAULT_COLLECTION
from local_azure.functions_host.bindings.conversation import Table
from local_azure.functions_host.bindings.dotnet import Instant
from local_azure.functions_host.bindings.errors import BindingError

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.DefaultAssistantService")

BINDING_TYPE = "assistantquery"


@dataclass(frozen=True)
class QueryRequest:
    """The properties of AssistantQueryAttribute, with its defaults."""

    id: str | None = None
    timestamp_utc: str = ""
    chat_storage_connection_setting: str | None = None
    collection_name: str | None = DEFAULT_COLLECTION


def parse_timestamp(text: str) -> Instant:
    """Decodes the text again, as the extension does; the host has already decoded `+` as a space."""
    moment = date_texts.parse(unquote(text))
    if moment is None:
        raise BindingError(f"Invalid timestamp '{text}'")
    return moment


async def query_state(table: Table, request: QueryRequest, after: Instant) -> str:
    """AssistantState with the messages of every role that were created later than `after`."""
    loaded = await conversation.load(table, request.id)
    if loaded is None:
        log.warning("No assistant exists with ID = '%s'", request.id)
        return conversation.to_json(request.id, None, ())
    recent = [message for message in loaded.messages if message.created_at > after]
    return conversation.to_json(request.id, loaded.state, recent)
