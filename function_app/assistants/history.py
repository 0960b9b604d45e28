"""Checks the messages of a conversation for what makes every further post fail."""

import json
from collections.abc import Iterable
from typing import NoReturn, cast

from assistants.tables.conversations import Message, parse_tool_calls

# JsonReaderOptions.MaxDepth: the default of System.Text.Json.
_JSON_DEPTH = 64


def why_no_reply_is_possible(messages: Iterable[Message]) -> str | None:
    """Why the extension cannot post to the conversation again, as a clause, or None.

    A model rejects a history whose tool calls have no results. The extension stores a tool call as the model
    wrote it, even truncated or malformed, and fails when it reads the row (recordings tool-call-rows, tools).
    """
    calls: dict[str, int] = {}
    for message in messages:
        if message.name is not None:
            calls.pop(message.name, None)
        for call in parse_tool_calls(message.tool_calls):
            arguments = call.get("functionArguments")
            if not isinstance(arguments, str) or not is_readable_json(arguments):
                return f"the arguments of a tool call in message {message.number} are not valid JSON"
            if not call.get("id") or not call.get("functionName"):
                return f"a tool call in message {message.number} has no id or no function name"
            calls[str(call["id"])] = message.number
    return f"a tool call in message {min(calls.values())} has no result" if calls else None


def is_readable_json(text: str) -> bool:
    """Whether .NET's System.Text.Json reads it: at most 64 levels, and neither NaN nor Infinity."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        # Objects become lists, which keep the values of equal names. A float may have any number of digits.
        content = json.loads(text, parse_constant=refuse, parse_int=float, object_pairs_hook=_values)
        return _depth(content) <= _JSON_DEPTH
    except (ValueError, RecursionError):
        return False


def _values(members: list[tuple[str, object]]) -> list[object]:
    return [value for _, value in members]


def _depth(value: object) -> int:
    """The nesting depth of arrays and objects."""
    if isinstance(value, list):
        return 1 + max(map(_depth, cast("list[object]", value)), default=0)
    return 0
