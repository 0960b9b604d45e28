"""Reads and deletes the rows of conversations.

The extension writes them (ChatMessageTableEntity.cs, AssistantStateEntity.cs of
azure-functions-openai-extension). Ids have been checked with `rules.ID`, and are
only used in a filter as parameters.
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
"""The default of .NET's DateTime."""

# The maximum of operations in one transaction.
_TRANSACTION = 100
# The table service stores no earlier date and rejects one in a filter.
_FIRST_YEAR = "1601"
_DELETE_ATTEMPTS = 3
# The rows of one response. The table service has no count: the rows of a request for keys are counted.
_COUNTED = 1000


@dataclass(frozen=True)
class Moment:
    """A time in UTC. `text` has seven digits, so that texts sort by time; `floor` has six, rounded down."""

    text: str
    floor: datetime


@dataclass(frozen=True)
class State:
    """Dates are ISO 8601 in UTC with up to seven decimals. `written_at`: by the table service's clock."""

    assistant_id: str
    created_at: str
    last_updated_at: str
    total_messages: int
    total_tokens: int
    written_at: datetime | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "assistantId": self.assistant_id,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.last_updated_at,
            "totalMessages": self.total_messages,
            "totalTokens": self.total_tokens,
        }


@dataclass(frozen=True)
class Message:
    """`tool_calls` is the text of the column. `name`: for the result of a tool, the id of its call."""

    row_key: str
    role: str
    content: str | None
    created_at: str
    tool_calls: str
    name: str | None

    @property
    def number(self) -> int:
        return int(self.row_key.removeprefix("msg-"), 16)

    def to_json(self) -> dict[str, object]:
        members: dict[str, object] = {
            "number": self.number,
            "role": self.role,
            "content": self.content or "",
            "createdAt": self.created_at,
            "toolCalls": parse_tool_calls(self.tool_calls),
        }
        return members if self.name is None else {**members, "toolCallId": self.name}


def row_key(number: int) -> str:
    return f"msg-{number:04X}"


def get_state(tables: Tables, assistant_id: str) -> State | None:
    """None if the assistant, or the table, does not exist."""
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
    limit: int | None = None,
    since: Moment | None = None,
    with_instructions: bool = True,
) -> Iterator[Message]:
    """At most `limit` messages by number, after the row key `after` ("" for all)."""
    query = "PartitionKey eq @id and RowKey gt @after and RowKey lt @end"
    parameters: dict[str, object] = {"id": assistant_id, "after": after or "msg-", "end": STATE}
    if since is not None and since.text >= _FIRST_YEAR:
        query += " and CreatedAt ge @since"
        parameters["since"] = since.floor
    if not with_instructions:
        # Versions of the extension up to 0.18 wrote roles in lower case.
        query += " and Role ne 'System' and Role ne 'system'"
    # Without $top (the SDK's `results_per_page`) the service returns up to 1,000 rows. One more with `since`:
    # the message of that very time matches the filter, which has fewer decimals.
    page = None if limit is None else limit + (since is not None)
    messages = map(
        _message, tables.chat_state.query_entities(query, parameters=parameters, results_per_page=page)
    )
    later = (message for message in messages if since is None or _padded(message.created_at) > since.text)
    return itertools.islice(later, limit)


def exchange_after(
    tables: Tables, assistant_id: str, total_messages: int
) -> tuple[State | None, list[Message]]:
    """The state, and the messages after the first `total_messages`, read in one query."""
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


def states_after(tables: Tables, after: str, prefix: str, page: int) -> Iterator[list[State]]:
    """The states of the assistants after `after` whose ids begin with `prefix`, by id.

    One list of at most `page` for each request. The service reads every row of that range until it has so
    many, or for five seconds.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    with contextlib.suppress(ResourceNotFoundError):  # the table does not exist yet
        for rows in _query_states(tables, after, prefix, results_per_page=page).by_page():
            yield [_state(row) for row in rows]


def count_after(tables: Tables, after: str, prefix: str) -> tuple[int, bool]:
    """How many assistants are after `after` whose ids begin with `prefix`, and whether that is all of them.

    One request, which counts at most 1,000 and, like that of `states_after`, ends after five seconds.
    """
    pages = _query_states(tables, after, prefix, results_per_page=_COUNTED, select=["PartitionKey"]).by_page()
    count = sum(ID.fullmatch(row["PartitionKey"]) is not None for row in next(pages, ()))
    return count, not pages.continuation_token


def _query_states(tables: Tables, after: str, prefix: str, **options: Any) -> Any:
    query, parameters = _partitions(after, prefix)
    return tables.chat_state.query_entities(
        f"{query} and RowKey eq @state", parameters={**parameters, "state": STATE}, **options
    )


def partitions_after(tables: Tables, after: str, prefix: str) -> Iterator[str]:
    """The keys of the partitions after `after` that begin with `prefix`, each by a request for one row."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    with contextlib.suppress(ResourceNotFoundError):  # the table does not exist yet
        while True:
            query, parameters = _partitions(after, prefix)
            rows: Any = tables.chat_state.query_entities(
                query,
                parameters=parameters,
                results_per_page=1,
                select=["PartitionKey"],
            )
            first: Any = next(iter(rows), None)
            if first is None:
                return
            after = str(first["PartitionKey"])
            yield after


def _partitions(after: str, prefix: str) -> tuple[str, dict[str, object]]:
    """A filter and its parameters. `prefix` has only characters of an id, which all sort before `~`."""
    if not prefix:
        return "PartitionKey gt @after", {"after": after}
    query = "PartitionKey gt @after and PartitionKey ge @prefix and PartitionKey lt @end"
    return query, {"after": after, "prefix": prefix, "end": f"{prefix}~"}


def idle_assistants(tables: Tables, idle_since: datetime, start: str) -> Iterator[str]:
    """The ids of assistants last written before `idle_since`, from `start` on, then those before it.

    The service reads the whole table but returns only the matching rows.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    for part in ("PartitionKey ge @start", "PartitionKey lt @start"):
        rows = tables.chat_state.query_entities(
            f"{part} and RowKey eq @state and LastUpdatedAt lt @since",
            parameters={"start": start, "state": STATE, "since": idle_since},
            select=["PartitionKey"],
        )
        with contextlib.suppress(ResourceNotFoundError):  # the table does not exist yet
            for row in rows:
                # Other applications may write to the table: an id that no request can name is not this app's.
                if ID.fullmatch(str(row["PartitionKey"])):
                    yield str(row["PartitionKey"])


def delete(tables: Tables, assistant_id: str, before_each: Callable[[], object]) -> None:
    """Delete every row of an assistant, in transactions. It need not exist.

    `before_each` runs before each transaction: it renews the lease, and stops the deletion by raising.
    The first transaction deletes the state: from then on the assistant does not exist for `GET` and for the
    extension. A crash may leave messages that no request returns, which the next DELETE or PUT removes. Each
    row is deleted only if it is unchanged, so that a delayed transaction deletes no row of a conversation
    created since.
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
            return  # the table does not exist yet
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
            # A row was deleted or changed since, and the whole transaction was rejected; or its response was
            # lost, and the SDK does not repeat a POST.
            passes = isinstance(error, ServiceResponseError) or error.status_code in (404, 412)
            if not passes or attempt == _DELETE_ATTEMPTS - 1:
                raise
        else:
            return


def parse_tool_calls(text: str) -> list[dict[str, object]]:
    """The JSON of the column: id, functionName, functionArguments and kind of each call."""
    if not text:
        return []
    try:
        content: object = json.loads(text)
    except ValueError:
        return []
    calls = cast("list[object]", content) if isinstance(content, list) else []
    return [cast("dict[str, object]", call) for call in calls if isinstance(call, dict)]


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
    """0 for anything but a number: one damaged row must not break the list of all assistants."""
    return value if isinstance(value, int) else 0


def _date(value: Any) -> str:
    """A stored date as .NET's JSON writes it: up to seven decimals, without trailing zeros."""
    text = str(getattr(value, "tables_service_value", "") or "")
    match = re.fullmatch(r"(.{19})(?:\.([0-9]+))?Z", text)
    if match is None:
        return NEVER
    decimals = (match[2] or "").rstrip("0")
    return f"{match[1]}.{decimals}Z" if decimals else f"{match[1]}Z"


def _padded(date: str) -> str:
    """With seven decimals, for comparison as text."""
    seconds, _, decimals = date.removesuffix("Z").partition(".")
    return f"{seconds}.{decimals:0<7}Z"
