"""What the model is sent, and what of its answers is taken: pure functions."""

from typing import Any

import pytest

from local_azure.services.sites.bindings import assistant_post, chat_client
from local_azure.services.sites.bindings.assistant_post import PostRequest
from local_azure.services.sites.bindings.errors import BindingError
from local_azure.services.sites.bindings.rows import Message
from local_azure.services.sites.skills import Returned, Skills, SkillTrigger, argument_of

MOMENT = "2026-01-01T00:00:00.0000000Z"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"temperature": 0.5, "max_tokens": 100}),
        (
            {"temperature": "1", "max_tokens": " 7 ", "top_p": "0.9"},
            {"temperature": 1.0, "max_tokens": 7, "top_p": 0.9},
        ),
        ({"temperature": "warm", "max_tokens": "1.5"}, {}),
        ({"temperature": "", "max_tokens": ""}, {}),
        ({"is_reasoning_model": True, "top_p": "0.9"}, {"top_p": 0.9}),
    ],
)
def test_settings_that_do_not_parse_are_left_out(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert assistant_post.options(PostRequest(**changes)) == expected


@pytest.mark.parametrize("missing", ["id", "user_message"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_post_needs_an_id_and_a_message(missing: str, value: str | None) -> None:
    given: dict[str, Any] = {"id": "a", "user_message": " ", missing: value}
    with pytest.raises(BindingError, match="must"):
        assistant_post.check(PostRequest(**given))
    given[missing] = "x"
    assistant_post.check(PostRequest(**given))


def test_a_role_that_the_extension_does_not_know_fails() -> None:
    with pytest.raises(BindingError, match="Unknown chat role 'Developer'"):
        assistant_post.chat_messages([Message("a", "Developer", MOMENT)])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"choices": [], "usage": {"total_tokens": 1, "completion_tokens": 1}},
        {"choices": [{"message": {"content": "a"}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "c"}]}}], "usage": {}},
    ],
)
def test_an_answer_that_is_no_completion_fails(answer: object) -> None:
    with pytest.raises(BindingError, match="no chat completion"):
        chat_client.parse_completion(answer)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "2", "retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "2", "x-ms-retry-after-ms": "500"}, 0.5),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:00 GMT"}, None),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_the_service_says_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert chat_client.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", None),
        ("{}", None),
        ('{"task": null}', None),
        ('{"Task": "other case"}', None),
        ('{"task": "a", "more": {}}', "a"),
        ('{"task": 1e20}', "1E+20"),
    ],
)
def test_one_argument_is_taken_by_its_exact_name(arguments: str, expected: str | None) -> None:
    assert argument_of(arguments, "task") == expected


def test_a_schema_that_is_no_json_fails_every_post() -> None:
    async def never(_function: str, _parameter: str, _argument: str | None) -> Returned:
        raise AssertionError

    skills = Skills(never)
    skills.register([("AddTodo", SkillTrigger("task", "AddTodo", "Adds", "{broken"))])
    with pytest.raises(BindingError, match="parameterDescriptionJson of the skill 'AddTodo' is no JSON"):
        skills.tools()
