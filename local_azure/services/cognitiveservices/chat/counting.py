"""Counts tokens as OpenAI's cookbook does in "How to count tokens with tiktoken", with o200k_base.

Every model that local Azure deploys from gpt-4o to gpt-4.1 uses that encoding; that the 5.x models do is
what tiktoken says of gpt-5, and inferred for later ones. Counted are: 3 tokens for each message, its role,
text and name (1 more), and 3 for the begun answer, which agrees with the service's own count for the
cookbook's example. Estimates are: 3 tokens for each tool call with its name and arguments, and the JSON of
the tools. Reasoning is not counted: the stand-in does none.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast

_PER_MESSAGE, _PER_NAME, _PER_CALL, _ANSWER = 3, 1, 3, 3

_PIECE = 50_000
"""Characters counted at once: the library refuses a text of more than 200,000 tokens."""


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...


@cache
def _o200k_base() -> _Encoding:
    """Takes half a second and 100 MB the first time, so it is loaded with the first request."""
    import bpe_openai  # noqa: PLC0415

    return bpe_openai.get_encoding("o200k_base")


def tokens_of(text: str) -> int:
    """Exact to one token for each 50,000 characters."""
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return sum(len(_o200k_base().encode_ordinary(piece)) for piece in pieces)


def prompt_tokens(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    total = _ANSWER + (tokens_of(json.dumps(tools)) if tools else 0)
    for message in messages:
        total += _PER_MESSAGE + tokens_of(message["role"]) + tokens_of(text_of(message.get("content")))
        total += call_tokens(message.get("tool_calls") or ())
        if message.get("name"):
            total += _PER_NAME + tokens_of(message["name"])
    return total


def call_tokens(calls: Sequence[Mapping[str, Any]]) -> int:
    return sum(
        _PER_CALL + tokens_of(call["function"]["name"] + call["function"]["arguments"]) for call in calls
    )


def text_of(content: object) -> str:
    """The text of a message's `content`: a string, null, or parts with a text."""
    if isinstance(content, list):
        return "".join(part["text"] for part in cast("list[dict[str, str]]", content))
    return content if isinstance(content, str) else ""


def truncate(text: str, tokens: int) -> str | None:
    """The text's first tokens, or None when it has no more than those."""
    encoded = _o200k_base().encode_ordinary(text[: _PIECE * 2])
    return _o200k_base().decode(encoded[:tokens]) if len(encoded) > tokens else None
