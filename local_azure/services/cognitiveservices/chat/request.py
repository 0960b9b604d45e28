"""Checks the body of a chat request as the service does; the first problem is the response.

The texts are those of the service where people quote them (Azure/azure-sdk-for-net#41892, sdcb/chats#132,
quarkiverse/quarkus-langchain4j#285, gabrii/Cursor-Azure-GPT-5#33 and others).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.errors import (
    RequestError,
    invalid_request,
    not_supported_by_stand_in,
)
from local_azure.services.cognitiveservices.models import Chat

_UNSUPPORTED = {
    "audio": "speak",
    "data_sources": "search your data",
    "functions": "call the old `functions`; offer `tools`",
    "function_call": "call the old `functions`; offer `tools`",
}
# Docs: Azure OpenAI reasoning models, "Not Supported".
_SAMPLING = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_CONVERSATION = ("messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "modalities")
_GENERATION = ("max_tokens", "max_completion_tokens", "n", "stop", "seed", "temperature", "reasoning_effort")
_SERVICE = ("store", "metadata", "user", "service_tier", "prompt_cache_key", "safety_identifier")
_OTHER = ("model", "stream", "stream_options", "prediction", "verbosity")
# Docs: Azure OpenAI REST API reference, "Create chat completion"; api-version 2024-10-21 and later previews.
_MEMBERS = frozenset({*_UNSUPPORTED, *_SAMPLING, *_CONVERSATION, *_GENERATION, *_SERVICE, *_OTHER})
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_NAME = "^[a-zA-Z0-9_-]+$"
_MAX_MESSAGES, _MAX_TOOLS, _MAX_CHOICES = 2048, 128, 128
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),  # before int, whose subclass it is
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


@dataclass(frozen=True)
class ChatRequest:
    body: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    max_tokens: int | None
    """Of `max_completion_tokens` or `max_tokens`."""
    choices: int
    stream: bool


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


def check(body: Mapping[str, Any], chat: Chat) -> ChatRequest:
    """The request, or RequestError with the service's 400."""
    unknown = [name for name in body if name not in _MEMBERS]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid_request(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}", None)
    for name, feature in _UNSUPPORTED.items():
        if body.get(name) is not None:
            raise not_supported_by_stand_in(feature, name)
    messages = _objects(body, "messages", _MAX_MESSAGES)
    if messages is None:
        raise _missing("messages")
    for number, message in enumerate(messages):
        _check_message(message, number)
    _check_tool_messages(messages)
    tools = _objects(body, "tools", _MAX_TOOLS) or []
    for number, tool in enumerate(tools):
        _check_tool(tool, f"tools[{number}]")
    _check_tool_choice(body, tools)
    max_tokens = _max_tokens(body, chat)
    _check_sampling(body, chat)
    choices = _number(body, "n", 1, _MAX_CHOICES, integer=True) or 1
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _wrong_type("stream", "a boolean", stream)
    return ChatRequest(body, messages, tools, max_tokens, int(choices), bool(stream))


def check_length(prompt: int, max_tokens: int | None, chat: Chat) -> None:
    """Raises RequestError for a prompt, or a prompt with its `max_tokens`, longer than the model's context.

    Numbers are in tokens.
    """
    if chat.efforts:
        too_long = prompt > chat.prompt
        text = (
            f"Input tokens exceed the configured limit of {chat.prompt} tokens. Your messages resulted in "
            f"{prompt} tokens. Please reduce the length of the messages."
        )
    elif max_tokens is None or prompt > chat.context:
        too_long = prompt > chat.context
        text = (
            f"This model's maximum context length is {chat.context} tokens. However, your messages resulted "
            f"in {prompt} tokens. Please reduce the length of the messages."
        )
    else:
        too_long = prompt + max_tokens > chat.context
        text = (
            f"This model's maximum context length is {chat.context} tokens. However, you requested "
            f"{prompt + max_tokens} tokens ({prompt} in the messages, {max_tokens} in the completion). "
            "Please reduce the length of the messages or completion."
        )
    if too_long:
        raise invalid_request(text, "messages", "context_length_exceeded")


def _check_message(message: Mapping[str, Any], number: int) -> None:
    path = f"messages[{number}]"
    role = message.get("role")
    if role is None:
        raise _missing(f"{path}.role")
    if role not in _ROLES:
        raise _wrong_value(role, f"{', '.join(map(repr, _ROLES[:-1]))}, and {_ROLES[-1]!r}", f"{path}.role")
    if role == "function":
        raise not_supported_by_stand_in(_UNSUPPORTED["functions"], f"{path}.role")
    if message.get("name") is not None:
        _check_name(message["name"], f"{path}.name")
    calls = message.get("tool_calls")
    if calls is not None:
        if role != "assistant":
            parameter = f"{path}.tool_calls"
            raise invalid_request(f"Unknown parameter: '{parameter}'.", parameter, "unknown_parameter")
        for index, call in enumerate(_objects(message, "tool_calls", _MAX_TOOLS, path) or []):
            _check_call(call, f"{path}.tool_calls[{index}]")
    _check_content(message.get("content"), number, optional=calls is not None)


def _check_content(content: object, number: int, *, optional: bool) -> None:
    if content is None and not optional:
        raise invalid_request(
            "Invalid value for 'content': expected a string, got null.", f"messages.[{number}].content"
        )
    if content is None or isinstance(content, str):
        return
    path = f"messages[{number}].content"
    if not isinstance(content, list):
        raise _wrong_type(path, "one of a string or array of objects", content)
    for index, part in enumerate(cast("list[object]", content)):
        kind = _object(part).get("type")
        if kind in ("image_url", "input_audio", "file"):
            raise not_supported_by_stand_in(f"take message parts of the type '{kind}'", f"{path}[{index}]")
        if kind not in ("text", "refusal"):
            supported = "'text', 'image_url', 'input_audio', 'refusal', and 'file'"
            raise _wrong_value(kind, supported, f"{path}[{index}].type")
        text = _object(part).get(kind)
        if not isinstance(text, str):
            raise _wrong_type(f"{path}[{index}].{kind}", "a string", text)


def _check_call(call: Mapping[str, Any], path: str) -> None:
    function = _object(call.get("function"))
    if not isinstance(call.get("id"), str):
        raise _missing(f"{path}.id")
    if call.get("type") != "function":
        raise _wrong_value(call.get("type"), "'function'", f"{path}.type")
    if not isinstance(call.get("function"), dict):
        raise _missing(f"{path}.function")
    for member in ("name", "arguments"):
        value = function.get(member)
        if value is None:
            raise _missing(f"{path}.function.{member}")
        if not isinstance(value, str):
            raise _wrong_type(f"{path}.function.{member}", "a string", value)


def _check_tool_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each tool call has a tool message right behind it, each tool message belongs to a call."""
    pending: list[str] = []
    called: set[str] = set()
    end: Mapping[str, Any] = {"role": "end"}
    for number, message in enumerate([*messages, end]):
        path = f"messages.[{number}]"
        if message["role"] == "tool":
            _check_tool_message(message, called, path)
            if message["tool_call_id"] in pending:
                pending.remove(message["tool_call_id"])
            continue
        if pending:
            raise invalid_request(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                + ", ".join(pending),
                f"{path}.role",
            )
        pending = [call["id"] for call in message.get("tool_calls") or ()]
        called = set(pending)


def _check_tool_message(message: Mapping[str, Any], called: set[str], path: str) -> None:
    if not called:
        raise invalid_request(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
            "'tool_calls'.",
            f"{path}.role",
        )
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        raise invalid_request(
            "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
            f"{path}.tool_call_id",
        )
    if call_id not in called:
        raise invalid_request(
            f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous "
            "message.",
            f"{path}.tool_call_id",
        )


def _check_tool(tool: Mapping[str, Any], path: str) -> None:
    if tool.get("type") is None:
        raise _missing(f"{path}.type")
    if tool["type"] != "function":
        raise _wrong_value(tool["type"], "'function' and 'custom'", f"{path}.type")
    if tool.get("function") is None:
        raise _missing(f"{path}.function")
    if not isinstance(tool["function"], dict):
        raise _wrong_type(f"{path}.function", "an object", tool["function"])
    function = _object(tool.get("function"))
    if function.get("name") is None:
        raise _missing(f"{path}.function.name")
    _check_name(function["name"], f"{path}.function.name")
    if function.get("description") is not None and not isinstance(function["description"], str):
        raise _wrong_type(f"{path}.function.description", "a string", function["description"])
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise _wrong_type(f"{path}.function.parameters", "an object", parameters)
    problem = _schema_problem(_object(function.get("parameters"))) if parameters else None
    if problem:
        raise invalid_request(
            f"Invalid schema for function '{function['name']}': {problem}.",
            f"{path}.function.parameters",
            "invalid_function_parameters",
        )


def _schema_problem(schema: Mapping[str, Any]) -> str | None:
    kind = schema.get("type")
    if kind != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'"
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return f"{properties!r} is not of type 'object'"
    for value in cast("dict[str, object]", properties).values():
        if not isinstance(value, dict | bool):
            return f"{value!r} is not of type 'object', 'boolean'"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(
        isinstance(name, str) for name in cast("list[object]", required)
    ):
        return f"{required!r} is not of type 'array'"
    return None


def _check_tool_choice(body: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> None:
    for member in ("tool_choice", "parallel_tool_calls"):
        if body.get(member) is not None and not tools:
            text = f"'{member}' is only allowed when 'tools' are specified."
            raise invalid_request(f"Invalid value for '{member}': {text}", member)
    choice = body.get("tool_choice")
    if choice is None or choice in ("none", "auto", "required"):
        return
    if not isinstance(choice, dict):
        raise _wrong_value(choice, "'none', 'auto', and 'required'", "tool_choice")
    name = _object(_object(body.get("tool_choice")).get("function")).get("name")
    if name not in [tool["function"]["name"] for tool in tools]:
        raise invalid_request(
            f"Invalid value for 'tool_choice': the function '{name}' is not in 'tools'.", "tool_choice"
        )


def _max_tokens(body: Mapping[str, Any], chat: Chat) -> int | None:
    if chat.efforts and body.get("max_tokens") is not None:
        raise invalid_request(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    max_tokens: int | None = None
    for member in ("max_tokens", "max_completion_tokens"):
        value = _number(body, member, 1, None, integer=True)
        if value is None:
            continue
        if max_tokens is not None:
            raise invalid_request(
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                "max_tokens",
                "invalid_parameter_combination",
            )
        if value > chat.answer:
            raise invalid_request(
                f"{member} is too large: {value}. This model supports at most {chat.answer} completion "
                f"tokens, whereas you provided {value}.",
                member,
                "invalid_value",
            )
        max_tokens = int(value)
    return max_tokens


def _check_sampling(body: Mapping[str, Any], chat: Chat) -> None:
    effort = body.get("reasoning_effort")
    if effort is not None and not chat.efforts:
        raise invalid_request("Unrecognized request argument supplied: reasoning_effort", None)
    if effort is not None and effort not in chat.efforts:
        raise invalid_request(
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
            f"Supported values are: {', '.join(map(repr, chat.efforts))}.",
            "reasoning_effort",
            "unsupported_value",
        )
    temperature = _number(body, "temperature", 0, 2)
    _number(body, "top_p", 0, 1)
    _number(body, "presence_penalty", -2, 2)
    _number(body, "frequency_penalty", -2, 2)
    if not chat.efforts or effort == "none":
        return
    if temperature is not None and temperature != 1:
        raise invalid_request(
            f"Unsupported value: 'temperature' does not support {temperature:g} with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    for member in _SAMPLING:
        if body.get(member) is not None:
            text = f"Unsupported parameter: '{member}' is not supported with this model."
            raise invalid_request(text, member, "unsupported_parameter")


def _check_name(name: object, path: str) -> None:
    if not isinstance(name, str):
        raise _wrong_type(path, "a string", name)
    if not re.fullmatch(_NAME[1:-1], name):
        raise invalid_request(
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern "
            f"'{_NAME}'.",
            path,
            "invalid_value",
        )
    if len(name) > 64:
        raise invalid_request(
            f"Invalid '{path}': string too long. Expected a string with maximum length 64, but got a "
            f"string with length {len(name)} instead.",
            path,
            "string_above_max_length",
        )


def _objects(
    body: Mapping[str, Any], member: str, max_length: int, parent: str = ""
) -> list[Mapping[str, Any]] | None:
    value, path = body.get(member), f"{parent}.{member}" if parent else member
    if value is None:
        return None
    if not isinstance(value, list):
        raise _wrong_type(path, "an array of objects", value)
    elements = cast("list[Any]", value)
    if not elements:
        raise invalid_request(
            f"Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead.",
            path,
            "empty_array",
        )
    if len(elements) > max_length:
        raise invalid_request(
            f"Invalid '{path}': array too long. Expected an array with maximum length {max_length}, but got "
            f"an array with length {len(elements)} instead.",
            path,
            "array_above_max_length",
        )
    for number, element in enumerate(elements):
        if not isinstance(element, dict):
            raise _wrong_type(f"{path}[{number}]", "an object", element)
    return elements


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _number(
    body: Mapping[str, Any], member: str, minimum: float, maximum: float | None, *, integer: bool = False
) -> float | None:
    value, kind = body.get(member), "integer" if integer else "decimal"
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        raise _wrong_type(member, "an integer" if integer else "a decimal", value)
    if value < minimum:
        problem, sign, limit, code = "below minimum", ">=", minimum, "below_min"
    elif maximum is not None and value > maximum:
        problem, sign, limit, code = "above maximum", "<=", maximum, "above_max"
    else:
        return value
    raise invalid_request(
        f"Invalid '{member}': {kind} {problem} value. Expected a value {sign} {limit:g}, "
        f"but got {value} instead.",
        member,
        f"{kind}_{code}_value",
    )


def _missing(path: str) -> RequestError:
    return invalid_request(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def _wrong_value(value: object, supported: str, path: str) -> RequestError:
    text = f"Invalid value: '{value}'. Supported values are: {supported}."
    return invalid_request(text, path, "invalid_value")


def _wrong_type(path: str, expected: str, value: object) -> RequestError:
    actual = next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")
    text = f"Invalid type for '{path}': expected {expected}, but got {actual} instead."
    return invalid_request(text, path, "invalid_type")
