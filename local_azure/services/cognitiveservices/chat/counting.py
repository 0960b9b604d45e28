"""Counts tokens as OpenAI's cookbook does in "How to count tokens with tiktoken", with o200k_base.

Every model that local Azure deploys from gpt-4o to gpt-4.1 uses that encoding; that the 5.x models do is
what tiktoken says of gpt-5, and inferred for later ones. Counted are: 3 tokens for each message, its role,
text and name (1 more), 3 for the begun answer, and tools by the cookbook's figures for gpt-4o. These agree
with the service's own counts for the cookbook's examples. Nothing is published for tool calls in messages:
here each is 3 tokens with its name and arguments. Reasoning is not counted: the stand-in does none.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast

_PER_MESSAGE, _PER_NAME, _ANSWER = 3, 1, 3
_PER_CALL = 3
_FUNCTION, _PROPERTIES, _PROPERTY, _ENUM, _ENUM_VALUE, _FUNCTIONS = 7, 3, 3, -3, 3, 12

_PIECE = 50_000
"""Characters counted at once: the library refuses a text of more than 200,000 tokens."""


class Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...


@cache
def o200k_base() -> Encoding:
    """Takes half a second and 100 MB the first time, so it is loaded with the first request."""
    import bpe_openai  # noqa: PLC0415

    return bpe_openai.get_encoding("o200k_base")


def tokens_of(text: str, encoding: Encoding) -> int:
    """Exact to one token for each 50,000 characters."""
    return sum(
        len(encoding.encode_ordinary(text[start : start + _PIECE])) for start in range(0, len(text), _PIECE)
    )


def prompt_tokens(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], encoding: Encoding
) -> int:
    total = _ANSWER + sum(_of_message(message, encoding) for message in messages)
    if tools:
        total += _FUNCTIONS + sum(_of_tool(tool["function"], encoding) for tool in tools)
    return total


def answer_tokens(content: str | None, calls: Sequence[Mapping[str, Any]], encoding: Encoding) -> int:
    return tokens_of(content or "", encoding) + _of_calls(calls, encoding)


def text_of(content: object) -> str:
    """The text of a message's `content`: a string, null, or parts with a text."""
    if isinstance(content, list):
        return "".join(part["text"] for part in cast("list[dict[str, str]]", content))
    return content if isinstance(content, str) else ""


def truncate(text: str, tokens: int, encoding: Encoding) -> str | None:
    """The text's first tokens, or None when it has no more than those."""
    encoded = encoding.encode_ordinary(text[: _PIECE * 2])
    return encoding.decode(encoded[:tokens]) if len(encoded) > tokens else None


def _of_message(message: Mapping[str, Any], encoding: Encoding) -> int:
    total = _PER_MESSAGE + tokens_of(message["role"], encoding)
    total += tokens_of(text_of(message.get("content")), encoding)
    if message.get("name"):
        total += _PER_NAME + tokens_of(message["name"], encoding)
    return total + _of_calls(message.get("tool_calls") or (), encoding)


def _of_calls(calls: Sequence[Mapping[str, Any]], encoding: Encoding) -> int:
    return sum(
        _PER_CALL + tokens_of(call["function"]["name"] + call["function"]["arguments"], encoding)
        for call in calls
    )


def _of_tool(function: Mapping[str, Any], encoding: Encoding) -> int:
    line = f"{function['name']}:{_description(function)}"
    total = _FUNCTION + tokens_of(line, encoding)
    parameters: dict[str, Any] = function.get("parameters") or {}
    properties: dict[str, Any] = parameters.get("properties") or {}
    if properties:
        total += _PROPERTIES
    for name, definition in properties.items():
        schema = cast("dict[str, Any]", definition) if isinstance(definition, dict) else {}
        total += _PROPERTY + tokens_of(f"{name}:{schema.get('type', '')}:{_description(schema)}", encoding)
        choices: object = schema.get("enum")
        if isinstance(choices, list):  # the service checks no more of a schema than local Azure does
            texts = map(str, cast("list[object]", choices))
            total += _ENUM + sum(tokens_of(text, encoding) + _ENUM_VALUE for text in texts)
    return total


def _description(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description") or "").removesuffix(".")
