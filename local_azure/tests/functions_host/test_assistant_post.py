"""What the model is sent, and what of its answers is taken: pure functions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from local_azure.functions_host.bindings import assistant_post, chat_client
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.chat_client import ChatClient
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message
from local_azure.functions_host.skills import argument_of

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
    assert assistant_post.model_options(PostRequest(**changes)) == expected


@pytest.mark.parametrize("missing", ["id", "user_message"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_post_needs_an_id_and_a_message(missing: str, value: str | None) -> None:
    given: dict[str, Any] = {"id": "a", "user_message": " ", missing: value}
    with pytest.raises(BindingError, match="must"):
        assistant_post.validate(PostRequest(**given))
    given[missing] = "x"
    assistant_post.validate(PostRequest(**given))


def test_a_role_that_the_extension_does_not_know_fails() -> None:
    with pytest.raises(BindingError, match="Unknown chat role 'Developer'"):
        assistant_post.chat_message(Message("a", "Developer", MOMENT))


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
    with pytest.raises(BindingError, match="not a chat completion"):
        chat_client.parse_completion(answer)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "2", "retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "2", "x-ms-retry-after-ms": "500"}, 0.5),
        ({"Retry-After": "Wed, 25 Nov 2020 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_the_service_says_when_to_ask_again(headers: dict[str, str], seconds: float | None) -> None:
    assert chat_client.retry_after(headers) == seconds


RETRIES: dict[str, tuple[list[str], list[float], str | None]] = {
    "500-for-ever": (["500"] * 6, [0.8, 1.6, 3.2], "Status: 500"),
    "400-then-different": (["429", "400", "200"], [0.8], "Status: 400"),
    "429-retry-after": (["429 Retry-After: 2", "200"], [2.0], None),
    "429-retry-after-0": (["429 Retry-After: 0", "429 Retry-After: 0", "200"], [0.0, 0.0], None),
    "429-retry-after-ms-short": (["429", "429 retry-after-ms: 10", "200"], [0.8, 0.01], None),
    "429-retry-after-date": (["429 Retry-After: Fri, 31 Dec 2077 23:59:59 GMT", "200"], [], "longer than"),
    "cut-reset-then-good": (["cut", "200"], [0.8], None),
    "cut-for-ever": (["cut"] * 6, [0.8, 1.6, 3.2], "Retry failed after 4 tries"),
}
"""By the recording of the group failures: responses, waits between the attempts, and the failure."""


@pytest.mark.parametrize(("responses", "waits", "failure"), RETRIES.values(), ids=RETRIES)
async def test_the_model_is_asked_again_after_the_waits_of_the_recordings(
    monkeypatch: pytest.MonkeyPatch, responses: list[str], waits: list[float], failure: str | None
) -> None:
    scripted, waited = iter(responses), list[float]()

    class Session:
        @asynccontextmanager
        async def post(self, _url: str, **options: Any) -> AsyncGenerator[Any]:
            assert options["headers"] == {"api-key": "k1"}
            status, _, header = next(scripted).partition(" ")
            if status == "cut":
                raise aiohttp.ClientConnectionError
            name, _, value = header.partition(": ")
            usage = {"total_tokens": 2, "completion_tokens": 1}

            async def content(**_options: Any) -> object:
                return {"choices": [{"message": {"content": "good"}}], "usage": usage}

            yield SimpleNamespace(status=int(status), headers={name: value}, json=content)

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(chat_client.asyncio, "sleep", sleep)
    client = ChatClient(cast("aiohttp.ClientSession", Session()), "https://a", "chat", "k1", None)
    if failure is None:
        assert (await client.complete({})).content == "good"
    else:
        with pytest.raises(BindingError, match=failure):
            await client.complete({})
    assert waited == waits
    assert len(list(scripted)) == len(responses) - len(waits) - 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", None),
        ("{}", None),
        ('{"task": null}', None),
        ('{"Task": "other case"}', None),
        ('{"task": "a", "more": {}}', "a"),
        ('{"task": 1e20}', "1E+20"),
        ('{"task": 5.0}', "5"),
        ('{"task": true}', "True"),
        ('{"task": "2026-11-25T10:00:00Z"}', "11/25/2026 10:00:00"),
        pytest.param('{"task": "a\nb"}', "a\nb", id="tools/arguments-raw-newline"),
        pytest.param(
            '{"task": "\\/Date(1718452800000)\\/"}', "06/15/2024 12:00:00", id="tools/arguments-value-ms-date"
        ),
    ],
)
def test_one_argument_is_taken_by_its_exact_name(arguments: str, expected: str | None) -> None:
    assert argument_of(arguments, "task") == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('{"task": {"a": 1}}', "Object to String"),
        ('{"task": ["a"]}', "Array to String"),
        ("[1]", "not a JSON object"),
        ('{"task": "cut', "Unterminated"),
        # Recording tools/arguments-deep.
        ('{"task": "x", "d": ' + "[" * 70 + "]" * 70 + "}", "maximum depth of 64"),
    ],
)
def test_arguments_that_are_no_texts_do_not_reach_the_skill(arguments: str, message: str) -> None:
    with pytest.raises(BindingError, match=message):
        argument_of(arguments, "task")
