"""The table of the conversations."""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, Protocol

from local_azure.functions_host.bindings import rows
from local_azure.functions_host.bindings.rows import Conversation


class Table(Protocol):
    """The part of `azure.data.tables.aio.TableClient` that the bindings use."""

    async def create_table(self) -> object: ...
    def query_entities(self, query_filter: str) -> AsyncIterable[Mapping[str, Any]]: ...
    async def submit_transaction(self, operations: Sequence[tuple[Any, ...]]) -> object: ...


def partition_filter(partition_key: str | None) -> str:
    """Not escaped, as in the extension: a quote in the id ends the literal (filter injection)."""
    return f"PartitionKey eq '{partition_key or ''}'"


async def load(table: Table, partition_key: str | None) -> Conversation | None:
    """None without a state row. Raises BindingError for rows that the extension cannot read."""
    messages: list[rows.Message] = []
    state: rows.State | None = None
    async for entity in table.query_entities(partition_filter(partition_key)):
        row_key = str(entity["RowKey"])
        if row_key.startswith(rows.MESSAGE_PREFIX):
            messages.append(rows.read_message(entity))
        elif row_key == rows.STATE_ROW_KEY:
            state = rows.read_state(entity)
    return Conversation(state, messages) if state is not None else None
