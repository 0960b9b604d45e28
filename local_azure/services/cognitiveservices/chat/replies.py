"""The replies of the stand-in model: the first rule that matches; equal requests get equal replies.

| the last message | the answer |
|---|---|
| results of tools | repeats each result |
| a user's, with all words of an offered tool's name in it ("add a todo: buy milk" and AddTodo) | calls it |
| anything else | says that local Azure answers, repeats the message, names the tools it could call |

Words such as "get" or "current" in a tool's name need not be in the message; singular and plural are equal.
Of several tools the one with most words wins, then the first. The text behind the first colon is the
argument (the whole message when there is none): a JSON object unchanged, else the value of the tool's first
required property, or of its first property.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.counting import text_of

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
    functions: list[dict[str, Any]] = [tool["function"] for tool in body.get("tools") or ()]
    results = takewhile(lambda message: message["role"] == "tool", reversed(messages))
    texts = [_plain_result(text_of(message.get("content"))) for message in results]
    if texts:
        return Reply("\n".join(reversed(texts)))
    last = messages[-1]
    text = text_of(last.get("content")) if last["role"] != "assistant" else ""
    function = _called_function(text, functions)
    if function is not None:
        return Reply(None, (call(function["name"], _arguments(text, function)),))
    echo = text if len(text) <= _MAX_ECHO else text[:_MAX_ECHO] + "…"
    turn = sum(message["role"] == "user" for message in messages)
    lines = [f"This is local Azure's stand-in for {model}: no model runs.", f"Message {turn}: {echo}"]
    if functions:
        words = "; ".join(" ".join(_words(function["name"])) for function in functions)
        lines.append(f"A message with the words of a tool's name calls the tool: {words}.")
    return Reply("\n".join(lines))


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


def _called_function(text: str, functions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    message_words = _stems(re.findall(r"[^\W_]+", re.sub(r"\bto[- ]do", "todo", text.lower())))
    best, most = None, 0
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


def _arguments(message: str, function: Mapping[str, Any]) -> Mapping[str, Any]:
    head, colon, tail = message.partition(":")
    text = (tail if colon else head).strip()
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return cast("dict[str, Any]", content)
    parameters: dict[str, Any] = function.get("parameters") or {}
    names = [*parameters.get("required", ()), *parameters.get("properties", ())]
    return dict.fromkeys(names[:1], text)
