from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.errors import RefusedError
from local_azure.services.cognitiveservices.chat.request import check, check_length, parse
from local_azure.services.cognitiveservices.models import find_model

REASONING = find_model("gpt-5.4-mini", None)
PLAIN = find_model("gpt-4.1-mini", None)
assert REASONING is not None
assert PLAIN is not None
USER = {"role": "user", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "Add", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "Add", "parameters": {"type": "object"}}}


def error_of(body: dict[str, Any], *, reasoning: bool = True) -> Any:
    assert REASONING is not None
    assert PLAIN is not None
    with pytest.raises(RefusedError) as caught:
        check(body, (REASONING if reasoning else PLAIN).chat)
    assert caught.value.refusal.status == 400
    assert caught.value.refusal.error["type"] == "invalid_request_error"
    return caught.value.refusal.error


def test_the_extension_s_request_passes_with_and_without_the_reasoning_flag() -> None:
    assert REASONING is not None
    assert PLAIN is not None
    body = {"messages": [{"role": "system", "content": "Help."}, USER], "model": "chat", "tools": [TOOL]}
    assert check(body, REASONING.chat).most_tokens is None
    assert check({**body, "temperature": 0.5, "max_tokens": 100}, PLAIN.chat).most_tokens == 100


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
    ],
)
def test_a_reasoning_model_refuses_what_it_does_not_take_in_the_service_s_words(
    members: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    assert error_of({"messages": [USER], **members}) == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }


@pytest.mark.parametrize(
    "members",
    [{"temperature": 1}, {"max_completion_tokens": 50}, {"temperature": 0.5, "reasoning_effort": "none"}],
)
def test_a_reasoning_model_takes_its_own_settings(members: dict[str, Any]) -> None:
    assert REASONING is not None
    check({"messages": [USER], **members}, REASONING.chat)


@pytest.mark.parametrize(
    ("messages", "message", "param"),
    [
        (
            [USER, CALLED, USER],
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: c1",
            "messages.[2].role",
        ),
        (
            [USER, CALLED],
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: c1",
            "messages.[2].role",
        ),
        (
            [USER, {"role": "tool", "content": "x", "tool_call_id": "c1"}],
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
            "'tool_calls'.",
            "messages.[1].role",
        ),
        (
            [USER, CALLED, {"role": "tool", "content": "x", "tool_call_id": "other"}],
            "Invalid parameter: 'tool_call_id' of 'other' not found in 'tool_calls' of previous message.",
            "messages.[2].tool_call_id",
        ),
    ],
)
def test_tool_calls_and_their_answers_go_together(
    messages: list[dict[str, Any]], message: str, param: str
) -> None:
    error = error_of({"messages": messages})
    assert (error["message"], error["param"], error["code"]) == (message, param, None)


def test_answered_tool_calls_pass_in_any_order() -> None:
    assert REASONING is not None
    calls = [CALL, {**CALL, "id": "c2"}]
    answers = [{"role": "tool", "content": "x", "tool_call_id": one} for one in ("c2", "c1")]
    check({"messages": [USER, {**CALLED, "tool_calls": calls}, *answers, USER]}, REASONING.chat)


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function}]}


EMPTY: list[Any] = []
OTHER = {"type": "function", "function": {"name": "Other"}}


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        (None, "messages", "missing_required_parameter"),
        (EMPTY, "messages", "empty_array"),
        ("hello", "messages", "invalid_type"),
        (["hello"], "messages[0]", "invalid_type"),
        ([{"content": "x"}], "messages[0].role", "missing_required_parameter"),
        ([{"role": "robot", "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages.[0].content", None),
        ([{"role": "user", "content": 5}], "messages[0].content", "invalid_type"),
        ([{**USER, "content": [{"type": "x"}]}], "messages[0].content[0].type", "invalid_value"),
        ([{**USER, "content": [{"type": "image_url"}]}], "messages[0].content[0]", "local_azure_limit"),
        ([{**CALLED, "tool_calls": []}], "messages[0].tool_calls", "empty_array"),
        ([{**USER, "tool_calls": [CALL]}], "messages[0].tool_calls", "unknown_parameter"),
        ([{**USER, "name": "a b"}], "messages[0].name", "invalid_value"),
    ],
)
def test_a_wrong_message_is_named(messages: object, param: str, code: str | None) -> None:
    error = error_of({"messages": messages})
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"tools": EMPTY}, "tools", "empty_array"),
        ({"tools": [TOOL] * 129}, "tools", "array_above_max_length"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        (tool(name="a b"), "tools[0].function.name", "invalid_value"),
        (tool(name="a" * 65), "tools[0].function.name", "string_above_max_length"),
        (
            tool(name="a", parameters={"type": "string"}),
            "tools[0].function.parameters",
            "invalid_function_parameters",
        ),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"tools": [TOOL], "tool_choice": OTHER}, "tool_choice", None),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 10**6}, "max_completion_tokens", "invalid_value"),
        ({"max_completion_tokens": True}, "max_completion_tokens", "invalid_type"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort", "unsupported_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"functions": [TOOL]}, "functions", "local_azure_limit"),
    ],
)
def test_a_wrong_member_is_named(members: dict[str, Any], param: str, code: str | None) -> None:
    error = error_of({"messages": [USER], **members})
    assert (error["param"], error["code"]) == (param, code)


def test_both_limits_at_once_are_refused_by_an_older_model() -> None:
    body = {"messages": [USER], "max_tokens": 1, "max_completion_tokens": 1}
    assert error_of(body, reasoning=False)["code"] == "invalid_parameter_combination"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError, match="could not parse the JSON body"):
        parse(content)


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers() -> None:
    assert REASONING is not None
    assert PLAIN is not None
    with pytest.raises(
        RefusedError, match=r"limit of 272000 tokens\. Your messages resulted in 272001 tokens"
    ):
        check_length(272_001, None, REASONING.chat)
    with pytest.raises(
        RefusedError, match=r"1047576 tokens. However, you requested 1047577 tokens \(1047477 in"
    ):
        check_length(1_047_477, 100, PLAIN.chat)
    check_length(272_000, 128_000, REASONING.chat)
    check_length(1_047_476, 100, PLAIN.chat)
