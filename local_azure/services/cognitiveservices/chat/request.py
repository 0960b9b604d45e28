"""Checks the body of a chat request as the service does; the first problem is the response.

The texts are those of the service where people quote them (Azure/azure-sdk-for-net#41892, sdcb/chats#132,
quarkiverse/quarkus-langchain4j#285, gabrii/Cursor-Azure-GPT-5#33 and others).
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.errors import RequestError, invalid_request
from local_azure.services.cognitiveservices.models import Chat

# Docs: Azure OpenAI REST API reference, "Create chat completion"; api-version 2024-10-21 and later previews.
_OTHER_MEMBERS = (
    "audio data_sources function_call functions logit_bias logprobs metadata modalities model n "
    "parallel_tool_calls prediction prompt_cache_key reasoning_effort response_format safety_identifier seed "
    "service_tier stop store stream_options tool_choice top_logprobs user verbosity"
)
# Docs: Azure OpenAI reasoning models, "Not Supported".
_SAMPLING = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")

_NAME = {"type": "string", "pattern": r"^[a-zA-Z0-9_-]{1,64}\Z"}
_STRING = {"type": "string"}


def _object(required: Sequence[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "required": required, "properties": properties}


def _number(minimum: float, maximum: float) -> dict[str, object]:
    return {"type": ["number", "null"], "minimum": minimum, "maximum": maximum}


def _is(member: str, rule: object) -> dict[str, object]:
    return {"required": [member], "properties": {member: rule}}


_FUNCTION = {"const": "function"}
_COUNT = {"type": ["integer", "null"], "minimum": 1}
_CALL = _object(
    ("id", "type", "function"),
    id=_STRING,
    type=_FUNCTION,
    function=_object(("name", "arguments"), name=_STRING, arguments=_STRING),
)
_TEXT_PART = _object(("type", "text"), type={"const": "text"}, text=_STRING)
_MESSAGE = {
    **_object(
        ("role",),
        role={"enum": ["system", "developer", "user", "assistant", "tool"]},
        name={"anyOf": [_NAME, {"type": "null"}]},
        content={"type": ["string", "array", "null"], "items": _TEXT_PART},
        tool_calls={"type": ["array", "null"], "minItems": 1, "items": _CALL},
    ),
    "allOf": [
        {
            "if": _is("tool_calls", {"type": "array"}),
            "then": _is("role", {"const": "assistant"}),
            "else": _is("content", {"type": ["string", "array"]}),
        },
        {"if": _is("role", {"const": "tool"}), "then": _is("tool_call_id", _STRING)},
    ],
}
_PARAMETERS = {
    "type": ["object", "null"],
    "if": {"minProperties": 1},
    "then": {"required": ["type"]},
    "properties": {
        "type": {"const": "object"},
        "properties": {"type": "object", "additionalProperties": {"type": ["object", "boolean"]}},
        "required": {"type": "array", "items": _STRING},
    },
}
_TOOL = _object(
    ("type", "function"),
    type=_FUNCTION,
    function=_object(("name",), name=_NAME, description={"type": ["string", "null"]}, parameters=_PARAMETERS),
)
_MEMBERS: Mapping[str, object] = {
    "messages": {"type": "array", "minItems": 1, "maxItems": 2048, "items": _MESSAGE},
    "tools": {"type": ["array", "null"], "minItems": 1, "maxItems": 128, "items": _TOOL},
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), _number(-2, 2)),
    "stream": {"type": ["boolean", "null"]},
    **dict.fromkeys(_OTHER_MEMBERS.split(), True),
}
_CODES = {"required": "missing_required_parameter", "type": "invalid_type"}

_STAND_IN_TAKES: Mapping[str, tuple[object, ...]] = {
    "stream": (None, False),
    "n": (None, 1),
    "tool_choice": (None, "auto"),
    "response_format": (None, {"type": "text"}),
    **dict.fromkeys(("audio", "data_sources", "function_call", "functions"), (None,)),
}
"""The values of members whose other values change the answer of a real model."""


def parse(content: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises RequestError."""
    try:
        body: object = json.loads(content, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise invalid_request(
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, but "
            "what was sent was not valid JSON.",
            None,
        )
    return cast("dict[str, Any]", body)


def _reject_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 # the daemon starts without it

    return Draft202012Validator({**_object(("messages",), **_MEMBERS), "additionalProperties": False})


def check(body: Mapping[str, Any], chat: Chat) -> int | None:
    """The limit of the answer's tokens, if there is one. Raises RequestError with the service's 400."""
    problem = next(_validator().iter_errors(body), None)
    if problem is not None:
        raise _schema_error(body, problem)
    _check_tool_messages(body["messages"])
    if chat.reasoning:
        _check_reasoning(body)
    for member in ("max_tokens", "max_completion_tokens"):
        limit: int | None = body.get(member)
        if limit is not None and limit > chat.answer:
            raise invalid_request(
                f"{member} is too large: {limit}. This model supports at most {chat.answer} completion "
                f"tokens, whereas you provided {limit}.",
                member,
                "invalid_value",
            )
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return None if limit is None else int(limit)


def check_length(prompt: int, max_tokens: int | None, chat: Chat) -> None:
    """Raises RequestError for a prompt, or a prompt with its `max_tokens`, longer than the model's context.

    Numbers are in tokens.
    """
    if chat.reasoning:
        too_long = prompt > chat.prompt
        text = (
            f"Input tokens exceed the configured limit of {chat.prompt} tokens. Your messages resulted in "
            f"{prompt} tokens. Please reduce the length of the messages."
        )
    else:
        requested = prompt + (max_tokens or 0)
        too_long = requested > chat.context
        text = (
            f"This model's maximum context length is {chat.context} tokens. However, you requested "
            f"{requested} tokens ({prompt} in the messages, {max_tokens or 0} in the completion). "
            "Please reduce the length of the messages or completion."
        )
    if too_long:
        raise invalid_request(text, "messages", "context_length_exceeded")


def check_stand_in(body: Mapping[str, Any], *, scripted: bool) -> None:
    """Raises RequestError for what only a real model does; a script may answer all but a stream."""
    for member, values in _STAND_IN_TAKES.items():
        if body.get(member) not in values and (member == "stream" or not scripted):
            raise invalid_request(
                f"Local Azure's stand-in model does not support this value of '{member}'. `python -m "
                "local_azure model use URL` sends requests to a real model, `model script FILE` gives exact "
                "answers.",
                member,
                "local_azure_limit",
            )


def _schema_error(body: Mapping[str, Any], problem: Any) -> RequestError:
    places: list[str | int] = list(problem.absolute_path)
    path = "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places)[1:]
    rule, expected = problem.validator, problem.validator_value
    if rule == "additionalProperties":
        unknown = [name for name in body if name not in _MEMBERS]
        plural = "s" if len(unknown) > 1 else ""
        return invalid_request(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}", None)
    if "parameters" in places:
        name = body["tools"][places[1]]["function"]["name"]
        text = f"Invalid schema for function '{name}': {path} breaks the rule {rule}: {expected}."
        return invalid_request(text, path, "invalid_function_parameters")
    if rule == "required":
        missing = next(name for name in expected if name not in problem.instance)
        path = f"{path}.{missing}".removeprefix(".")
        return invalid_request(f"Missing required parameter: '{path}'.", path, _CODES[rule])
    text = f"Invalid '{path}': it breaks the rule {rule}: {expected}."
    return invalid_request(text, path, _CODES.get(rule, "invalid_value"))


def _check_tool_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each tool call has a tool message right behind it, each tool message belongs to a call."""
    called: set[str] = set()
    unanswered: list[str] = []
    end: Mapping[str, Any] = {"role": "end"}
    for number, message in enumerate([*messages, end]):
        path = f"messages.[{number}].role"
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            if not called:
                raise invalid_request(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    path,
                )
            if call_id not in called:
                raise invalid_request(
                    f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous "
                    "message.",
                    f"messages.[{number}].tool_call_id",
                )
            unanswered = [other for other in unanswered if other != call_id]
            continue
        if unanswered:
            raise invalid_request(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                + ", ".join(unanswered),
                path,
            )
        unanswered = [call["id"] for call in message.get("tool_calls") or ()]
        called = set(unanswered)


def _check_reasoning(body: Mapping[str, Any]) -> None:
    """What only other models take."""
    unsupported = [member for member in ("max_tokens", *_SAMPLING) if body.get(member) is not None]
    if unsupported:
        advice = " Use 'max_completion_tokens' instead." if unsupported[0] == "max_tokens" else ""
        text = f"Unsupported parameter: '{unsupported[0]}' is not supported with this model.{advice}"
        raise invalid_request(text, unsupported[0], "unsupported_parameter")
    temperature = body.get("temperature")
    if temperature not in (None, 1):
        raise invalid_request(
            f"Unsupported value: 'temperature' does not support {temperature:g} with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
