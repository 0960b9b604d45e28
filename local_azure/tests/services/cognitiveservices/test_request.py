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
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "Add", "parameters": {"type": "object"}}}
EMPTY: list[Any] = []


def message(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hello", **members}]}


def part(**members: Any) -> dict[str, Any]:
    return message(content=[members])


def called(**changes: Any) -> dict[str, Any]:
    return {"messages": [{**CALLED, "tool_calls": [{**CALL, **changes}]}]}


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function}]}


def schema(**parameters: Any) -> dict[str, Any]:
    return tool(name="a", parameters={"type": "object", **parameters})


# Without an effect in local Azure.
GENERATION = {"n": 1, "stop": "x", "seed": 1, "modalities": ["text"], "response_format": {"type": "text"}}
SERVICE = {
    "store": False,
    "user": "u",
    "service_tier": "auto",
    "prompt_cache_key": "k",
    "safety_identifier": "i",
}
OTHER = {"model": "chat", "stream": False, "prediction": {"type": "content"}, "verbosity": "low"}
IGNORED: dict[str, Any] = {**GENERATION, **SERVICE, **OTHER, "metadata": None, "stream_options": None}


def error_of(body: dict[str, Any]) -> Any:
    with pytest.raises(RequestError) as caught:
        check(body, REASONING)
    assert caught.value.response.status == 400
    assert caught.value.response.error["type"] == "invalid_request_error"
    return caught.value.response.error


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "system", "content": "Help."}, USER], "model": "chat", "tools": [TOOL]},
        {**message(), **IGNORED, "tools": [TOOL], "parallel_tool_calls": True},
        {**message(), "temperature": 1},
        {"messages": [USER], "temperature": 0.5, "reasoning_effort": "none"},
        {"messages": [USER], "tools": [TOOL], "tool_choice": "required"},
        {"messages": [USER], "tools": [TOOL], "tool_choice": TOOL},
        {
            "messages": [
                {**USER, "content": [{"type": "text", "text": "x"}, {"type": "refusal", "refusal": "y"}]}
            ]
        },
        {
            "messages": [
                USER,
                {**CALLED, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
                {**RESULT, "tool_call_id": "c2"},
                RESULT,
                USER,
            ]
        },
    ],
)
def test_a_reasoning_model_takes_what_the_service_takes(body: dict[str, Any]) -> None:
    assert check(body, REASONING).max_tokens is None


def test_the_limit_of_tokens_is_that_of_the_models_own_parameter() -> None:
    assert check({"messages": [USER], "max_completion_tokens": 50}, REASONING).max_tokens == 50
    body: dict[str, Any] = {"messages": [USER], "max_tokens": 100}
    assert check({**body, "temperature": 0.5}, PLAIN).max_tokens == 100
    with pytest.raises(RequestError, match="at the same time"):
        check({**body, "max_completion_tokens": 1}, PLAIN)
    with pytest.raises(RequestError, match="Unrecognized request argument supplied: reasoning_effort"):
        check({**body, "reasoning_effort": "low"}, PLAIN)


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
    ],
)
def test_a_request_is_rejected_with_the_text_of_the_service(
    members: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    error = error_of({"messages": [USER], **members})
    assert (error["message"], error["param"], error["code"]) == (message, param, code)


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": EMPTY}, "messages", "empty_array"),
        ({"messages": [USER] * 2049}, "messages", "array_above_max_length"),
        ({"messages": "hello"}, "messages", "invalid_type"),
        ({"messages": ["hello"]}, "messages[0]", "invalid_type"),
        (message(role=None), "messages[0].role", "missing_required_parameter"),
        (message(role="robot"), "messages[0].role", "invalid_value"),
        (message(content=None), "messages.[0].content", None),
        (message(content=5), "messages[0].content", "invalid_type"),
        (part(type="x"), "messages[0].content[0].type", "invalid_value"),
        (part(type=[]), "messages[0].content[0].type", "invalid_value"),
        (part(type="text"), "messages[0].content[0].text", "invalid_type"),
        (part(type="file"), "messages[0].content[0]", "local_azure_limit"),
        ({"messages": [{**CALLED, "tool_calls": []}]}, "messages[0].tool_calls", "empty_array"),
        (message(tool_calls=[CALL]), "messages[0].tool_calls", "unknown_parameter"),
        (message(name="a b"), "messages[0].name", "invalid_value"),
        (message(role="function"), "messages[0].role", "local_azure_limit"),
        (called(id=5), "messages[0].tool_calls[0].id", "missing_required_parameter"),
        (called(type="x"), "messages[0].tool_calls[0].type", "invalid_value"),
        (called(function=None), "messages[0].tool_calls[0].function", "missing_required_parameter"),
        (called(function={"name": 5}), "messages[0].tool_calls[0].function.name", "invalid_type"),
        ({"messages": [CALLED, {**RESULT, "tool_call_id": 5}]}, "messages.[1].tool_call_id", None),
        ({"tools": EMPTY}, "tools", "empty_array"),
        ({"tools": [TOOL] * 129}, "tools", "array_above_max_length"),
        ({"tools": [{"x": 1}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [{"type": "x"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": 5}]}, "tools[0].function", "invalid_type"),
        (tool(), "tools[0].function.name", "missing_required_parameter"),
        (tool(name=5), "tools[0].function.name", "invalid_type"),
        (tool(name="a b"), "tools[0].function.name", "invalid_value"),
        (tool(name="a" * 65), "tools[0].function.name", "string_above_max_length"),
        (tool(name="a", description=5), "tools[0].function.description", "invalid_type"),
        (tool(name="a", parameters=5), "tools[0].function.parameters", "invalid_type"),
        (schema(type="string"), "tools[0].function.parameters", "invalid_function_parameters"),
        (schema(properties=5), "tools[0].function.parameters", "invalid_function_parameters"),
        (schema(properties={"x": 5}), "tools[0].function.parameters", "invalid_function_parameters"),
        (schema(required=[5]), "tools[0].function.parameters", "invalid_function_parameters"),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
        ({"tools": [TOOL], "tool_choice": "x"}, "tool_choice", "invalid_value"),
        ({"tools": [TOOL], "tool_choice": {"function": {"name": "Other"}}}, "tool_choice", None),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 10**6}, "max_completion_tokens", "invalid_value"),
        ({"max_completion_tokens": True}, "max_completion_tokens", "invalid_type"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", "invalid_type"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": "x"}, "temperature", "invalid_type"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"frequency_penalty": 3}, "frequency_penalty", "decimal_above_max_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort", "unsupported_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"functions": [TOOL]}, "functions", "local_azure_limit"),
    ],
)
def test_a_wrong_member_is_named(members: dict[str, Any], param: str, code: str | None) -> None:
    error = error_of({"messages": [USER], **members})
    assert (error["param"], error["code"]) == (param, code)


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
        (PLAIN, 1_047_577, None, "1047576 tokens. However, your messages resulted in 1047577 tokens."),
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
