"""The rows of conversations, read and deleted.

The extension writes them (ChatMessageTableEntity.cs, AssistantStateEntity.cs of
azure-functions-openai-extension). An id gets here only after `checks.id_problems`, and
enters a filter only as a parameter.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from assistants.checks import Moment

STATE = "state"
NEVER = "0001-01-01T00:00:00"
"""How .NET writes a date that was never set."""

# Azure takes at most 100 operations in one transaction.
_TRANSACTION = 100
# The table service keeps no earlier date, and refuses one in a filter.
_FIRST_YEAR = "1601"
_DELETE_ATTEMPTS = 3


@dataclass(frozen=True)
class State:
    """Dates as ISO texts in UTC with up to seven digits."""

    assistant_id: str
    created_at: str
    last_updated_at: str
    total_messages: int
    total_tokens: int

    def shown(self) -> dict[str, object]:
        return {
            "assistantId": self.assistant_id,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.last_updated_at,
            "totalMessages": self.total_messages,
            "totalTokens": self.total_tokens,
        }

    def created_after(self, moment: datetime) -> bool:
        """`moment` is in UTC."""
        return _padded(self.created_at) > moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


@dataclass(frozen=True)
class Message:
    """`tool_calls` is the column's own text. `name` is what a tool's result answers."""

    row_key: str
    role: str
    content: str | None
    created_at: str
    tool_calls: str
    name: str | None

    def shown(self) -> dict[str, object]:
        found: dict[str, object] = {
            "number": int(self.row_key.removeprefix("msg-"), 16),
            "role": self.role,
            "content": self.content or "",
            "createdAt": self.created_at,
            "toolCalls": parse_tool_calls(self.tool_calls),
        }
        return found if self.name is None else {**found, "toolCallId": self.name}


def row_key(number: int) -> str:
    return f"msg-{number:04X}"


def get_state(table: Any, assistant_id: str) -> State | None:
    """None where there is no such assistant, or not even a table yet."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # storage.py says why

    try:
        return _state(table.get_entity(assistant_id, STATE))
    except ResourceNotFoundError:
        return None


def messages_after(
    table: Any,
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
    messages = map(_message, table.query_entities(query, parameters=parameters, results_per_page=page))
    later = (message for message in messages if since is None or _padded(message.created_at) > since.text)
    return itertools.islice(later, most)


def exchange_after(table: Any, assistant_id: str, total_messages: int) -> tuple[State | None, list[Message]]:
    """The state, and the messages behind the first `total_messages`, read in one query."""
    state: State | None = None
    messages: list[Message] = []
    for row in table.query_entities(
        "PartitionKey eq @id and RowKey ge @first",
        parameters={"id": assistant_id, "first": row_key(total_messages + 1)},
    ):
        if row["RowKey"] == STATE:
            state = _state(row)
        elif str(row["RowKey"]).startswith("msg-"):
            messages.append(_message(row))
    return state, messages


def states_after(table: Any, after: str, page: int) -> Iterator[list[State]]:
    """States by id, from the assistant behind `after`: what each request gives, at most `page` of them.

    The service reads every row behind `after` until it has found so many, or for five seconds.
    """
    answers = table.query_entities(
        "PartitionKey gt @after and RowKey eq @state",
        parameters={"after": after, "state": STATE},
        results_per_page=page,
    ).by_page()
    return ([_state(row) for row in rows] for rows in answers)


def partitions_after(table: Any, after: str) -> Iterator[str]:
    """The keys of the partitions behind `after`: one request, which reads one row, for each."""
    while True:
        rows: Any = table.query_entities(
            "PartitionKey gt @after", parameters={"after": after}, results_per_page=1, select=["PartitionKey"]
        )
        first: Any = next(iter(rows), None)
        if first is None:
            return
        after = str(first["PartitionKey"])
        yield after


def delete(table: Any, assistant_id: str) -> None:
    """Delete every row. Nothing to delete is no error.

    The state goes in the first transaction, and decides: from then on the assistant is missing to
    `GET` and to the extension, whose own last transaction fails without it and so adds no rows. What
    a crash leaves behind are messages that nobody is shown, which the next DELETE or PUT removes.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # as above
    from azure.data.tables import TableTransactionError  # noqa: PLC0415 # storage.py says why

    for attempt in range(_DELETE_ATTEMPTS):
        try:
            rows = table.query_entities(
                "PartitionKey eq @id", parameters={"id": assistant_id}, select=["PartitionKey", "RowKey"]
            )
            keys = sorted((str(row["RowKey"]) for row in rows), key=lambda key: (key != STATE, key))
        except ResourceNotFoundError:
            return  # there is no table yet
        try:
            for start in range(0, len(keys), _TRANSACTION):
                table.submit_transaction(
                    [
                        ("delete", {"PartitionKey": assistant_id, "RowKey": key})
                        for key in keys[start : start + _TRANSACTION]
                    ]
                )
        except TableTransactionError as error:
            # Somebody else deleted one of them meanwhile, and the whole transaction was refused.
            if error.status_code != 404 or attempt == _DELETE_ATTEMPTS - 1:
                raise
        else:
            return


def unanswered(table: Any, assistant_id: str) -> str | None:
    """Why a conversation can never go on, as the end of a sentence, or None.

    A model refuses a history whose tool calls have no results, and the extension cannot read arguments
    that are no JSON, which it nevertheless stores when a reply is cut off inside them.
    """
    calls: dict[str, str] = {}
    for message in messages_after(table, assistant_id, ""):
        if message.name is not None:
            calls.pop(message.name, None)
        for call in parse_tool_calls(message.tool_calls):
            calls[str(call.get("id"))] = message.row_key
            try:
                json.loads(str(call.get("functionArguments")))
            except ValueError:
                return f"the arguments of a tool call in {message.row_key} are no JSON"
    return f"a tool call in {min(calls.values())} has no result" if calls else None


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


def _state(row: Mapping[str, Any]) -> State:
    return State(
        str(row["PartitionKey"]),
        _date(row.get("CreatedAt")),
        _date(row.get("LastUpdatedAt")),
        int(row.get("TotalMessages") or 0),
        int(row.get("TotalTokens") or 0),
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
