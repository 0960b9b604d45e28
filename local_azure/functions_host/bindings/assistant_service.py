"""DefaultAssistantService of the extension: the assistant bindings and the clients that they cache.

The first table client is used for every later setting and collection, and the first model of a
connection for every later model.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any, cast

import aiohttp

from local_azure.functions_host.bindings import (
    assistant_create,
    assistant_post,
    assistant_query,
    connections,
)
from local_azure.functions_host.bindings.assistant_create import AssistantCreateRequest
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_query import QueryRequest
from local_azure.functions_host.bindings.chat_client import ChatClient
from local_azure.functions_host.bindings.conversation import Table
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.retries import Sleep
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.skills import Skills

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.DefaultAssistantService")


class AssistantService:
    """A singleton of the host process, as in the extension."""

    def __init__(self, configuration: Configuration, skills: Skills, sleep: Sleep = asyncio.sleep) -> None:
        """`sleep` waits before a request to the storage or the model is sent again."""
        self._configuration = configuration
        self._sleep = sleep
        self._skills = skills
        self._table: Table | None = None
        self._first: tuple[str | None, str | None] = (None, None)
        self._chat_clients: dict[str, ChatClient] = {}
        self._session: aiohttp.ClientSession | None = None
        self._clients = AsyncExitStack()

    async def output(self, kind: assistant_create.Kind, value: str | bytes) -> None:
        """Creates the assistants of an output binding's value in order, up to the first failure."""
        for request in assistant_create.requests_from(kind, value):
            await self.create(request)

    async def create(self, request: AssistantCreateRequest) -> None:
        instructions = request.instructions if request.instructions is not None else "(none)"
        log.info('[%s] Creating new chat session with instructions = "%s"', request.id, instructions)
        table = self._table_for(request.chat_storage_connection_setting, request.collection_name)
        await assistant_create.create_assistant(table, request)
        log.info("Created assistant '%s'", request.id)

    async def query(self, request: QueryRequest) -> str:
        """AssistantState as JSON. Raises BindingError and the errors of the storage and model clients."""
        after = assistant_query.parse_timestamp(request.timestamp_utc)
        table = self._table_for(request.chat_storage_connection_setting, request.collection_name)
        return await assistant_query.query_state(table, request, after)

    async def post(self, request: PostRequest) -> str:
        """AssistantState as JSON. Raises BindingError and the errors of the storage and model clients."""
        log.info("Posting message to assistant '%s': %s", request.id, request.user_message)
        assistant_post.validate(request)
        table = self._table_for(request.chat_storage_connection_setting, request.collection_name)
        # The model's settings are read only if the conversation exists.
        return await assistant_post.post_message(
            table,
            request,
            lambda body: self._chat_client(request.ai_connection_name, request.chat_model).complete(body),
            self._skills,
        )

    async def close(self) -> None:
        await self._clients.aclose()

    def _table_for(self, setting: str | None, collection: str | None) -> Table:
        requested = (setting, collection)
        if self._table is None:
            service_uri = connections.table_service_uri(self._configuration, setting)
            self._table = self._connect(service_uri, setting or "", collection)
            self._first = requested
        elif requested != self._first:
            log.warning(
                "The extension keeps its first table client: setting %r and collection %r are ignored, "
                "%r and %r are used until the host restarts.",
                *requested,
                *self._first,
            )
        return self._table

    def _connect(self, service_uri: str, section: str, collection: str | None) -> Table:
        if not collection:
            raise BindingError("collectionName is null or empty: a table needs a name.")
        # Imported here, as it takes 200 ms: a host without these bindings starts faster.
        from azure.data.tables.aio import TableClient  # noqa: PLC0415

        from local_azure.functions_host.bindings.table_transport import RetryingTransport  # noqa: PLC0415

        credential, transport = self._credential(section), RetryingTransport(self._sleep)
        client = TableClient(
            service_uri, collection, credential=credential, retry_total=0, transport=transport
        )
        self._clients.push_async_callback(client.close)
        return cast("Table", client)

    def _credential(self, section: str) -> Any:
        credential = connections.credential(self._configuration, section)
        self._clients.push_async_callback(credential.close)
        return credential

    def _chat_client(self, connection: str, model: str) -> ChatClient:
        client = self._chat_clients.get(connection)
        if client is None:
            client = self._chat_clients[connection] = self._connect_chat(connection, model)
        elif client.deployment != model:
            log.warning(
                "The extension keeps the first model of a connection: %r is ignored, %r is used for "
                "connection %r until the host restarts.",
                model,
                client.deployment,
                connection,
            )
        return client

    def _connect_chat(self, connection: str, model: str) -> ChatClient:
        endpoint, key, section = connections.model_endpoint(self._configuration, connection)
        if not model:
            raise BindingError("Value cannot be an empty string. (Parameter 'model'): chatModel is empty.")
        log.info("Using Azure OpenAI endpoint: %s", endpoint)
        credential = key or self._credential(section)
        if self._session is None:
            self._session = aiohttp.ClientSession()
            self._clients.push_async_callback(self._session.close)
        return ChatClient(self._session, endpoint, model, credential, self._sleep)
