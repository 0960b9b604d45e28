"""The `assistantCreate` output binding: what the extension's AssistantService does with the tables.

Every hazard of the original is here too: the id goes unescaped into the filter,
old rows are deleted before the new ones are known to be good, and the first
client serves every later setting and collection.
"""

import importlib
import logging
from collections.abc import AsyncIterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from local_azure.services.sites.bindings import payload, rows
from local_azure.services.sites.bindings.payload import AssistantCreateRequest
from local_azure.services.sites.configuration import Configuration

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.DefaultAssistantService")

BINDING_TYPE = "assistantcreate"
DEFAULT_CHAT_STORAGE = "AzureWebJobsStorage"
TRANSACTION_LIMIT = 100


class OutputError(Exception):
    """Why an output binding failed; the request gets an empty 500 and the log this."""


class Table(Protocol):
    """What is used of `azure.data.tables.aio.TableClient`."""

    async def create_table(self) -> object: ...
    def query_entities(self, query_filter: str) -> AsyncIterable[Mapping[str, Any]]: ...
    async def submit_transaction(self, operations: Sequence[tuple[str, Mapping[str, Any]]]) -> object: ...


@dataclass(frozen=True)
class StorageSettings:
    service_uri: str
    credential: str | None
    client_id: str | None
    managed_identity_resource_id: str | None


def storage_settings(configuration: Configuration, setting: str | None) -> StorageSettings:
    """The identity-based connection behind a chat storage setting. Raises OutputError.

    Without a setting the extension reads a connection string only, and never
    the section: that a name is needed for identity is the extension's, not ours.
    """
    section = setting or ""
    service_uri = configuration.get(f"{section}__tableServiceUri") if section else None
    if not service_uri:
        name = setting if setting is not None else DEFAULT_CHAT_STORAGE
        if configuration.get(name):
            raise OutputError(
                f"App setting {name!r} is a connection string, and the storage account refuses shared keys "
                f"(KeyBasedAuthenticationNotPermitted). Set {name}__tableServiceUri, {name}__credential and "
                f"{name}__clientId instead."
            )
        raise OutputError(
            f"Value cannot be null. (Parameter 'connectionString'): the payload's "
            f"chatStorageConnectionSetting is {setting!r}, and the site has neither {name}__tableServiceUri "
            f"nor {name}."
            + (" The extension uses an identity only for a setting that is named." if setting is None else "")
        )
    return StorageSettings(
        service_uri,
        configuration.get(f"{section}__credential"),
        configuration.get(f"{section}__clientId"),
        configuration.get(f"{section}__managedIdentityResourceId"),
    )


class AssistantService:
    """One per host process, as in the extension."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._table: Table | None = None
        self._first: tuple[str | None, str | None] = (None, None)
        self._closing: list[Any] = []

    async def output(self, kind: payload.Kind, value: str | bytes) -> None:
        """Creates one assistant for each item of the value, in order. Any failure raises."""
        for request in payload.requests_from(kind, value):
            await self.create(request)

    async def create(self, request: AssistantCreateRequest) -> None:
        instructions = request.instructions if request.instructions is not None else "(none)"
        log.info('[%s] Creating new chat session with instructions = "%s"', request.id, instructions)
        await create_assistant(self._table_for(request), request)
        log.info("Created assistant '%s'", request.id)

    async def close(self) -> None:
        for one in self._closing:
            await one.close()

    def _table_for(self, request: AssistantCreateRequest) -> Table:
        wanted = (request.chat_storage_connection_setting, request.collection_name)
        if self._table is None:
            settings = storage_settings(self._configuration, request.chat_storage_connection_setting)
            self._table = self._connect(settings, request.collection_name)
            self._first = wanted
        elif wanted != self._first:
            log.warning(
                "The extension keeps its first table client: setting %r and collection %r are ignored, "
                "%r and %r are used until the host restarts.",
                *wanted,
                *self._first,
            )
        return self._table

    def _connect(self, settings: StorageSettings, collection: str | None) -> Table:
        if not collection:
            raise OutputError("collectionName is null or empty: a table needs a name.")
        # Imported here: a host without this binding starts faster by their 200 ms.
        from azure.data.tables.aio import TableClient  # noqa: PLC0415

        credential = managed_identity(settings, self._configuration.get("AZURE_CLIENT_ID"))
        client = TableClient(settings.service_uri, collection, credential=credential, retry_total=3)
        self._closing += [client, credential]
        return cast("Table", client)


def managed_identity(settings: StorageSettings, default_client_id: str | None) -> Any:
    """The credential of a connection section, as Microsoft.Extensions.Azure makes it.

    Without `credential` that is DefaultAzureCredential, of which in Azure only
    the managed identity answers, the one of AZURE_CLIENT_ID where that is set.
    """
    from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415

    kind = (settings.credential or "").lower()
    if kind not in ("", "managedidentity"):
        raise OutputError(
            f"credential {settings.credential!r} of a storage connection is unknown; "
            f"'managedidentity' is what an identity-based connection takes."
        )
    if settings.managed_identity_resource_id:
        if settings.client_id:
            raise OutputError("A storage connection takes clientId or managedIdentityResourceId, not both.")
        return ManagedIdentityCredential(
            identity_config={"resource_id": settings.managed_identity_resource_id}
        )
    client_id = settings.client_id or (default_client_id if not kind else None)
    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()


def import_clients() -> None:
    """What the first call would otherwise import, in some 200 ms."""
    for module in ("azure.data.tables.aio", "azure.identity.aio"):
        importlib.import_module(module)


async def create_assistant(table: Table, request: AssistantCreateRequest) -> None:
    """Table made when missing, old rows deleted, new rows inserted. Not atomic."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

    with suppress(ResourceExistsError):
        await table.create_table()
    partition_key = request.id
    batch: list[tuple[str, Mapping[str, Any]]] = []

    async def delete_batch() -> None:
        if batch:
            log.info("Deleting %d record(s) for assistant '%s'.", len(batch), partition_key)
            await table.submit_transaction(batch)
            batch.clear()

    async for entity in table.query_entities(f"PartitionKey eq '{partition_key or ''}'"):
        if len(batch) >= TRANSACTION_LIMIT:
            await delete_batch()
        batch.append(("delete", {name: entity[name] for name in ("PartitionKey", "RowKey")}))
    await delete_batch()
    if partition_key is None:
        raise OutputError("Value cannot be null. (Parameter 'PartitionKey'): the payload's id is null.")
    await table.submit_transaction(
        [("create", row) for row in rows.created(partition_key, request.instructions)]
    )
