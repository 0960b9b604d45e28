"""Against the counts that OpenAI's cookbook publishes for o200k_base and gpt-4o."""

from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.counting import (
    o200k_base,
    prompt_tokens,
    tokens_of,
    truncate,
)

ENCODING = o200k_base()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("antidisestablishmentarianism", [493, 129901, 376, 160388, 21203, 2367]),
        ("2 + 2 = 4", [17, 659, 220, 17, 314, 220, 19]),
        ("お誕生日おめでとう", [8930, 9697, 243, 128225, 8930, 17693, 4344, 48669]),
    ],
)
def test_a_text_has_the_tokens_of_the_cookbook(text: str, tokens: list[int]) -> None:
    assert ENCODING.encode_ordinary(text) == tokens
    assert tokens_of(text, ENCODING) == len(tokens)


def test_messages_have_as_many_tokens_as_the_service_counted() -> None:
    messages = [
        (
            "",
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain "
            "English.",
        ),
        ("example_user", "New synergies will help drive top-line growth."),
        ("example_assistant", "Things working well together will increase revenue."),
        (
            "example_user",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
            "leverage.",
        ),
        ("example_assistant", "Let's talk later when we're less busy about how to do better."),
        ("", "This late pivot means we don't have time to boil the ocean for the client deliverable."),
    ]
    conversation = [
        {"role": "system", "content": text, **({"name": name} if name else {})} for name, text in messages
    ]
    conversation[-1]["role"] = "user"
    assert prompt_tokens(conversation, [], ENCODING) == 124


def test_tools_have_as_many_tokens_as_the_service_counted() -> None:
    unit = {"description": "The unit of temperature to return", "enum": ["celsius", "fahrenheit"]}
    properties: dict[str, Any] = {
        "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
        "unit": {"type": "string", **unit},
    }
    function = {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {"type": "object", "properties": properties, "required": ["location"]},
    }
    instructions = "You are a helpful assistant that can answer to questions about the weather."
    messages = [
        {"role": "system", "content": instructions},
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ]
    assert prompt_tokens(messages, [{"type": "function", "function": function}], ENCODING) == 101


def test_a_tool_call_in_the_history_counts() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "AddTodo", "arguments": '{"task": "milk"}'}}
    plain = {"role": "assistant", "content": None}
    without = prompt_tokens([plain], [], ENCODING)
    assert prompt_tokens([{**plain, "tool_calls": [call]}], [], ENCODING) == without + 3 + 8


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\ud800 alone", "<|endoftext|>", "🧑‍🚀" * 50_000, ""])
def test_no_text_is_too_long_or_too_odd_to_count(text: str) -> None:
    assert (tokens_of(text, ENCODING) > 0) == bool(text)


def test_a_truncated_text_is_the_beginning_of_the_whole() -> None:
    assert truncate("one two three four", 2, ENCODING) == "one two"
    assert truncate("one two", 2, ENCODING) is None
