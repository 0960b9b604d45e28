"""Against the counts that OpenAI's cookbook publishes for o200k_base and gpt-4o."""

import json

import pytest

from local_azure.services.cognitiveservices.chat.counting import prompt_tokens, tokens_of, truncate


@pytest.mark.parametrize(
    ("text", "tokens"), [("antidisestablishmentarianism", 6), ("2 + 2 = 4", 7), ("お誕生日おめでとう", 8)]
)
def test_a_text_has_the_tokens_of_the_cookbook(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens


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
    assert prompt_tokens(conversation, []) == 124


def test_tool_calls_and_tools_count() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "AddTodo", "arguments": '{"task": "milk"}'}}
    plain = {"role": "assistant", "content": None}
    without = prompt_tokens([plain], [])
    assert prompt_tokens([{**plain, "tool_calls": [call]}], []) == without + 3 + 8
    tools = [{"type": "function", "function": {"name": "AddTodo"}}]
    assert prompt_tokens([plain], tools) == without + tokens_of(json.dumps(tools))


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\ud800 alone", "<|endoftext|>", "🧑‍🚀" * 50_000, ""])
def test_no_text_is_too_long_or_too_odd_to_count(text: str) -> None:
    assert (tokens_of(text) > 0) == bool(text)


def test_a_truncated_text_is_the_beginning_of_the_whole() -> None:
    assert truncate("one two three four", 2) == "one two"
    assert truncate("one two", 2) is None
