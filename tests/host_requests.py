"""Requests as the host builds them, rows as the extension writes them, and stand-ins for what routes use."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
from assistants.binding_call import CallResult, Outcome
from assistants.routes import create, remove
from assistants.routes.responses import handle_errors
from assistants.tables import conversations
from assistants.tables.clients import Tables
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import EdmType
from azure.functions.http import HttpRequest as HostRequest

# The smile is two UTF-16 code units.
SMILE = "\U0001f600"

HOSTILE_IDS = [
    "",
    " ",
    "x' or PartitionKey eq 'victim",
    "x'",
    'x"',
    "a/b",
    "a\\b",
    "a#b",
    "a?b",
    "a%27b",
    "a b",
    "a+b",
    "a.b",
    "..",
    "hello\n",
    "\nhello",
    "hello\r\n",
    "hello\x00",
    "hello\u2028",
    "a" * 65,
    "\uff41\uff42\uff43",  # full-width a, b, c
    "\u0661\u0662",  # digits, but not of 0-9
    "\u00df",
    "\u0130",  # lower() makes it i and a dot
    "\u212a",  # KELVIN SIGN: lower() makes it k
    "\u017f",  # LONG S: upper() makes it S
    SMILE,
    "\ud800",
    "{assistantId}",
    "$(id)",
    "%APPSETTING%",
]
GOOD_IDS = ["a", "hello", "A-Z_0-9", "-", "_", "a" * 64, "0", "007", "1e5", "null", "2024-01-01", "state"]


def request(
    method: str,
    assistant_id: str = "",
    *,
    query: Mapping[str, str] | None = None,
    raw_query: str | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> func.HttpRequest:
    """As the Functions host builds it; `raw_query` is that of the URL where `query` does not show it all."""
    url_query = urlencode(query or {}) if raw_query is None else raw_query
    return HostRequest(
        method=method,
        url=f"https://app.example/api/assistants?{url_query}",
        headers=dict(headers or {}),
        params=dict(query or {}),
        route_params={"assistantId": assistant_id} if assistant_id else {},
        body_type="bytes",
        body=body,
    )


def conversation(
    table: Any,
    assistant_id: str,
    *contents: str,
    instructions: str = "Be brief.",
    at: str = "2026-11-25T08:00:00",
    tokens: int = 7,
) -> None:
    """Rows as the extension writes them: a system message, then user and assistant in turn, one a second."""
    texts = [("System", instructions)]
    texts += [("Assistant" if number % 2 else "User", content) for number, content in enumerate(contents)]
    for number, (role, content) in enumerate(texts):
        table.create_entity(
            {
                "PartitionKey": assistant_id,
                "RowKey": f"msg-{number + 1:04X}",
                "Content": content,
                "Role": role,
                "CreatedAt": (f"{at[:-5]}{number // 60:02}:{number % 60:02}.1234500Z", EdmType.DATETIME),
                "ToolCalls": "",
            }
        )
    table.create_entity(
        {
            "PartitionKey": assistant_id,
            "RowKey": "state",
            "Exists": True,
            "CreatedAt": (f"{at}.0000000Z", EdmType.DATETIME),
            "LastUpdatedAt": (f"{at}.7654321Z", EdmType.DATETIME),
            "TotalMessages": len(texts),
            "TotalTokens": tokens,
        }
    )


def rows_of(table: Any, assistant_id: str) -> list[dict[str, Any]]:
    rows = table.query_entities("PartitionKey eq @id", parameters={"id": assistant_id})
    return [dict(row) for row in rows]


def answer(route: Callable[..., func.HttpResponse], *arguments: Any) -> func.HttpResponse:
    """What the registered function answers, also where `route` raises."""
    return handle_errors(lambda: route(*arguments))


class RecordingOut(func.Out[bytes]):
    """The output binding's argument; the host writes only what was set."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def set(self, val: bytes) -> None:
        self.values.append(val)

    def get(self) -> bytes:
        return self.values[-1]


class NoRows:
    """An empty table that discards inserts."""

    def get_entity(self, _partition: str, _row: str, **_options: object) -> None:
        raise ResourceNotFoundError

    def create_entity(self, _row: object) -> dict[str, str]:
        return {"etag": "1"}


class NoTables:
    leases = chat_state = NoRows()


NOTHING: Any = NoTables()


class Forwarding:
    """A table client of which a test replaces some methods."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


def delete(tables: Tables, assistant_id: str) -> int:
    return answer(remove.respond, request("DELETE", assistant_id), tables).status_code


def put(tables: Tables, assistant_id: str, **headers: str) -> tuple[int, str | None, int]:
    """Status, the header Assistant-Replaced, and the number of create requests."""
    out = RecordingOut()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = answer(create.respond, request("PUT", assistant_id, headers=named), out, "Be brief.", tables)
    return response.status_code, response.headers.get("Assistant-Replaced"), len(out.values)


def created(tables: Tables, assistant_id: str) -> None:
    """What the extension makes of a create request."""
    conversations.delete(tables, assistant_id, bool)
    conversation(tables.chat_state, assistant_id)


DONE = CallResult(Outcome.DONE, 200)
FAILED = CallResult(Outcome.FAILED, 500)


class Run:
    """A stand-in for the bound function: writes rows as the extension does, and returns `called`."""

    def __init__(self, called: CallResult = DONE, write: Callable[[str, str], None] | None = None) -> None:
        self.called = called
        self.write = write
        self.calls: list[tuple[str, str, str]] = []

    def __call__(self, assistant_id: str, message: str, key: str) -> CallResult:
        self.calls.append((assistant_id, message, key))
        if self.write is not None:
            self.write(assistant_id, message)
        return self.called


def adding(tables: Tables, *rows: dict[str, str]) -> Callable[[str, str], None]:
    """One exchange in one go: the message, then `rows`, and the state."""

    def write(assistant_id: str, message: str) -> None:
        table = tables.chat_state
        state = table.get_entity(assistant_id, "state")
        for row in ({"Role": "User", "Content": message}, *rows):
            state["TotalMessages"] += 1
            table.create_entity(
                {
                    "PartitionKey": assistant_id,
                    "RowKey": f"msg-{state['TotalMessages']:04X}",
                    "CreatedAt": ("2026-11-25T09:00:00.1234567Z", EdmType.DATETIME),
                    "ToolCalls": "",
                    **row,
                }
            )
        state["TotalTokens"] = 42
        table.update_entity(state)

    return write
