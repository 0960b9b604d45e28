"""Posting a message without tables: the key of the call, the problem documents, and the log."""

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from assistants import history, posts
from assistants.binding_call import Outcome
from assistants.model_probe import Cause
from assistants.posts import Exchange, PostError, PostLog, PostRequest, Reason
from assistants.routes import post
from assistants.settings import Settings
from assistants.tables.conversations import State

from tests.host_requests import FAILED, SMILE, Api, EmptyTables, body_of, functions_of, request

PROBLEMS: list[tuple[Reason | Outcome | Cause, int, str | None, str]] = [
    (Reason.CANNOT_CONTINUE, 409, None, "<value>. To start a new one with this id, send PUT"),
    (Reason.CHANGED, 412, None, "has <value> messages"),
    (Reason.DELETED, 404, None, "<value> was deleted"),
    (Reason.OVERWRITTEN, 409, "1", "Another request"),
    (Reason.ROWS_UNREADABLE, 502, None, "send GET"),
    (
        Reason.UNEXPLAINED,
        503,
        "10",
        "more than 99 new messages at once. Skills that the model called may have",
    ),
    (Outcome.DONE, 502, None, "RunAssistant answered <value>, but nothing was stored"),
    (Outcome.REFUSED, 502, None, "RunAssistant answered <value>, but nothing was stored"),
    (Outcome.BUSY, 503, "5", "overloaded"),
    (Outcome.KEY_REFUSED, 502, None, "valid for this function only"),
    (Outcome.MISSING, 502, None, "AzureWebJobs.RunAssistant.Disabled"),
    (Outcome.UNREACHABLE, 503, "5", "unreachable"),
    (Outcome.INDETERMINATE, 504, None, "until 2026-11-30T17:00:00Z at the latest"),
    (Cause.AVAILABLE, 503, "10", "a reply or a skill's result of more than 32768 UTF-16 units"),
    (
        Cause.RATE_LIMIT,
        503,
        "10",
        "rate limit, which is temporary. Skills that the model called may have run",
    ),
    (Cause.NO_ROLE, 503, "60", "Cognitive Services OpenAI User"),
    (Cause.DENIED, 502, None, "network rules"),
    (Cause.NO_DEPLOYMENT, 502, None, "CHAT_MODEL_DEPLOYMENT_NAME"),
    (Cause.NO_IDENTITY, 503, "10", "AzureOpenAI__clientId"),
    (Cause.NO_ANSWER, 503, "10", "AzureOpenAI__endpoint"),
]


def test_no_reason_is_without_a_problem() -> None:
    assert {reason for reason, *_ in PROBLEMS} == {*Reason, *Outcome, *Cause} - {Outcome.FAILED}


def fail_with(monkeypatch: pytest.MonkeyPatch, error: PostError) -> func.HttpResponse:
    def fail(*_arguments: object) -> Exchange:
        raise error

    monkeypatch.setattr(posts, "exchange", fail)
    return Api().post()


@pytest.mark.parametrize(("reason", "status", "retry_after", "words"), PROBLEMS, ids=str)
def test_each_reason_has_its_status_its_retry_after_and_what_the_user_needs(
    monkeypatch: pytest.MonkeyPatch,
    reason: Reason | Outcome | Cause,
    status: int,
    retry_after: str | None,
    words: str,
) -> None:
    locked_until = datetime(2026, 11, 30, 17, tzinfo=UTC)
    response = fail_with(monkeypatch, PostError(reason, None, "<value>", locked_until=locked_until))

    assert (response.status_code, response.headers.get("Retry-After")) == (status, retry_after)
    assert response.mimetype == "application/problem+json"
    body = body_of(response)
    assert (body["messageStored"], body["lockedUntil"]) == (None, "2026-11-30T17:00:00Z")
    assert words in body["detail"]
    assert ("Send a host key" in body["detail"]) is (reason is Outcome.KEY_REFUSED)


def test_the_models_own_retry_after_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    response = fail_with(monkeypatch, PostError(Cause.RATE_LIMIT, True, retry_after=7))
    assert response.headers["Retry-After"] == "7"
    assert body_of(response)["messageStored"] is True
    assert "lockedUntil" not in body_of(response)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": 7}, "message"),
        ({"message": "a\x00"}, "message"),
        ({"message": SMILE * 16_384 + "a"}, "message"),
        ({"message": "Hi", "rest": "more"}, "rest"),
        ([], None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_invalid_message_is_a_400_without_a_table_or_model_request(body: object, name: str | None) -> None:
    api = Api()
    response = api.post(body)
    assert (response.status_code, api.run.calls) == (400, [])
    assert body_of(response)["errors"][0].get("name") == name


@pytest.mark.parametrize("query", [{}, {"message": "\x00"}], ids=str)
def test_the_documented_form_rejects_the_same_messages(query: dict[str, str]) -> None:
    response = Api().post_query(query)
    assert (response.status_code, body_of(response)["errors"][0]["in"]) == (400, "query")


@pytest.mark.parametrize(
    ("raw_query", "headers", "key"),
    [
        ("message=Hi", {"X-Functions-Key": "k1"}, "k1"),
        ("message=Hi&code=k2", {"x-functions-key": "k1"}, "k1"),
        ("message=Hi&code=k2", {}, "k2"),
        ("Code=k2&message=Hi", {}, "k2"),
        ("CODE=k2&code=k3&message=Hi", {}, "k2"),
        ("c%6Fde=k%2B2%3D%3D&message=Hi", {}, "k+2=="),
        ("message=Hi", {}, ""),
    ],
)
def test_the_key_that_the_host_used_is_sent_with_the_call(
    monkeypatch: pytest.MonkeyPatch, raw_query: str, headers: dict[str, str], key: str
) -> None:
    requests: list[PostRequest] = []

    def exchange(_services: object, post_request: PostRequest, _log: object) -> Exchange:
        requests.append(post_request)
        return Exchange(State("a", "", "", 1, 0), [])

    monkeypatch.setattr(posts, "exchange", exchange)
    for level in (func.AuthLevel.FUNCTION, func.AuthLevel.ANONYMOUS):
        api = Api(settings=Settings(level))
        assert api.post_query({"message": "Hi"}, raw_query, headers=headers).status_code == 200
    assert [post_request.key for post_request in requests] == [key, ""]


@pytest.mark.parametrize(
    ("arguments", "is_readable"),
    [
        ("{}", True),
        ("5", True),
        (' {"a": 1} \n', True),
        ("[" * 64 + "]" * 64, True),
        ("[" * 65 + "]" * 65, False),
        ('{"a":' * 64 + "1" + "}" * 64, True),
        ('{"a":' * 65 + "1" + "}" * 65, False),
        ("[" * 100_000, False),
        ('{"a":' + "[" * 64 + "]" * 64 + ',"a":1}', False),
        ("9" * 5000, True),
        ("NaN", False),
        ('{"a":-Infinity}', False),
        ("", False),
        ('{"a":1,}', False),
    ],
    ids=lambda value: str(value)[:12],
)
def test_arguments_of_a_tool_are_parsed_as_by_the_extension(arguments: str, is_readable: bool) -> None:
    assert history.is_readable_json(arguments) is is_readable


@pytest.mark.parametrize(
    ("log", "status", "line"),
    [
        (
            PostLog("a", FAILED, message_stored=False),
            503,
            "WARNING Post to assistant a: status 503, message stored: no, call of the extension: FAILED 500,",
        ),
        (
            PostLog("a' or", message_stored=None),
            400,
            "INFO Post to assistant (invalid id): status 400, message stored: unknown,"
            " call of the extension: none,",
        ),
    ],
)
def test_the_log_of_a_post_has_id_outcome_status_and_seconds_and_neither_text_nor_key(
    caplog: pytest.LogCaptureFixture, log: PostLog, status: int, line: str
) -> None:
    with caplog.at_level(logging.INFO):
        post.write_log(replace(log), status)
    (record,) = caplog.records
    assert re.fullmatch(re.escape(line) + r" \d+\.\d s", f"{record.levelname} {record.getMessage()}")


@pytest.mark.parametrize(
    ("name", "http_request"),
    [
        ("PostMessage", request("POST", "a", body=b'{"message":"Hi"}')),
        ("PostUserQuery", request("POST", "a", {"message": "Hi"})),
    ],
)
async def test_what_a_post_logs_is_logged_by_the_coroutine_and_not_by_a_thread_of_its_own(
    caplog: pytest.LogCaptureFixture, name: str, http_request: func.HttpRequest
) -> None:
    broken: Any = SimpleNamespace(chat_state=None, leases=None)
    post_message = functions_of(post.blueprint(Settings(), broken))[name].get_user_function()

    response = await post_message(http_request)

    assert (response.status_code, body_of(response)["messageStored"]) == (500, False)
    assert {record.threadName for record in caplog.records} == {"MainThread"}
    assert "AttributeError" in caplog.text, "the stack of the failure"


def test_a_missing_assistant_is_a_404_without_a_call() -> None:
    api = Api(EmptyTables())
    response = api.post()
    assert (response.status_code, body_of(response)["messageStored"], api.run.calls) == (404, False, [])
