"""The `assistantCreate` output binding: the table operations of the extension.

The extension's hazards are reproduced: the id is not escaped in the filter, and the old rows are
deleted before the new ones are inserted.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from local_azure.functions_host.bindings import rows
from local_azure.functions_host.bindings.conversation import Table, partition_filter
from local_azure.functions_host.bindings.payload import AssistantCreateRequest

BINDING_TYPE = "assistantcreate"
TRANSACTION_LIMIT = 100


async def create_assistant(table: Table, request: AssistantCreateRequest) -> None:
    """Creates the table if it is missing, deletes the old rows and inserts the new ones. Not atomic."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

    with suppress(ResourceExistsError):
        await table.create_table()
    batch: list[tuple[str, Mapping[str, Any]]] = []

    async for entity in table.query_entities(partition_filter(request.id)):
        if len(batch) == TRANSACTION_LIMIT:
            await table.submit_transaction(batch)
            batch.clear()
        batch.append(("delete", {name: entity[name] for name in ("PartitionKey", "RowKey")}))
    if batch:
        await table.submit_transaction(batch)
    await table.submit_transaction(
        [("create", row) for row in rows.initial_rows(request.id, request.instructions)]
    )
