"""The `assistantCreate` output binding: the table operations of the extension.

The extension's hazards are reproduced: the id is not escaped in the filter, and the old rows are
deleted before the new ones are inserted.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from local_azure.functions_host.bindings import rows
from local_azure.functions_host.bindings.payload import AssistantCreateRequest
from local_azure.functions_host.bindings.table import Table, partition_filter

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.DefaultAssistantService")

BINDING_TYPE = "assistantcreate"
TRANSACTION_LIMIT = 100


async def create_assistant(table: Table, request: AssistantCreateRequest) -> None:
    """Creates the table if it is missing, deletes the old rows and inserts the new ones. Not atomic."""
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

    async for entity in table.query_entities(partition_filter(partition_key)):
        if len(batch) >= TRANSACTION_LIMIT:
            await delete_batch()
        batch.append(("delete", {name: entity[name] for name in ("PartitionKey", "RowKey")}))
    await delete_batch()
    await table.submit_transaction(
        [("create", row) for row in rows.initial_rows(partition_key, request.instructions)]
    )
