"""The replies of the stand-in model: the first rule that matches; equal requests get equal replies.

| the last message | the answer |
|---|---|
| results of tools | repeats each result |
| a user's, with all words of an offered tool's name in it ("add a todo: buy milk" and AddTodo) | calls it |
| anything else | says that local Azure answers, repeats the message, names the tools it could call |

Words such as "get" or "current" in a tool's name need not be in the message; singular and plural are equal.
Of several tools the one with most words wins, then the first. The text behind the first colon is the
argument (the whole message when there is none): a JSON object unchanged, else the value of the tool's only
string property, or of its first required one; numbers take the first number. `tool_choice` applies: `none`
calls nothing, `required` and a named function always call.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.counting import choices_of, text_of

_MAX_ECHO = 2000
_WRAPPED_RESULT = re.compile("Function Name: '[^']*' and Function Result: '(.*)'", re.DOTALL)
_FILLER = frozenset({"get", "fetch", "read", "show", "current", "my", "the", "a", "an", "all", "of"})


@dataclass(frozen=True)
class Call:
    """`arguments` is sent unchanged, JSON or not. Without an id, it gets one derived from the request."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True)
class Reply:
    content: str | None
    calls: tuple[Call, ...] = ()
    finish_reason: str | None = None
    """None: `tool_calls` with calls, else `stop`."""


def call(name: str, arguments: Mapping[str, Any] | str, call_id: str | None = None) -> Call:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call(name, text, call_id)


def reply(body: Mapping[str, Any], model: str) -> Reply:
    """The answer to a checked request."""
    messages: list[dict[str, Any]] = body["messages"]
    tools: list[dict[str, Any]] = body.get("tools") or []
    results = _last_tool_results(messages)
    if results:
        return Reply("\n".join(results))
    last = messages[-1]
    text = text_of(last.get("content")) if last["role"] in {"user", "developer", "system"} else ""
    function = _called_function(text, tools, body.get("tool_choice", "auto"))
    if function is not None:
        return Reply(None, (call(function["name"], _arguments(text, function)),))
    return Reply(_echo(text, messages, tools, model))


def _last_tool_results(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    last = takewhile(lambda message: message["role"] == "tool", reversed(messages))
    return [_plain_result(text_of(message.get("content"))) for message in last][::-1]


def _plain_result(content: str) -> str:
    """The result alone, as a model would repeat it; the extension wraps it (AssistantService.cs)."""
    match = _WRAPPED_RESULT.fullmatch(content)
    if match is None:
        return content
    try:
        value = json.loads(match[1])
    except ValueError:
        return match[1]
    return value if isinstance(value, str) else match[1]


def _echo(
    text: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], model: str
) -> str:
    echo = text if len(text) <= _MAX_ECHO else text[:_MAX_ECHO] + "…"
    turn = sum(message["role"] == "user" for message in messages)
    lines = [f"This is local Azure's stand-in for {model}: no model runs.", f"Message {turn}: {echo}"]
    if tools:
        words = [" ".join(_words(tool["function"]["name"])) for tool in tools]
        lines.append("A message with the words of a tool's name calls the tool: " + "; ".join(words) + ".")
    return "\n".join(lines)


def _called_function(
    text: str, tools: Sequence[Mapping[str, Any]], choice: object
) -> Mapping[str, Any] | None:
    functions: list[dict[str, Any]] = [tool["function"] for tool in tools]
    if choice == "none" or not functions:
        return None
    if isinstance(choice, dict):
        named = cast("dict[str, Any]", choice)["function"]["name"]
        return next(function for function in functions if function["name"] == named)
    message_words = _stems(re.findall(r"[^\W_]+", re.sub(r"\bto[- ]do", "todo", text.lower())))
    best, most = (functions[0] if choice == "required" else None), 0
    for function in functions:
        words = _stems(_words(function["name"]))
        required = words - _FILLER or words
        matches = len(words & message_words)
        if required <= message_words and matches > most:
            best, most = function, matches
    return best


def _words(name: str) -> list[str]:
    """`AddTodo`, `add_todo` and `add-todo` are add and todo."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).replace("To Do", "Todo")
    return [word.lower() for word in re.findall(r"[^\W_]+", spaced)]


def _stems(words: Sequence[str]) -> set[str]:
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words}


def _arguments(message: str, function: Mapping[str, Any]) -> dict[str, Any]:
    head, colon, tail = message.partition(":")
    text = (tail if colon else head).strip()
    json_object = _json_object(text)
    if json_object is not None:
        return json_object
    parameters: dict[str, Any] = function.get("parameters") or {}
    properties: dict[str, Any] = parameters.get("properties") or {}
    required: list[str] = parameters.get("required") or list(properties)[:1]
    arguments: dict[str, Any] = {}
    for name in required:
        schema = properties.get(name)
        arguments[name] = _value(text, cast("dict[str, Any]", schema) if isinstance(schema, dict) else {})
        if isinstance(arguments[name], str):
            text = ""  # only the first string gets the text
    return arguments


def _value(text: str, schema: Mapping[str, Any]) -> object:
    kinds: object = schema.get("type")
    kind = next(iter(cast("list[object]", kinds)), None) if isinstance(kinds, list) else kinds
    choices = choices_of(schema)
    if choices:
        return next((choice for choice in choices if str(choice).lower() in text.lower()), choices[0])
    if kind in ("integer", "number"):
        number = re.search(r"-?\d+(\.\d+)?", text)
        value = float(number[0]) if number else 0.0
        return int(value) if kind == "integer" or value.is_integer() else value
    if kind == "boolean":
        return True
    if kind == "array":
        return [part.strip() for part in text.split(",") if part.strip()]
    return {} if kind == "object" else text


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        content: object = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None
