"""Rows as the extension writes them, and tables whose clients fail."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from assistants import leases
from assistants.tables import conversations
from assistants.tables.clients import Tables
from azure.data.tables import EdmType

HELLO = {"Role": "Assistant", "Content": "Hello."}


def conversation(
    tables: Tables,
    assistant_id: str,
    *contents: str,
    instructions: str = "Be brief.",
    at: str = "2026-11-25T08:00:00",
    tokens: int = 7,
    total: int | None = None,
) -> None:
    """A system message, then user and assistant in turn, one a second. `total`: what the state counts."""
    texts = [("System", instructions)]
    texts += [("Assistant" if number % 2 else "User", content) for number, content in enumerate(contents)]
    rows: list[dict[str, object]] = [
        {
            "PartitionKey": assistant_id,
            "RowKey": f"msg-{number + 1:04X}",
            "Content": content,
            "Role": role,
            "CreatedAt": (f"{at[:-5]}{number // 60:02}:{number % 60:02}.1234500Z", EdmType.DATETIME),
            "ToolCalls": "",
        }
        for number, (role, content) in enumerate(texts)
    ]
    state: dict[str, object] = {
        "PartitionKey": assistant_id,
        "RowKey": "state",
        "Exists": True,
        "CreatedAt": (f"{at}.0000000Z", EdmType.DATETIME),
        "LastUpdatedAt": (f"{at}.7654321Z", EdmType.DATETIME),
        "TotalMessages": len(texts) if total is None else total,
        "TotalTokens": tokens,
    }
    rows.append(state)
    for start in range(0, len(rows), 100):
        tables.chat_state.submit_transaction([("create", row) for row in rows[start : start + 100]])


def rows_of(table: Any, assistant_id: str) -> list[dict[str, Any]]:
    rows = table.query_entities("PartitionKey eq @id", parameters={"id": assistant_id})
    return [dict(row) for row in rows]


def create(tables: Tables, assistant_id: str) -> None:
    """What the extension makes of a create request."""
    conversations.delete(tables, assistant_id, bool)
    conversation(tables, assistant_id)


def exchange(tables: Tables, *rows: dict[str, str]) -> Callable[[str, str], None]:
    """Writes the rows of one exchange: the message, then `rows`, and the state."""

    def write(assistant_id: str, message: str) -> None:
        state = tables.chat_state.get_entity(assistant_id, "state")
        for row in ({"Role": "User", "Content": message}, *rows):
            state["TotalMessages"] += 1
            tables.chat_state.create_entity(
                {
                    "PartitionKey": assistant_id,
                    "RowKey": f"msg-{state['TotalMessages']:04X}",
                    "CreatedAt": ("2026-11-25T09:00:00.1234567Z", EdmType.DATETIME),
                    "ToolCalls": "",
                    **row,
                }
            )
        state["TotalTokens"] = 42
        tables.chat_state.update_entity(state)

    return write


def with_methods(tables: Tables, table: str, **methods: Callable[..., Any]) -> Any:
    """The tables, where the client of `table` has these methods; each gets the client's own one first."""
    client = getattr(tables, table)

    class Client:
        def __getattr__(self, name: str) -> Any:
            own = getattr(client, name)
            if name not in methods:
                return own
            return functools.partial(methods[name], own)

    clients: dict[str, Any] = {"chat_state": tables.chat_state, "leases": tables.leases}
    return SimpleNamespace(**{**clients, table: Client()})


def before_acquire(monkeypatch: pytest.MonkeyPatch, write: Callable[[], object]) -> None:
    """Another request writes just before the next lease is acquired."""
    acquire = leases.acquire

    def acquire_after_a_write(*arguments: Any) -> Any:
        write()
        return acquire(*arguments)

    monkeypatch.setattr(leases, "acquire", acquire_after_a_write)


def failing(error: BaseException) -> Callable[..., Any]:
    """A method that raises."""

    def fail(*_arguments: object, **_options: object) -> Any:
        raise error

    return fail
