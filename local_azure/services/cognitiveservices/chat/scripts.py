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

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.errors import ErrorResponse
from local_azure.services.cognitiveservices.chat.replies import Reply, call

_TEXT = {"type": "string"}
_CALL = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": _TEXT, "arguments": {"type": ["object", "string"]}, "id": _TEXT},
}
_STEP = {
    "type": "object",
    "properties": {
        "text": _TEXT,
        "toolCalls": {"type": "array", "items": _CALL},
        "finishReason": {"enum": ["stop", "length", "tool_calls", "content_filter"]},
        "error": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "integer", "minimum": 400, "maximum": 599}},
        },
        "headers": {
            "type": "object",
            "propertyNames": {
                "pattern": r"(?i)^(?!(connection|content-length|content-type|transfer-encoding)$)"
                r"[a-z0-9!#$%&'*+.^_`|~-]+\Z"
            },
            "additionalProperties": {"type": "string", "pattern": r"^[\x20-\x7e]*\Z"},
        },
        "delaySeconds": {"type": "number", "minimum": 0, "maximum": 300},
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["error"]}, {"anyOf": [{"required": ["text"]}, {"required": ["toolCalls"]}]}],
}


class ScriptError(ValueError):
    """All problems of a script, one a line."""


@dataclass(frozen=True)
class Step:
    answer: Reply | ErrorResponse
    delay: float = 0.0
    """Seconds."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 # the daemon starts without it

    return Draft202012Validator({"type": "array", "items": _STEP})


def parse(content: object) -> list[Step]:
    """The steps of a script's JSON value. Raises ScriptError."""
    problems = [_problem(list(error.absolute_path), error) for error in _validator().iter_errors(content)]
    if problems:
        raise ScriptError("\n".join(problems))
    return [
        Step(_answer(step), step.get("delaySeconds", 0), step.get("headers", {}))
        for step in cast("list[dict[str, Any]]", content)
    ]


def _problem(places: list[str | int], error: Any) -> str:
    if not places:
        return "a script is a JSON list of steps."
    if error.validator == "oneOf":
        return f"step {int(places[0]) + 1} has either `error`, or `text` or `toolCalls` or both of these."
    names = (f"step {int(places[0]) + 1}", *map(str, places[1:]))
    return f"{': '.join(names)}: {error.message}."


def _answer(step: Mapping[str, Any]) -> Reply | ErrorResponse:
    if "error" in step:
        status = step["error"]["status"]
        members = {name: value for name, value in step["error"].items() if name != "status"}
        return ErrorResponse(status, {"code": str(status), "message": "An error of a script.", **members})
    calls = (
        call(element["name"], element.get("arguments", {}), element.get("id"))
        for element in step.get("toolCalls", ())
    )
    return Reply(step.get("text"), tuple(calls), step.get("finishReason"))
