"""What the model is sent, and what of its answers is taken: of which there is no recording."""

import json
from typing import Any

import pytest

from local_azure.functions_host.bindings import assistant_post, chat_client, retries, rows
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message, ToolCall


@pytest.mark.parametrize(
    ("text", "limit"), [(" 7 ", 7), ("2147483647", 2**31 - 1), ("2147483648", None), ("1.5", None)]
)
def test_a_limit_of_tokens_is_a_32_bit_integer_or_left_out(text: str, limit: int | None) -> None:
    assert assistant_post.model_options(PostRequest(max_tokens=text)).get("max_tokens") == limit


@pytest.mark.parametrize("missing", ["id", "user_message"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_post_needs_an_id_and_a_message(missing: str, value: str | None) -> None:
    given: dict[str, Any] = {"id": "a", "user_message": " ", missing: value}
    with pytest.raises(BindingError, match="must"):
        assistant_post.validate(PostRequest(**given))


@pytest.mark.parametrize(
    "members",
    [
        '"usage":null',
        '"usage":{"total_tokens":"5"}',
        '"usage":{"total_tokens":null}',
        '"created":"today"',
        '"id":5',
        '"choices":[null]',
        '"choices":[{"message":null}]',
        '"choices":[{"message":{"role":"developer"}}]',
        '"choices":[{"message":{"content":5}}]',
        '"choices":[{"message":{"content":"half a pair: \\ud800"}}]',
        '"choices":[{"message":{"tool_calls":{}}}]',
        '"choices":[{"message":{"tool_calls":[{"type":null}]}}]',
        '"choices":[{"message":{"tool_calls":[{"function":{"arguments":{}}}]}}]',
    ],
)
def test_an_answer_of_another_shape_fails(members: str) -> None:
    answer = f'{{"choices":[{{"message":{{"content":"a"}}}}],"usage":{{}},{members}}}'
    with pytest.raises(BindingError, match="not a chat completion"):
        chat_client.parse_completion(answer.encode())


def test_a_call_without_its_function_is_taken_and_cannot_be_stored() -> None:
    answer: dict[str, Any] = {
        "choices": [{"message": {"tool_calls": [{"id": "c", "function": None}]}}],
        "usage": {},
    }
    completion = chat_client.parse_completion(json.dumps(answer).encode())
    assert completion.tool_calls == (ToolCall("c", None, None, {}, None),)
    with pytest.raises(BindingError, match="cannot be stored"):
        rows.tool_calls_text(completion.tool_calls)


def test_a_call_without_arguments_cannot_be_sent_again() -> None:
    call = ToolCall("c", "AddTodo", None)
    with pytest.raises(BindingError, match="no arguments"):
        assistant_post.chat_message(Message("", "Assistant", "", tool_calls=(call,)))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2", "x-ms-retry-after-ms": "500"}, 0.5),
        ({"Retry-After": "Wed, 25 Nov 2020 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_a_response_says_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retries.retry_after(headers) == seconds
