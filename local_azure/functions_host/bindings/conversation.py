"""A conversation as read from its table, and as the value of `assistantQuery` and `assistantPost`."""

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from local_azure.functions_host.bindings import dotnet, rows
from local_azure.functions_host.bindings.rows import Message, State


class Table(Protocol):
    """The part of `azure.data.tables.aio.TableClient` that the bindings use."""

    async def create_table(self) -> object: ...
    def query_entities(self, query_filter: str) -> AsyncIterable[Mapping[str, Any]]: ...
    async def submit_transaction(self, operations: Sequence[tuple[Any, ...]]) -> object: ...


@dataclass
class Conversation:
    state: State
    messages: list[Message]
    added: list[tuple[int, Message]] = field(default_factory=list[tuple[int, Message]])
    """Number and message of those that a post adds. Their rows are made at its end, which may fail."""

    def add(self, message: Message) -> None:
        self.state.total_messages += 1
        self.messages.append(message)
        self.added.append((self.state.total_messages, message))


def partition_filter(partition_key: str | None) -> str:
    """Not escaped, as in the extension: a quote in the id ends the literal (filter injection)."""
    return f"PartitionKey eq '{partition_key or ''}'"


async def load(table: Table, partition_key: str | None) -> Conversation | None:
    """None without a state row. Raises BindingError for rows that the extension cannot read."""
    messages: list[Message] = []
    state: State | None = None
    async for entity in table.query_entities(partition_filter(partition_key)):
        row_key = str(entity["RowKey"])
        if row_key.startswith(rows.MESSAGE_PREFIX):
            messages.append(rows.read_message(entity))
        elif row_key == rows.STATE_ROW_KEY:
            state = rows.read_state(entity)
    return Conversation(state, messages) if state is not None else None


def to_json(assistant_id: str | None, state: State | None, recent: Sequence[Message]) -> str:
    """AssistantState as Newtonsoft.Json writes it; without a state row `exists` is false."""
    values = state or State("", False, dotnet.NEVER, dotnet.NEVER, 0, 0)
    # Without a state row the dates are `default(DateTime)`, which has no kind, and so no `Z`.
    created_at, last_updated_at = (
        dotnet.newtonsoft_date(moment).removesuffix("" if state else "Z")
        for moment in (values.created_at, values.last_updated_at)
    )
    return dotnet.newtonsoft(
        {
            "id": assistant_id,
            "exists": state is not None,
            "createdAt": created_at,
            "lastUpdatedAt": last_updated_at,
            "totalMessages": values.total_messages,
            "totalTokens": values.total_tokens,
            "recentMessages": [
                {
                    "content": message.content,
                    "role": message.role,
                    "toolCalls": rows.tool_calls_text(message.tool_calls),
                }
                for message in recent
            ],
        }
    )
