"""The `assistantQuery` input binding."""

import logging
from dataclasses import dataclass
from urllib.parse import unquote

from local_azure.functions_host.bindings import date_texts
from local_azure.functions_host.bindings.assistant_state import assistant_state
from local_azure.functions_host.bindings.dotnet import Instant
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.payload import DEFAULT_COLLECTION
from local_azure.functions_host.bindings.table import Table, load

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
    log.info("Reading state for assistant entity '%s' and getting chat messages after %s", request.id, after)
    conversation = await load(table, request.id)
    if conversation is None:
        log.warning("No assistant exists with ID = '%s'", request.id)
        return assistant_state(request.id, None, ())
    recent = [message for message in conversation.messages if message.created_at > after]
    total = conversation.state.total_messages
    log.info("Returning %d/%d chat messages from entity '%s'", len(recent), total, request.id)
    return assistant_state(request.id, conversation.state, recent)
