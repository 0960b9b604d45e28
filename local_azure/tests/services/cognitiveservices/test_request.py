import re
from contextlib import nullcontext
from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.errors import RequestError
from local_azure.services.cognitiveservices.chat.request import check, check_length, parse
from local_azure.services.cognitiveservices.models import MODELS, Chat

(REASONING,) = (model.chat for model in MODELS if model.name == "gpt-5.4-mini")
(PLAIN,) = (model.chat for model in MODELS if model.name == "gpt-4.1-mini")
USER = {"role": "user", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "Add", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "x", "tool_call_id": "c1"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "Add", "parameters": SCHEMA}}
EMPTY: list[Any] = []


def message(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hello", **members}]}


def called(**changes: Any) -> dict[str, Any]:
    return {"messages": [{**CALLED, "tool_calls": [{**CALL, **changes}]}]}


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function}]}


def schema(**parameters: Any) -> dict[str, Any]:
    return tool(name="a", parameters={**SCHEMA, **parameters})


def error_of(body: dict[str, Any], chat: Chat = REASONING) -> Any:
    with pytest.raises(RequestError) as caught:
        check(body, chat)
    assert caught.value.response.status == 400
    assert caught.value.response.error["type"] == "invalid_request_error"
    return caught.value.response.error


@pytest.mark.parametrize(
    ("chat", "members", "limit"),
    [
        (REASONING, {"tools": [TOOL], "model": "chat", "stream": False, "metadata": None}, None),
        (REASONING, {**tool(name="a", parameters={}), "temperature": 1}, None),
        (REASONING, message(content=[{"type": "text", "text": "x"}]), None),
        (REASONING, message(name=None), None),
        (REASONING, {"messages": [USER] * 2048, "max_completion_tokens": 128_000}, 128_000),
        (PLAIN, {"max_tokens": 1, "temperature": 0.5, "top_p": 0.5, "frequency_penalty": -2}, 1),
        (
            PLAIN,
            {
                "messages": [
                    USER,
                    {**CALLED, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
                    {**RESULT, "tool_call_id": "c2"},
                    RESULT,
                    USER,
                ]
            },
            None,
        ),
    ],
)
def test_what_the_service_takes_is_taken(chat: Chat, members: dict[str, Any], limit: int | None) -> None:
    assert check({"messages": [USER], **members}, chat) == limit


@pytest.mark.parametrize(
    ("members", "message", "param", "code"),
    [
        (
            {"max_tokens": 100},
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
        (
            {"temperature": 0.5},
            "Unsupported value: 'temperature' does not support 0.5 with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
        (
            {"top_p": 0.5},
            "Unsupported parameter: 'top_p' is not supported with this model.",
            "top_p",
            "unsupported_parameter",
        ),
        (
            {"topP": 1, "frequencyPenalty": 0},
            "Unrecognized request arguments supplied: topP, frequencyPenalty",
            None,
            None,
        ),
        (
            {"max_completion_tokens": 128_001},
            "max_completion_tokens is too large: 128001. This model supports at most 128000 completion "
            "tokens, whereas you provided 128001.",
            "max_completion_tokens",
            "invalid_value",
        ),
        *(
            (
                {"messages": messages},
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: c1",
                "messages.[2].role",
                None,
            )
            for messages in ([USER, CALLED, USER], [USER, CALLED])
        ),
        (
            {"messages": [USER, RESULT]},
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
            "'tool_calls'.",
            "messages.[1].role",
            None,
        ),
        (
            {"messages": [USER, CALLED, {**RESULT, "tool_call_id": "other"}]},
            "Invalid parameter: 'tool_call_id' of 'other' not found in 'tool_calls' of previous message.",
            "messages.[2].tool_call_id",
            None,
        ),
        (
            schema(type="string"),
            "Invalid schema for function 'a': "
            "tools[0].function.parameters.type breaks the rule const: object.",
            "tools[0].function.parameters.type",
            "invalid_function_parameters",
        ),
        (
            message(role="robot"),
            "Invalid 'messages[0].role': "
            "it breaks the rule enum: ['system', 'developer', 'user', 'assistant', 'tool'].",
            "messages[0].role",
            "invalid_value",
        ),
    ],
)
def test_a_request_is_rejected_with_the_reason(
    members: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    error = error_of({"messages": [USER], **members})
    assert (error["message"], error["param"], error["code"]) == (message, param, code)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        (message(role=None), "messages[0].role"),
        (message(content=None), "messages[0].content"),
        (message(content=5), "messages[0].content"),
        (message(content=[{"type": "file"}]), "messages[0].content[0].text"),
        (message(content=[{"type": "file", "text": ""}]), "messages[0].content[0].type"),
        (message(name="a b"), "messages[0].name"),
        (message(tool_calls=[CALL]), "messages[0].role"),
        ({"messages": [{**CALLED, "tool_calls": []}]}, "messages[0].tool_calls"),
        (called(id=5), "messages[0].tool_calls[0].id"),
        (called(type="x"), "messages[0].tool_calls[0].type"),
        (called(function=None), "messages[0].tool_calls[0].function"),
        (called(function={"name": "x"}), "messages[0].tool_calls[0].function.arguments"),
        (called(function={"name": "x", "arguments": 5}), "messages[0].tool_calls[0].function.arguments"),
        (called(function={"name": 5, "arguments": ""}), "messages[0].tool_calls[0].function.name"),
        ({"messages": [CALLED, {**RESULT, "tool_call_id": 5}]}, "messages[1].tool_call_id"),
        ({"messages": EMPTY}, "messages"),
        ({"messages": [USER] * 2049}, "messages"),
        ({"tools": EMPTY}, "tools"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": [{"type": "x", "function": 5}]}, "tools[0].type"),
        (tool(), "tools[0].function.name"),
        (tool(name="a" * 65), "tools[0].function.name"),
        (tool(name="a\n"), "tools[0].function.name"),
        (tool(name="a", description=5), "tools[0].function.description"),
        (schema(properties={"x": 5}), "tools[0].function.parameters.properties.x"),
        (schema(required=[5]), "tools[0].function.parameters.required[0]"),
        (tool(name="a", parameters={"properties": {}}), "tools[0].function.parameters"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_member_is_named(members: dict[str, Any], param: str) -> None:
    assert error_of({"messages": [USER], **members}, PLAIN)["param"] == param


def test_a_missing_member_is_named() -> None:
    error = error_of({})
    assert (error["message"], error["param"]) == ("Missing required parameter: 'messages'.", "messages")
    assert error["code"] == "missing_required_parameter"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_not_a_json_object_is_rejected(content: bytes) -> None:
    with pytest.raises(RequestError, match="could not parse the JSON body"):
        parse(content)


@pytest.mark.parametrize(
    ("chat", "prompt", "max_tokens", "problem"),
    [
        (REASONING, 272_000, 128_000, None),
        (REASONING, 272_001, None, "limit of 272000 tokens. Your messages resulted in 272001 tokens."),
        (PLAIN, 1_047_576, None, None),
        (PLAIN, 1_047_577, None, "1047576 tokens. However, you requested 1047577 tokens (1047577 in"),
        (PLAIN, 1_047_476, 100, None),
        (PLAIN, 1_047_477, 100, "1047576 tokens. However, you requested 1047577 tokens (1047477 in"),
    ],
)
def test_a_prompt_longer_than_the_context_is_rejected_with_both_numbers(
    chat: Chat, prompt: int, max_tokens: int | None, problem: str | None
) -> None:
    expected = pytest.raises(RequestError, match=re.escape(problem)) if problem else nullcontext()
    with expected:
        check_length(prompt, max_tokens, chat)
