"""Posting a message: what is rejected before the call, and how the rows determine the response after it."""

import json
import logging
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from assistants import history, leases, posts
from assistants.binding_call import CallResult, Outcome
from assistants.leases import Lease, Purpose
from assistants.model_probe import Cause, ModelAnswer
from assistants.posts import PostError, PostLog, Reason, Services
from assistants.routes import post, remove
from assistants.settings import Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables
from azure.core.exceptions import HttpResponseError

from tests.host_requests import (
    DONE,
    FAILED,
    NOTHING,
    SMILE,
    Forwarding,
    Run,
    adding,
    answer,
    conversation,
    created,
    delete,
    put,
    request,
    rows_of,
)


def send(
    settings: Settings,
    tables: Tables,
    run: Run,
    body: object = None,
    assistant_id: str = "a",
    **headers: str,
) -> func.HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps({"message": "Hi"} if body is None else body).encode()
    http_request = request("POST", assistant_id, body=content, headers=named)
    return post.respond(http_request, post.JSON, settings, Services(tables, run), PostLog())


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    return json.loads(response.get_body())


def test_the_response_has_the_reply_and_all_added_messages(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Earlier", "Yes.")
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function"}
    run = Run(
        write=adding(
            tables,
            {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])},
            {"Role": "Tool", "Content": "done", "Name": "c1"},
            {"Role": "Assistant", "Content": "Added."},
            {"Role": "Assistant", "Content": ""},
        )
    )

    response = send(settings, tables, run)

    assert (response.status_code, response.mimetype) == (200, "application/json")
    body = body_of(response)
    shown = [
        (message["number"], message["role"], message["content"], message["toolCalls"])
        for message in body.pop("messages")
    ]
    assert shown == [
        (4, "User", "Hi", []),
        (5, "Assistant", "", [call]),
        (6, "Tool", "done", []),
        (7, "Assistant", "Added.", []),
        (8, "Assistant", "", []),
    ]
    assert body == {"assistantId": "a", "reply": "Added.", "totalMessages": 8, "totalTokens": 42}
    assert rows_of(tables.leases, "a") == [], "the lease is given back"


def test_the_documented_form_returns_the_reply_as_text(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Grüße."}))

    response = post.respond(
        request("POST", "a", query={"message": "Hi"}), post.TEXT, settings, Services(tables, run), PostLog()
    )

    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert response.get_body().decode() == "Grüße."
    assert run.calls == [("a", "Hi", "")]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": 7}, "message"),
        ({"message": None}, "message"),
        ({"message": "a\x00"}, "message"),
        ({"message": "a\ud800"}, "message"),
        ({"message": SMILE * 16_384 + "a"}, "message"),
        ({"message": "Hi", "Query": {"message": "other"}}, "Query"),
        ({"message": "Hi", "rest": "more"}, "rest"),
        ([], None),
        ("Hi", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_invalid_message_is_a_400_without_a_table_or_model_request(
    settings: Settings, body: object, name: str | None
) -> None:
    nothing: Any = None
    run = Run()
    response = send(settings, nothing, run, body)
    assert response.status_code == 400
    assert body_of(response)["errors"][0].get("name") == name
    assert run.calls == []


@pytest.mark.parametrize("query", [{}, {"message": "\x00"}], ids=str)
def test_the_documented_form_rejects_the_same_messages(settings: Settings, query: dict[str, str]) -> None:
    nothing: Any = None
    response = post.respond(
        request("POST", "a", query=query), post.TEXT, settings, Services(nothing, Run()), PostLog()
    )
    assert (response.status_code, body_of(response)["errors"][0]["in"]) == (400, "query")


def test_a_missing_assistant_is_a_404_without_a_call(settings: Settings) -> None:
    run = Run()
    response = send(settings, NOTHING, run)
    assert (response.status_code, response.mimetype, run.calls) == (404, "application/problem+json", [])


def test_a_concurrent_post_is_a_409_without_a_call(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    first = leases.acquire(tables, "a", Purpose.POST)
    run = Run()

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.calls) == (409, False, [])
    assert int(response.headers["Retry-After"]) >= 1
    first.release()
    assert send(settings, tables, Run(write=adding(tables))).status_code == 200


def test_until_the_rows_of_a_create_exist_a_post_is_a_409_without_a_call(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    assert put(tables, "a") == (202, "true", 1)
    run = Run()

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.calls) == (409, False, [])
    created(tables, "a")
    assert send(settings, tables, Run(write=adding(tables))).status_code == 200
    assert rows_of(tables.leases, "a") == []


def test_between_the_deletes_and_the_insert_of_a_create_a_post_is_a_409_and_not_a_404(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    put(tables, "a")
    conversations.delete(tables, "a", bool)
    assert problem_of(settings, tables, Run()) == (409, False, "5")


@pytest.mark.parametrize("total", [1, 3])
def test_a_conversation_with_uncounted_messages_is_rejected_without_a_call(
    settings: Settings, tables: Tables, total: int
) -> None:
    conversation(tables.chat_state, "a", *("text",) * 4)
    state = tables.chat_state.get_entity("a", "state")
    tables.chat_state.update_entity({**state, "TotalMessages": total})
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.calls) == (409, False, [])
    assert "Retry-After" not in response.headers
    assert f"msg-{total + 1:04X} comes after msg-{total:04X}" in body_of(response)["detail"]
    assert rows_of(tables.leases, "a") == []


@pytest.mark.parametrize("meanwhile", [0, 1, 6])
def test_rows_written_before_the_lease_are_neither_damage_nor_the_reply(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch, meanwhile: int
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    acquire = leases.acquire

    def after_another(*arguments: Any) -> Any:
        conversations.delete(tables, "a", bool)
        conversation(tables.chat_state, "a", *("text",) * meanwhile)
        return acquire(*arguments)

    monkeypatch.setattr(leases, "acquire", after_another)
    response = send(settings, tables, Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."})))

    assert response.status_code == 200
    assert [message["content"] for message in body_of(response)["messages"]] == ["Hi", "Yes."]


def test_each_of_many_concurrent_posts_is_stored_or_rejected(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    together = threading.Barrier(8)
    statuses: list[int] = []

    def post_message(number: int) -> None:
        together.wait(30)
        statuses.append(send(settings, tables, run, {"message": f"text {number}"}).status_code)

    threads = [threading.Thread(target=post_message, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    stored = [row for row in rows_of(tables.chat_state, "a") if row.get("Role") == "User"]
    assert set(statuses) <= {200, 409}
    assert statuses.count(200) == len(stored) == len(run.calls) >= 1


def problem_of(settings: Settings, tables: Tables, run: Run) -> tuple[int, bool | None, str | None]:
    response = send(settings, tables, run)
    assert response.mimetype == "application/problem+json"
    return response.status_code, body_of(response)["messageStored"], response.headers.get("Retry-After")


REASONS = [*Reason, *(outcome for outcome in Outcome if outcome is not Outcome.FAILED), *Cause]


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_every_reason_has_a_problem_and_only_a_key_that_is_refused_asks_for_a_host_key(
    monkeypatch: pytest.MonkeyPatch, reason: Reason | Outcome | Cause
) -> None:
    def fail(*_arguments: object) -> posts.Exchange:
        raise PostError(reason, value="<value>", locked_until=datetime(2026, 11, 30, 17, tzinfo=UTC))

    monkeypatch.setattr(posts, "exchange", fail)
    response = send(Settings(), NOTHING, Run())

    detail = body_of(response)["detail"]
    assert response.mimetype == "application/problem+json"
    assert len(detail) > 20
    assert not {"{", "}"} & set(detail)
    assert ("Send a host key" in detail) is (reason is Outcome.KEY_REFUSED)
    assert body_of(response)["lockedUntil"] == "2026-11-30T17:00:00Z"
    assert ("Retry-After" in response.headers) is (
        response.status_code == 503 or reason is Reason.OVERWRITTEN
    )


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        (FAILED, (503, False, "10")),
        (CallResult(Outcome.BUSY, 429), (503, False, "5")),
        (CallResult(Outcome.BUSY, 503), (503, False, "5")),
        (CallResult(Outcome.KEY_REFUSED, 401), (502, False, None)),
        (CallResult(Outcome.MISSING, 404), (502, False, None)),
        (CallResult(Outcome.UNREACHABLE), (503, False, "5")),
        (CallResult(Outcome.INDETERMINATE), (504, None, None)),
        (DONE, (502, False, None)),
    ],
    ids=str,
)
def test_a_call_that_wrote_nothing_is_a_problem(
    settings: Settings, tables: Tables, called: CallResult, expected: tuple[int, bool | None, str | None]
) -> None:
    conversation(tables.chat_state, "a")
    assert problem_of(settings, tables, Run(called)) == expected


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (ModelAnswer(Cause.NO_ROLE), (503, "60"), "Cognitive Services OpenAI User"),
        (ModelAnswer(Cause.DENIED), (502, None), "denies access"),
        (ModelAnswer(Cause.NO_DEPLOYMENT), (502, None), "CHAT_MODEL_DEPLOYMENT_NAME"),
        (ModelAnswer(Cause.RATE_LIMIT, 7), (503, "7"), "rate limit"),
        (ModelAnswer(Cause.RATE_LIMIT), (503, "10"), "rate limit"),
        (ModelAnswer(Cause.NO_IDENTITY), (503, "10"), "AzureOpenAI__clientId"),
        (ModelAnswer(Cause.NO_ANSWER), (503, "10"), "AzureOpenAI__endpoint"),
        (ModelAnswer(Cause.AVAILABLE), (503, "10"), "its cause is this conversation"),
        (None, (503, "10"), "only the app's log contains the reason"),
    ],
    ids=str,
)
def test_the_problem_of_a_failed_call_names_the_answer_of_the_model(
    settings: Settings,
    tables: Tables,
    answer: ModelAnswer | None,
    expected: tuple[int, str | None],
    words: str,
) -> None:
    conversation(tables.chat_state, "a")
    http_request = request("POST", "a", body=b'{"message":"Hi"}')
    log = PostLog()

    response = post.respond(
        http_request, post.JSON, settings, Services(tables, Run(FAILED), lambda: answer), log
    )

    assert (response.status_code, response.headers.get("Retry-After")) == expected
    assert words in body_of(response)["detail"]
    assert body_of(response)["messageStored"] is False
    assert log.model == answer


@pytest.mark.parametrize(("cause", "status"), [(Cause.AVAILABLE, 409), (Cause.RATE_LIMIT, 503)])
def test_a_long_history_is_the_reason_only_if_the_model_is_available(
    settings: Settings, tables: Tables, cause: Cause, status: int
) -> None:
    conversation(tables.chat_state, "a", tokens=101)
    short = replace(settings, model=replace(settings.model, context_tokens=100))
    http_request = request("POST", "a", body=b'{"message":"Hi"}')
    answer = ModelAnswer(cause)
    response = post.respond(
        http_request, post.JSON, short, Services(tables, Run(FAILED), lambda: answer), PostLog()
    )
    assert response.status_code == status


@pytest.mark.parametrize(
    "called", [DONE, CallResult(Outcome.INDETERMINATE), CallResult(Outcome.MISSING, 404)], ids=str
)
def test_the_model_is_probed_only_after_the_extension_has_failed(
    settings: Settings, tables: Tables, called: CallResult
) -> None:
    conversation(tables.chat_state, "a")
    http_request = request("POST", "a", body=b'{"message":"Hi"}')

    def never() -> ModelAnswer:
        raise AssertionError("asked")

    post.respond(http_request, post.JSON, settings, Services(tables, Run(called), never), PostLog())


def test_an_unexplained_failure_names_permanent_causes_and_that_skills_may_have_run(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    detail = body_of(send(settings, tables, Run(FAILED)))["detail"]
    for phrase in (
        "more than 32768 UTF-16 units",
        "more than 99 new messages",
        "Skills that the model called may",
    ):
        assert phrase in detail


def test_after_a_call_without_a_result_the_lease_stays(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    send(settings, tables, Run(CallResult(Outcome.INDETERMINATE)))
    assert problem_of(settings, tables, Run())[0] == 409


LOST = CallResult(Outcome.INDETERMINATE)
HELLO = {"Role": "Assistant", "Content": "Hello."}


def lose_a_call(settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> str:
    """A post of "Hi" that has got no answer, and whose lease has ended. Returns the answer's lockedUntil."""
    monkeypatch.setattr(leases, "CALL_SECONDS", -1)
    response = send(settings, tables, Run(LOST))
    monkeypatch.undo()
    assert response.status_code == 504
    return body_of(response)["lockedUntil"]


def test_a_pending_call_prevents_put_and_delete_until_its_rows_exist(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    locked_until = lose_a_call(settings, tables, monkeypatch)
    rows = rows_of(tables.chat_state, "a")

    assert put(tables, "a") == (409, None, 0)
    refused = answer(remove.respond, request("DELETE", "a"), tables)
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "60")
    assert body_of(refused)["lockedUntil"][:16] == locked_until[:16]
    assert f"until {body_of(refused)['lockedUntil']}" in body_of(refused)["detail"]
    assert rows_of(tables.chat_state, "a") == rows

    adding(tables, HELLO)("a", "Hi")
    assert delete(tables, "a") == 204
    assert rows_of(tables.leases, "a") == []


def test_a_pending_call_that_writes_nothing_locks_its_assistant_for_four_hours(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a")
    locked_until = lose_a_call(settings, tables, monkeypatch)
    left = datetime.fromisoformat(locked_until) - datetime.now(UTC)
    assert timedelta(hours=3, minutes=59) < left < timedelta(hours=4, minutes=1)

    monkeypatch.setattr(leases, "PENDING_CALL_SECONDS", 0)
    conversation(tables.chat_state, "b")
    monkeypatch.setattr(leases, "CALL_SECONDS", -1)
    send(settings, tables, Run(LOST), assistant_id="b")
    assert delete(tables, "b") == 204


def test_another_message_can_be_posted_while_a_call_is_pending(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a")
    lose_a_call(settings, tables, monkeypatch)

    assert send(settings, tables, Run(write=adding(tables, HELLO)), {"message": "Again"}).status_code == 200

    # Of two calls that read the same conversation the table service takes one. Were its rows gone, it would
    # take those of the other.
    assert delete(tables, "a") == 409
    assert put(tables, "a") == (409, None, 0)
    assert send(settings, tables, Run(write=adding(tables, HELLO))).status_code == 200
    assert delete(tables, "a") == 409, "what a later post has written is not that call's either"


def test_a_post_after_late_rows_ends_the_lock(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a")
    lose_a_call(settings, tables, monkeypatch)
    adding(tables, HELLO)("a", "Hi")
    assert send(settings, tables, Run(write=adding(tables, HELLO)), {"message": "Again"}).status_code == 200
    assert delete(tables, "a") == 204


def test_a_post_that_is_rejected_before_its_call_keeps_the_record_of_a_pending_one(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    lose_a_call(settings, tables, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(posts, "_MAX_MODEL_MESSAGES", 3)
        assert send(settings, tables, Run()).status_code == 409
    assert delete(tables, "a") == 409
    adding(tables, HELLO)("a", "Hi")
    assert delete(tables, "a") == 204


def test_a_worker_that_crashes_after_its_call_leaves_a_pending_call(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a")

    def die(_assistant_id: str, _message: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(leases, "CALL_SECONDS", -1)
    with pytest.raises(KeyboardInterrupt):
        send(settings, tables, Run(write=die))
    assert delete(tables, "a") == 409
    assert send(settings, tables, Run(write=adding(tables, HELLO))).status_code == 200


def test_a_worker_that_crashes_before_its_call_blocks_its_assistant_for_at_most_30_seconds(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(posts, "_check_before_call", die)
    monkeypatch.setattr(Lease, "release", die)
    with pytest.raises(KeyboardInterrupt):
        send(settings, tables, Run())
    (row,) = rows_of(tables.leases, "a")
    assert row["Seconds"] <= 30
    assert "CallSeconds" not in row


def test_a_lease_that_cannot_be_released_does_not_change_the_reply(
    settings: Settings, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    conversation(tables.chat_state, "a")
    failing: Any = SimpleNamespace(chat_state=tables.chat_state, leases=WithoutDelete(tables.leases))
    log = PostLog()
    http_request = request("POST", "a", body=b'{"message":"Hi"}')

    response = post.respond(
        http_request, post.JSON, settings, Services(failing, Run(write=adding(tables, HELLO))), log
    )

    assert (response.status_code, body_of(response)["reply"]) == (200, "Hello.")
    post.write_log(log, response.status_code)
    assert "The lease of a could not be released and will expire" in caplog.text
    assert delete(tables, "a") == 204, "its rows are there"


class WithoutDelete(Forwarding):
    def delete_entity(self, *_arguments: Any, **_options: Any) -> None:
        raise HttpResponseError("AuthorizationPermissionMismatch")


def test_an_exchange_ends_before_the_next_message(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")

    def with_the_next(assistant_id: str, message: str) -> None:
        adding(tables, HELLO)(assistant_id, message)
        adding(tables, {"Role": "Assistant", "Content": "Of the next."})(assistant_id, "Next")

    body = body_of(send(settings, tables, Run(write=with_the_next)))
    assert ([message["content"] for message in body["messages"]], body["reply"]) == (
        ["Hi", "Hello."],
        "Hello.",
    )


def test_a_conversation_beyond_the_message_limit_of_models_is_rejected_without_a_call(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    state = tables.chat_state.get_entity("a", "state")
    for total, outcome in ((2048, (409, 0)), (2046, (409, 1)), (2045, (503, 1))):
        tables.chat_state.update_entity({**state, "TotalMessages": total})
        run = Run(FAILED)
        response = send(settings, tables, run)
        assert (response.status_code, len(run.calls)) == outcome
    tables.chat_state.update_entity({**state, "TotalMessages": 2048})
    response = send(settings, tables, Run())
    assert (
        "it has 2048 messages, and with a new one no model accepts more than 2048"
        in body_of(response)["detail"]
    )
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(("limit", "outcome"), [(0, (503, 1)), (6, (503, 1)), (5, (409, 0))])
def test_a_post_beyond_the_message_limit_of_the_app_is_rejected_without_a_call(
    settings: Settings, tables: Tables, limit: int, outcome: tuple[int, int]
) -> None:
    conversation(tables.chat_state, "a")
    state = tables.chat_state.get_entity("a", "state")
    tables.chat_state.update_entity({**state, "TotalMessages": 4})
    run = Run(FAILED)

    response = send(replace(settings, max_conversation_messages=limit), tables, run)

    assert (response.status_code, len(run.calls)) == outcome
    if response.status_code == 409:
        assert "a post adds at least 2, and this app allows 5" in body_of(response)["detail"]
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize(("context_tokens", "status"), [(0, 503), (100, 409), (1000, 503)])
def test_after_a_failure_a_history_beyond_the_context_of_the_model_is_a_409(
    settings: Settings, tables: Tables, context_tokens: int, status: int
) -> None:
    conversation(tables.chat_state, "a", "Hi", "text " * 1000, tokens=95)
    model = replace(settings.model, context_tokens=context_tokens)

    response = send(replace(settings, model=model), tables, Run(FAILED), {"message": "text" * 10})

    assert response.status_code == status
    if status == 409:
        assert "Retry-After" not in response.headers
        assert (
            "with the new message it has 105 tokens, and the model accepts 100" in body_of(response)["detail"]
        )


def test_the_log_of_a_post_has_id_outcome_status_and_seconds_and_neither_text_nor_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = PostLog("a", CallResult(Outcome.FAILED, 500), message_stored=False)
    with caplog.at_level(logging.INFO):
        post.write_log(log, 503)
    assert re.fullmatch(
        r"Post to assistant a: status 503, message stored: no, call of the extension: FAILED 500, \d+\.\d s",
        caplog.messages[-1],
    )


async def test_what_a_post_logs_is_logged_by_the_coroutine_and_not_by_a_thread_of_its_own(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = SimpleNamespace(chat_state=None, leases=None)
    blueprint = post.blueprint(settings, broken)
    app = func.FunctionApp()
    app.register_functions(blueprint)
    (function,) = [
        function for function in app.get_functions() if function.get_function_name() == "PostMessage"
    ]

    response = await function.get_user_function()(request("POST", "a", body=b'{"message":"Hi"}'))

    assert (response.status_code, body_of(response)["messageStored"]) == (500, False)
    assert {record.threadName for record in caplog.records} == {"MainThread"}
    assert "AttributeError" in caplog.text, "the stack of the failure"


@pytest.mark.parametrize("called", [FAILED, CallResult(Outcome.INDETERMINATE)], ids=str)
def test_a_stored_exchange_is_returned_for_any_outcome_of_the_call(
    settings: Settings, tables: Tables, called: CallResult
) -> None:
    conversation(tables.chat_state, "a")
    run = Run(called, adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    assert body_of(send(settings, tables, run))["reply"] == "Yes."


def test_a_post_that_loses_against_another_writer_is_a_409(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")

    def other(assistant_id: str, _message: str) -> None:
        adding(tables, {"Role": "Assistant", "Content": "Yes."})(assistant_id, "of somebody else")

    assert problem_of(settings, tables, Run(FAILED, other)) == (409, False, "1")


def test_a_delete_during_a_post_is_a_404_with_the_message_not_stored(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")

    def delete(assistant_id: str, _message: str) -> None:
        tables.chat_state.delete_entity(assistant_id, "state")

    assert problem_of(settings, tables, Run(FAILED, delete)) == (404, False, None)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{}", "a tool call in message 3 has no result"),
        ('{"task":"mi', "the arguments of a tool call in message 3 are not valid JSON"),
        ("NaN", "the arguments of a tool call in message 3 are not valid JSON"),
        (None, "the arguments of a tool call in message 3 are not valid JSON"),
    ],
)
def test_a_conversation_that_cannot_continue_is_a_409_with_the_reason(
    settings: Settings, tables: Tables, arguments: str | None, reason: str
) -> None:
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": arguments, "kind": "Function"}
    conversation(tables.chat_state, "a")
    adding(tables, {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])})("a", "Add milk")

    response = send(settings, tables, Run(FAILED))

    assert response.status_code == 409
    assert "Retry-After" not in response.headers
    assert reason in body_of(response)["detail"]
    assert "To start a new one with this id, send PUT" in body_of(response)["detail"]


@pytest.mark.parametrize(
    ("arguments", "readable"),
    [
        ("{}", True),
        ("5", True),
        (' {"a": 1} \n', True),
        ("[" * 64 + "]" * 64, True),
        ("[" * 65 + "]" * 65, False),
        ('{"a":' * 65 + "1" + "}" * 65, False),
        ("[" * 100_000, False),
        ("NaN", False),
        ('{"a":-Infinity}', False),
        ("", False),
        ("{'a':1}", False),
        ('{"a":1,}', False),
    ],
    ids=lambda value: str(value)[:12],
)
def test_arguments_are_parsed_as_by_the_extension(arguments: str, readable: bool) -> None:
    assert history.is_readable_json(arguments) is readable


@pytest.mark.parametrize(
    ("raw_query", "headers", "key"),
    [
        ("message=Hi", {"X-Functions-Key": "k1"}, "k1"),
        ("message=Hi&code=k2", {"x-functions-key": "k1"}, "k1"),
        ("message=Hi&code=k2", {}, "k2"),
        ("Code=k2&message=Hi", {}, "k2"),
        ("CODE=k2&code=k3&message=Hi", {}, "k2"),
        ("code=k2&code=k3&message=Hi", {}, "k2"),
        ("c%6Fde=k%2B2%3D%3D&message=Hi", {}, "k+2=="),
        ("code=a,b&message=Hi", {}, "a,b"),
        ("message=Hi", {}, ""),
    ],
)
def test_the_key_that_the_host_used_is_sent_with_the_call(
    settings: Settings, tables: Tables, raw_query: str, headers: dict[str, str], key: str
) -> None:
    conversation(tables.chat_state, "a")
    run = Run()
    http_request = request("POST", "a", query={"message": "Hi"}, raw_query=raw_query, headers=headers)
    post.respond(http_request, post.TEXT, settings, Services(tables, run), PostLog())
    anonymous = replace(settings, http_auth_level=func.AuthLevel.ANONYMOUS)
    post.respond(http_request, post.TEXT, anonymous, Services(tables, run), PostLog())
    assert [key for _, _, key in run.calls] == [key, ""]


def test_a_missing_bound_function_is_named(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    response = send(settings, tables, Run(CallResult(Outcome.MISSING, 404)))
    assert response.status_code == 502
    assert "RunAssistant is disabled" in body_of(response)["detail"]
