"""The rows of conversations, read and deleted.

The extension writes them (ChatMessageTableEntity.cs, AssistantStateEntity.cs of
azure-functions-openai-extension). An id gets here only after the check of `rules.ID`, and
enters a filter only as a parameter.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from assistants.rules import ID
from assistants.tables.clients import Tables

STATE = "state"
NEVER = "0001-01-01T00:00:00"
"""How .NET writes a date that was never set."""

# Azure takes at most 100 operations in one transaction.
_TRANSACTION = 100
# The table service keeps no earlier date, and refuses one in a filter.
_FIRST_YEAR = "1601"
_DELETE_ATTEMPTS = 3


@dataclass(frozen=True)
class Moment:
    """A time in UTC. `text` has seven digits, so that texts sort by time; `floor` has six, rounded down."""

    text: str
    floor: datetime


@dataclass(frozen=True)
class State:
    """Dates as ISO texts in UTC with up to seven digits. `written_at`: by the table service's clock."""

    assistant_id: str
    created_at: str
    last_updated_at: str
    total_messages: int
    total_tokens: int
    written_at: datetime | None = None

    def shown(self) -> dict[str, object]:
        return {
            "assistantId": self.assistant_id,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.last_updated_at,
            "totalMessages": self.total_messages,
            "totalTokens": self.total_tokens,
        }


@dataclass(frozen=True)
class Message:
    """`tool_calls` is the column's own text. `name` is what a tool's result answers."""

    row_key: str
    role: str
    content: str | None
    created_at: str
    tool_calls: str
    name: str | None

    @property
    def number(self) -> int:
        return int(self.row_key.removeprefix("msg-"), 16)

    def shown(self) -> dict[str, object]:
        found: dict[str, object] = {
            "number": self.number,
            "role": self.role,
            "content": self.content or "",
            "createdAt": self.created_at,
            "toolCalls": parse_tool_calls(self.tool_calls),
        }
        return found if self.name is None else {**found, "toolCallId": self.name}


def row_key(number: int) -> str:
    return f"msg-{number:04X}"


def get_state(tables: Tables, assistant_id: str) -> State | None:
    """None where there is no such assistant, or not even a table yet."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    try:
        return _state(tables.chat_state.get_entity(assistant_id, STATE))
    except ResourceNotFoundError:
        return None


def messages_after(
    tables: Tables,
    assistant_id: str,
    after: str,
    *,
    most: int | None = None,
    since: Moment | None = None,
    with_instructions: bool = True,
) -> Iterator[Message]:
    """At most `most` messages by number, from the row behind `after` (a row key, or "" for the first)."""
    query = "PartitionKey eq @id and RowKey gt @after and RowKey lt @end"
    parameters: dict[str, object] = {"id": assistant_id, "after": after or "msg-", "end": STATE}
    if since is not None and since.text >= _FIRST_YEAR:
        query += " and CreatedAt ge @since"
        parameters["since"] = since.floor
    if not with_instructions:
        # Versions up to 0.18 wrote roles in lower case.
        query += " and Role ne 'System' and Role ne 'system'"
    # The service answers with 1,000 rows where it is not given a $top, the SDK's `results_per_page`. One
    # more, since the message whose time `since` is passes the filter, which has not all of its digits.
    page = None if most is None else most + (since is not None)
    messages = map(
        _message, tables.chat_state.query_entities(query, parameters=parameters, results_per_page=page)
    )
    later = (message for message in messages if since is None or _padded(message.created_at) > since.text)
    return itertools.islice(later, most)


def exchange_after(
    tables: Tables, assistant_id: str, total_messages: int
) -> tuple[State | None, list[Message]]:
    """The state, and the messages behind the first `total_messages`, read in one query."""
    state: State | None = None
    messages: list[Message] = []
    for row in tables.chat_state.query_entities(
        "PartitionKey eq @id and RowKey ge @first",
        parameters={"id": assistant_id, "first": row_key(total_messages + 1)},
    ):
        if row["RowKey"] == STATE:
            state = _state(row)
        elif str(row["RowKey"]).startswith("msg-"):
            messages.append(_message(row))
    return state, messages


def states_after(tables: Tables, after: str, page: int) -> Iterator[list[State]]:
    """States by id, from the assistant behind `after`: what each request gives, at most `page` of them.

    The service reads every row behind `after` until it has found so many, or for five seconds.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    with contextlib.suppress(ResourceNotFoundError):  # there is no table yet
        pages = tables.chat_state.query_entities(
            "PartitionKey gt @after and RowKey eq @state",
            parameters={"after": after, "state": STATE},
            results_per_page=page,
        ).by_page()
        for rows in pages:
            yield [_state(row) for row in rows]


def partitions_after(tables: Tables, after: str) -> Iterator[str]:
    """The keys of the partitions behind `after`: one request, which reads one row, for each."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    with contextlib.suppress(ResourceNotFoundError):  # there is no table yet
        while True:
            rows: Any = tables.chat_state.query_entities(
                "PartitionKey gt @after",
                parameters={"after": after},
                results_per_page=1,
                select=["PartitionKey"],
            )
            first: Any = next(iter(rows), None)
            if first is None:
                return
            after = str(first["PartitionKey"])
            yield after


def idle_assistants(tables: Tables, idle_since: datetime, start: str) -> Iterator[str]:
    """Ids of who was last written before `idle_since`, from `start` on and round to it.

    The service reads the table from end to end; only the rows that are wanted come back.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    for part in ("PartitionKey ge @start", "PartitionKey lt @start"):
        rows = tables.chat_state.query_entities(
            f"{part} and RowKey eq @state and LastUpdatedAt lt @since",
            parameters={"start": start, "state": STATE, "since": idle_since},
            select=["PartitionKey"],
        )
        with contextlib.suppress(ResourceNotFoundError):  # there is no table yet
            for row in rows:
                # Others may write to the table: what no request can name is not this app's.
                if ID.fullmatch(str(row["PartitionKey"])):
                    yield str(row["PartitionKey"])


def delete(tables: Tables, assistant_id: str, before_each: Callable[[], object]) -> None:
    """Delete every row, in transactions. Nothing to delete is no error.

    `before_each` runs before each transaction: it renews the lease, and stops by raising.
    The state goes in the first transaction, and decides: from then on the assistant is missing to `GET` and
    to the extension. What a crash leaves behind are messages that no request returns, which the next DELETE
    or PUT removes. Each row goes only as it was read, so that a transaction that arrives late, when another
    request has begun the conversation anew, deletes none of the new rows.
    """
    from azure.core import MatchConditions  # noqa: PLC0415 # clients.py says why
    from azure.core.exceptions import ResourceNotFoundError, ServiceResponseError  # noqa: PLC0415 # as above
    from azure.data.tables import TableTransactionError  # noqa: PLC0415 # as above

    for attempt in range(_DELETE_ATTEMPTS):
        try:
            rows = list(
                tables.chat_state.query_entities(
                    "PartitionKey eq @id", parameters={"id": assistant_id}, select=["PartitionKey", "RowKey"]
                )
            )
        except ResourceNotFoundError:
            return  # there is no table yet
        rows.sort(key=lambda row: (row["RowKey"] != STATE, row["RowKey"]))
        try:
            for start in range(0, len(rows), _TRANSACTION):
                before_each()
                tables.chat_state.submit_transaction(
                    [
                        (
                            "delete",
                            {"PartitionKey": assistant_id, "RowKey": row["RowKey"]},
                            {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified},
                        )
                        for row in rows[start : start + _TRANSACTION]
                    ]
                )
        except (TableTransactionError, ServiceResponseError) as error:
            # Somebody else deleted or changed one of them, and the whole transaction was refused; or its
            # answer was lost, and the SDK does not repeat a POST that was sent.
            passes = isinstance(error, ServiceResponseError) or error.status_code in (404, 412)
            if not passes or attempt == _DELETE_ATTEMPTS - 1:
                raise
        else:
            return


def parse_tool_calls(text: str) -> list[dict[str, object]]:
    """The column's JSON as it is: id, functionName, functionArguments and kind of each call."""
    if not text:
        return []
    try:
        found: object = json.loads(text)
    except ValueError:
        return []
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def _state(row: Any) -> State:
    return State(
        str(row["PartitionKey"]),
        _date(row.get("CreatedAt")),
        _date(row.get("LastUpdatedAt")),
        _count(row.get("TotalMessages")),
        _count(row.get("TotalTokens")),
        row.metadata["timestamp"],
    )


def _message(row: Mapping[str, Any]) -> Message:
    return Message(
        str(row["RowKey"]),
        str(row.get("Role") or ""),
        row.get("Content"),
        _date(row.get("CreatedAt")),
        str(row.get("ToolCalls") or ""),
        row.get("Name"),
    )


def _count(value: Any) -> int:
    """0 for what the extension does not write: one damaged row must not fail a list of all assistants."""
    return value if isinstance(value, int) else 0


def _date(value: Any) -> str:
    """All seven digits of a stored date, as .NET's JSON writes them: without zeros at the end."""
    text = str(getattr(value, "tables_service_value", "") or "")
    found = re.fullmatch(r"(.{19})(?:\.([0-9]+))?Z", text)
    if found is None:
        return NEVER
    digits = (found[2] or "").rstrip("0")
    return f"{found[1]}.{digits}Z" if digits else f"{found[1]}Z"


def _padded(shown: str) -> str:
    """For comparison as text: always seven digits."""
    whole, _, digits = shown.removesuffix("Z").partition(".")
    return f"{whole}.{digits:0<7}Z"
