"""Scripts: exact answers that an account gives in order.

A script is a JSON list of steps; each answers one request that the service would have passed to its model:

    [
      {"text": "Hello."},
      {"toolCalls": [{"name": "AddTodo", "arguments": {"task": "milk"}}]},
      {"toolCalls": [{"name": "AddTodo", "arguments": "{\\"task\\": \\"mil"}], "finishReason": "length"},
      {"error": {"status": 429, "code": "429", "message": "Slow down."}, "headers": {"Retry-After": "1"}},
      {"text": "Late.", "delaySeconds": 2}
    ]

`arguments` as a string is sent unchanged, invalid JSON too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.errors import ErrorResponse
from local_azure.services.cognitiveservices.chat.replies import Call, Reply, call

MAX_STEPS = 1000
MAX_DELAY = 300.0
_MEMBERS = ("text", "toolCalls", "error", "headers", "delaySeconds", "finishReason")
_OWN_HEADERS = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})
_REASONS = ("stop", "length", "tool_calls", "content_filter")


class ScriptError(ValueError):
    """All problems of a script, one a line."""


@dataclass(frozen=True)
class Step:
    answer: Reply | ErrorResponse
    delay: float = 0.0
    """Seconds."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def parse(content: object) -> list[Step]:
    """The steps of a script's JSON value. Raises ScriptError."""
    if not isinstance(content, list):
        raise ScriptError("a script is a JSON list of steps.")
    steps = cast("list[object]", content)
    if len(steps) > MAX_STEPS:
        raise ScriptError(f"a script has at most {MAX_STEPS} steps, this one {len(steps)}.")
    problems: list[str] = []
    parsed = [_step(step, f"step {number}", problems) for number, step in enumerate(steps, 1)]
    if problems:
        raise ScriptError("\n".join(problems))
    return [step for step in parsed if step is not None]


def _step(content: object, name: str, problems: list[str]) -> Step | None:
    before = len(problems)
    if not isinstance(content, dict):
        problems.append(f"{name} is not an object.")
        return None
    step = cast("dict[str, Any]", content)
    unknown = [member for member in step if member not in _MEMBERS]
    problems += [f"{name} has {member!r}; a step has {', '.join(_MEMBERS)}." for member in unknown]
    delay, headers = step.get("delaySeconds", 0), step.get("headers", {})
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= MAX_DELAY:
        problems.append(f"{name}: delaySeconds is {delay!r}; it is a number from 0 to {MAX_DELAY:g}.")
    if not isinstance(headers, dict) or not all(map(_is_header, cast("dict[str, object]", headers).items())):
        problems.append(
            f"{name}: headers is an object of one-line strings, without {', '.join(sorted(_OWN_HEADERS))}."
        )
    if ("error" in step) == ("text" in step or "toolCalls" in step):
        problems.append(f"{name} has either `error`, or `text` or `toolCalls` or both of these.")
        return None
    answer = _error(step["error"], name, problems) if "error" in step else _reply(step, name, problems)
    if answer is None or len(problems) > before:
        return None
    return Step(answer, float(delay), cast("dict[str, str]", headers))


def _is_header(header: tuple[str, object]) -> bool:
    name, value = header
    return (
        re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
        and name.lower() not in _OWN_HEADERS
        and isinstance(value, str)
        and value.isprintable()
        and value.isascii()
    )


def _error(content: object, name: str, problems: list[str]) -> ErrorResponse | None:
    error = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    status = error.get("status")
    if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
        problems.append(f"{name}: error.status is {status!r}; it is a number from 400 to 599.")
        return None
    body = {key: value for key, value in error.items() if key != "status"}
    return ErrorResponse(status, {"code": str(status), "message": "An error of a script.", **body})


def _reply(step: Mapping[str, Any], name: str, problems: list[str]) -> Reply | None:
    text, calls, reason = step.get("text"), step.get("toolCalls", []), step.get("finishReason")
    if text is not None and not isinstance(text, str):
        problems.append(f"{name}: text is not a string.")
    if reason is not None and reason not in _REASONS:
        problems.append(f"{name}: finishReason is {reason!r}; one of {', '.join(_REASONS)}.")
    if not isinstance(calls, list):
        problems.append(f"{name}: toolCalls is not a list.")
        return None
    parsed = [_call(call, name, problems) for call in cast("list[object]", calls)]
    return Reply(text, tuple(call for call in parsed if call is not None), reason)


def _call(content: object, name: str, problems: list[str]) -> Call | None:
    members = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    tool, arguments, call_id = members.get("name"), members.get("arguments", {}), members.get("id")
    if not isinstance(tool, str) or not isinstance(arguments, str | dict):
        problems.append(f"{name}: a tool call has a name, and arguments: an object, or a string sent as is.")
        return None
    if call_id is not None and not isinstance(call_id, str):
        problems.append(f"{name}: a tool call's id is not a string.")
        return None
    return call(tool, cast("dict[str, Any] | str", arguments), call_id)
