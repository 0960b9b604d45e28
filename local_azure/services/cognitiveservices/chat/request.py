"""Checks the body of a chat request as the service does; the first thing that is wrong is the answer.

The texts are those of the service where people quote them (Azure/azure-sdk-for-net#41892, sdcb/chats#132,
quarkiverse/quarkus-langchain4j#285, gabrii/Cursor-Azure-GPT-5#33 and others).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local_azure.services.cognitiveservices.chat.errors import (
    NOT_JSON,
    Refusal,
    RefusedError,
    invalid,
    not_here,
)
from local_azure.services.cognitiveservices.models import Chat

# Docs: Azure OpenAI REST API reference, "Create chat completion"; api-version 2024-10-21 and later previews.
_MEMBERS = frozenset(
    [
        "audio",
        "data_sources",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    ]
)
_ELSEWHERE = {
    "audio": "speak",
    "data_sources": "search your data",
    "functions": "call the old `functions`; offer `tools`",
    "function_call": "call the old `functions`; offer `tools`",
}
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_NAME = "^[a-zA-Z0-9_-]+$"
# Docs: Azure OpenAI reasoning models, "Not Supported".
_SAMPLING = ("top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_MOST_MESSAGES, _MOST_TOOLS, _MOST_CHOICES = 2048, 128, 128


@dataclass(frozen=True)
class ChatRequest:
    body: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    most_tokens: int | None
    """Of `max_completion_tokens` or `max_tokens`."""
    choices: int
    stream: bool


def parse(content: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises RefusedError."""
    try:
        body: object = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RefusedError(NOT_JSON) from error
    if not isinstance(body, dict):
        raise RefusedError(NOT_JSON)
    return cast("dict[str, Any]", body)


def check(body: Mapping[str, Any], chat: Chat) -> ChatRequest:
    """The request, or RefusedError with the service's 400."""
    unknown = [name for name in body if name not in _MEMBERS]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise RefusedError(
            invalid(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}", None, None)
        )
    for name, what in _ELSEWHERE.items():
        if body.get(name) is not None:
            raise RefusedError(not_here(what, name))
    messages = _list(body, "messages", "objects", _MOST_MESSAGES)
    if messages is None:
        raise RefusedError(_missing("messages"))
    for number, message in enumerate(messages):
        _check_message(message, number)
    _check_answers(messages)
    tools = _list(body, "tools", "objects", _MOST_TOOLS) or []
    for number, tool in enumerate(tools):
        _check_tool(tool, f"tools[{number}]")
    _check_choice(body, tools)
    most = _check_limits(body, chat)
    _check_sampling(body, chat)
    choices = _integer(body, "n", 1, _MOST_CHOICES)
    return ChatRequest(body, messages, tools, most, choices or 1, _boolean(body, "stream"))


def check_length(prompt: int, most: int | None, chat: Chat) -> None:
    """Raises RefusedError when the prompt, or it and `max_tokens`, is longer than the model's context."""
    if chat.efforts:
        if prompt <= chat.prompt:
            return
        text = (
            f"Input tokens exceed the configured limit of {chat.prompt} tokens. Your messages resulted in "
            f"{prompt} tokens. Please reduce the length of the messages."
        )
    elif most is None or prompt > chat.context:
        if prompt <= chat.context:
            return
        text = (
            f"This model's maximum context length is {chat.context} tokens. However, your messages resulted "
            f"in {prompt} tokens. Please reduce the length of the messages."
        )
    else:
        if prompt + most <= chat.context:
            return
        text = (
            f"This model's maximum context length is {chat.context} tokens. However, you requested "
            f"{prompt + most} tokens ({prompt} in the messages, {most} in the completion). "
            "Please reduce the length of the messages or completion."
        )
    raise RefusedError(invalid(text, "messages", "context_length_exceeded"))


def _check_message(message: Mapping[str, Any], number: int) -> None:
    at = f"messages[{number}]"
    role = message.get("role")
    if role is None:
        raise RefusedError(_missing(f"{at}.role"))
    if role not in _ROLES:
        raise RefusedError(
            invalid(
                f"Invalid value: '{role}'. Supported values are: "
                f"{', '.join(repr(one) for one in _ROLES[:-1])}, and {_ROLES[-1]!r}.",
                f"{at}.role",
                "invalid_value",
            )
        )
    if role == "function":
        raise RefusedError(not_here("call the old `functions`; offer `tools`", f"{at}.role"))
    name = message.get("name")
    if name is not None:
        _check_name(name, f"{at}.name")
    calls = message.get("tool_calls")
    if calls is not None:
        if role != "assistant":
            raise RefusedError(
                invalid(f"Unknown parameter: '{at}.tool_calls'.", f"{at}.tool_calls", "unknown_parameter")
            )
        for index, one in enumerate(_list(message, "tool_calls", "objects", _MOST_TOOLS, at) or []):
            _check_call(one, f"{at}.tool_calls[{index}]")
    _check_content(message.get("content"), number, optional=calls is not None)


def _check_content(content: object, number: int, *, optional: bool) -> None:
    dotted = f"messages.[{number}].content"
    if content is None and not optional:
        raise RefusedError(invalid("Invalid value for 'content': expected a string, got null.", dotted, None))
    if content is None or isinstance(content, str):
        return
    at = f"messages[{number}].content"
    if not isinstance(content, list):
        raise RefusedError(_type(at, "one of a string or array of objects", content))
    for index, part in enumerate(cast("list[object]", content)):
        kind = cast("dict[str, Any]", part).get("type") if isinstance(part, dict) else None
        if kind in {"image_url", "input_audio", "file"}:
            raise RefusedError(not_here(f"take message parts of the type '{kind}'", f"{at}[{index}]"))
        member = {"text": "text", "refusal": "refusal"}.get(str(kind))
        if member is None:
            raise RefusedError(
                invalid(
                    f"Invalid value: '{kind}'. Supported values are: 'text', 'image_url', 'input_audio', "
                    "'refusal', and 'file'.",
                    f"{at}[{index}].type",
                    "invalid_value",
                )
            )
        text = cast("dict[str, Any]", part).get(member)
        if not isinstance(text, str):
            raise RefusedError(_type(f"{at}[{index}].{member}", "a string", text))


def _check_call(one: Mapping[str, Any], at: str) -> None:
    function = one.get("function")
    if not isinstance(one.get("id"), str):
        raise RefusedError(_missing(f"{at}.id"))
    if one.get("type") != "function":
        raise RefusedError(
            invalid(
                f"Invalid value: '{one.get('type')}'. Supported values are: 'function'.",
                f"{at}.type",
                "invalid_value",
            )
        )
    if not isinstance(function, dict):
        raise RefusedError(_missing(f"{at}.function"))
    for member in ("name", "arguments"):
        value = cast("dict[str, Any]", function).get(member)
        if value is None:
            raise RefusedError(_missing(f"{at}.function.{member}"))
        if not isinstance(value, str):
            raise RefusedError(_type(f"{at}.function.{member}", "a string", value))


def _check_answers(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each tool call is answered by a tool message right behind it, each tool message answers a call."""
    open_calls: list[str] = []
    called: set[str] = set()
    for number, message in enumerate(messages):
        at = f"messages.[{number}]"
        if message["role"] == "tool":
            _check_answer(message, called, at)
            if message["tool_call_id"] in open_calls:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise RefusedError(_unanswered(open_calls, f"{at}.role"))
        open_calls = [one["id"] for one in message.get("tool_calls") or ()]
        called = set(open_calls)
    if open_calls:
        raise RefusedError(_unanswered(open_calls, f"messages.[{len(messages)}].role"))


def _check_answer(message: Mapping[str, Any], called: set[str], at: str) -> None:
    if not called:
        raise RefusedError(
            invalid(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                "with 'tool_calls'.",
                f"{at}.role",
                None,
            )
        )
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        raise RefusedError(
            invalid(
                "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
                f"{at}.tool_call_id",
                None,
            )
        )
    if call_id not in called:
        raise RefusedError(
            invalid(
                f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous "
                "message.",
                f"{at}.tool_call_id",
                None,
            )
        )


def _unanswered(call_ids: Sequence[str], param: str) -> Refusal:
    return invalid(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        "'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(call_ids),
        param,
        None,
    )


def _check_tool(tool: Mapping[str, Any], at: str) -> None:
    if tool.get("type") is None:
        raise RefusedError(_missing(f"{at}.type"))
    if tool["type"] != "function":
        raise RefusedError(
            invalid(
                f"Invalid value: '{tool['type']}'. Supported values are: 'function' and 'custom'.",
                f"{at}.type",
                "invalid_value",
            )
        )
    function = tool.get("function")
    if function is None:
        raise RefusedError(_missing(f"{at}.function"))
    if not isinstance(function, dict):
        raise RefusedError(_type(f"{at}.function", "an object", function))
    given = cast("dict[str, Any]", function)
    if given.get("name") is None:
        raise RefusedError(_missing(f"{at}.function.name"))
    _check_name(given["name"], f"{at}.function.name")
    if given.get("description") is not None and not isinstance(given["description"], str):
        raise RefusedError(_type(f"{at}.function.description", "a string", given["description"]))
    parameters = given.get("parameters")
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise RefusedError(_type(f"{at}.function.parameters", "an object", parameters))
    schema = cast("dict[str, Any]", parameters)
    problem = _schema_problem(schema) if schema else None
    if problem:
        raise RefusedError(
            invalid(
                f"Invalid schema for function '{given['name']}': {problem}.",
                f"{at}.function.parameters",
                "invalid_function_parameters",
            )
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
        isinstance(one, str) for one in cast("list[object]", required)
    ):
        return f"{required!r} is not of type 'array'"
    return None


def _check_choice(body: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> None:
    for member in ("tool_choice", "parallel_tool_calls"):
        if body.get(member) is not None and not tools:
            text = f"'{member}' is only allowed when 'tools' are specified."
            raise RefusedError(invalid(f"Invalid value for '{member}': {text}", member, None))
    choice = body.get("tool_choice")
    if choice is None or choice in ("none", "auto", "required"):
        return
    if not isinstance(choice, dict):
        raise RefusedError(
            invalid(
                f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.",
                "tool_choice",
                "invalid_value",
            )
        )
    function = cast("dict[str, Any]", choice).get("function")
    name = cast("dict[str, Any]", function).get("name") if isinstance(function, dict) else None
    if name not in [tool["function"]["name"] for tool in tools]:
        raise RefusedError(
            invalid(
                f"Invalid value for 'tool_choice': the function '{name}' is not in 'tools'.",
                "tool_choice",
                None,
            )
        )


def _check_limits(body: Mapping[str, Any], chat: Chat) -> int | None:
    if chat.efforts and body.get("max_tokens") is not None:
        raise RefusedError(
            invalid(
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "max_tokens",
                "unsupported_parameter",
            )
        )
    found: int | None = None
    for member in ("max_tokens", "max_completion_tokens"):
        value = _integer(body, member, 1, None)
        if value is None:
            continue
        if found is not None:
            raise RefusedError(
                invalid(
                    "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                    "max_tokens",
                    "invalid_parameter_combination",
                )
            )
        if value > chat.answer:
            raise RefusedError(
                invalid(
                    f"{member} is too large: {value}. This model supports at most {chat.answer} completion "
                    f"tokens, whereas you provided {value}.",
                    member,
                    "invalid_value",
                )
            )
        found = value
    return found


def _check_sampling(body: Mapping[str, Any], chat: Chat) -> None:
    effort = body.get("reasoning_effort")
    if effort is not None and not chat.efforts:
        raise RefusedError(invalid("Unrecognized request argument supplied: reasoning_effort", None, None))
    if effort is not None and effort not in chat.efforts:
        raise RefusedError(
            invalid(
                f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
                f"Supported values are: {', '.join(repr(one) for one in chat.efforts)}.",
                "reasoning_effort",
                "unsupported_value",
            )
        )
    temperature = _decimal(body, "temperature", 0, 2)
    _decimal(body, "top_p", 0, 1)
    _decimal(body, "presence_penalty", -2, 2)
    _decimal(body, "frequency_penalty", -2, 2)
    if not chat.efforts or effort == "none":
        return
    if temperature is not None and temperature != 1:
        raise RefusedError(
            invalid(
                f"Unsupported value: 'temperature' does not support {temperature:g} with this model. "
                "Only the default (1) value is supported.",
                "temperature",
                "unsupported_value",
            )
        )
    for member in _SAMPLING:
        if body.get(member) is not None:
            raise RefusedError(
                invalid(
                    f"Unsupported parameter: '{member}' is not supported with this model.",
                    member,
                    "unsupported_parameter",
                )
            )


def _check_name(name: object, at: str) -> None:
    if not isinstance(name, str):
        raise RefusedError(_type(at, "a string", name))
    if not re.fullmatch(_NAME[1:-1], name):
        raise RefusedError(
            invalid(
                f"Invalid '{at}': string does not match pattern. Expected a string that matches the pattern "
                f"'{_NAME}'.",
                at,
                "invalid_value",
            )
        )
    if len(name) > 64:
        raise RefusedError(
            invalid(
                f"Invalid '{at}': string too long. Expected a string with maximum length 64, but got a "
                f"string with length {len(name)} instead.",
                at,
                "string_above_max_length",
            )
        )


def _list(
    body: Mapping[str, Any], member: str, what: str, most: int, within: str = ""
) -> list[Mapping[str, Any]] | None:
    value, at = body.get(member), f"{within}.{member}" if within else member
    if value is None:
        return None
    if not isinstance(value, list):
        raise RefusedError(_type(at, f"an array of {what}", value))
    items = cast("list[Any]", value)
    if not items:
        raise RefusedError(
            invalid(
                f"Invalid '{at}': empty array. Expected an array with minimum length 1, but got an empty "
                "array instead.",
                at,
                "empty_array",
            )
        )
    if len(items) > most:
        raise RefusedError(
            invalid(
                f"Invalid '{at}': array too long. Expected an array with maximum length {most}, but got an "
                f"array with length {len(items)} instead.",
                at,
                "array_above_max_length",
            )
        )
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise RefusedError(_type(f"{at}[{number}]", "an object", item))
    return items


def _integer(body: Mapping[str, Any], member: str, least: int, most: int | None) -> int | None:
    value = body.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedError(_type(member, "an integer", value))
    return int(_within(member, value, least, most, "integer"))


def _decimal(body: Mapping[str, Any], member: str, least: float, most: float) -> float | None:
    value = body.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(_type(member, "a decimal", value))
    return _within(member, value, least, most, "decimal")


def _within(member: str, value: float, least: float, most: float | None, kind: str) -> float:
    if value < least:
        side, sign, limit = "below minimum", ">=", least
    elif most is not None and value > most:
        side, sign, limit = "above maximum", "<=", most
    else:
        return value
    raise RefusedError(
        invalid(
            f"Invalid '{member}': {kind} {side} value. Expected a value {sign} {limit:g}, "
            f"but got {value} instead.",
            member,
            f"{kind}_{side.replace('minimum', 'min').replace('maximum', 'max').replace(' ', '_')}_value",
        )
    )


def _boolean(body: Mapping[str, Any], member: str) -> bool:
    value = body.get(member)
    if value is not None and not isinstance(value, bool):
        raise RefusedError(_type(member, "a boolean", value))
    return bool(value)


def _missing(at: str) -> Refusal:
    return invalid(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")


def _type(at: str, expected: str, value: object) -> Refusal:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    )
    got = next((name for kind, name in kinds if isinstance(value, kind)), "null")
    return invalid(
        f"Invalid type for '{at}': expected {expected}, but got {got} instead.", at, "invalid_type"
    )


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")
