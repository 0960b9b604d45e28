"""Posting a message: what is rejected before the call, and how the rows determine the response after it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from assistants import leases, posts
from assistants.binding_call import CallResult, Outcome
from assistants.leases import Lease, Purpose
from assistants.model_probe import Cause, ModelAnswer
from assistants.routes import post
from assistants.tables import conversations
from assistants.tables.clients import Tables
from azure.core.exceptions import HttpResponseError

from tests.host_requests import DONE, FAILED, NO_RESULT, Api, Run, body_of
from tests.integration.function_app.rows import (
    HELLO,
    before_acquire,
    conversation,
    create,
    exchange,
    failing,
    rows_of,
    with_methods,
)


def test_the_response_has_the_reply_and_all_added_messages(api: Api) -> None:
    conversation(api.tables, "a", "Earlier", "Yes.")
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function"}
    api.run.write = exchange(
        api.tables,
        {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])},
        {"Role": "Tool", "Content": "done", "Name": "c1"},
        {"Role": "Assistant", "Content": "Added."},
        {"Role": "Assistant", "Content": ""},
    )

    response = api.post()

    assert (response.status_code, response.mimetype) == (200, "application/json")
    body = body_of(response)
    assert [
        (message["number"], message["role"], message["content"], message["toolCalls"])
        for message in body.pop("messages")
    ] == [
        (4, "User", "Hi", []),
        (5, "Assistant", "", [call]),
        (6, "Tool", "done", []),
        (7, "Assistant", "Added.", []),
        (8, "Assistant", "", []),
    ]
    assert body == {"assistantId": "a", "reply": "Added.", "totalMessages": 8, "totalTokens": 42}
    assert api.log.message_stored is True
    assert rows_of(api.tables.leases, "a") == [], "the lease is released"


def test_a_message_is_posted_only_if_the_conversation_has_as_many_messages_as_required(api: Api) -> None:
    conversation(api.tables, "a", "Earlier", "Yes.")
    api.run.write = exchange(api.tables, {"Role": "Assistant", "Content": "Once."})
    body = {"message": "Hi", "totalMessages": 3}
    first, second = api.post(body), api.post(body)
    assert (first.status_code, second.status_code) == (200, 412)
    assert body_of(second)["messageStored"] is False
    assert "has 5 messages" in body_of(second)["detail"]
    assert len(api.run.calls) == 1
    for wrong in (-1, "3", True, None):
        rejected = api.post({"message": "Hi", "totalMessages": wrong})
        assert body_of(rejected)["errors"][0]["name"] == "totalMessages"


def test_the_documented_form_returns_the_reply_as_text(api: Api) -> None:
    conversation(api.tables, "a")
    api.run.write = exchange(api.tables, {"Role": "Assistant", "Content": "Grüße."})

    # A percent sign that is escaped in the URL is text.
    response = api.post_query({"message": "caf%E9"}, "message=caf%25E9")

    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert response.get_body().decode() == "Grüße."
    assert api.run.calls == [("a", "caf%E9", "")]


def refusal(api: Api) -> tuple[int, bool | None, str | None]:
    """Status, `messageStored` and `Retry-After` of a post that is no success."""
    response = api.post()
    return response.status_code, body_of(response)["messageStored"], response.headers.get("Retry-After")


def test_while_another_request_writes_a_post_is_a_409_without_a_call(api: Api) -> None:
    conversation(api.tables, "a")
    lease = leases.acquire(api.tables, "a", Purpose.POST)
    assert refusal(api) == (409, False, "5")
    lease.release()

    assert api.put().status_code == 202
    assert refusal(api) == (409, False, "5"), "until the rows of the create exist"
    conversations.delete(api.tables, "a", bool)
    assert refusal(api) == (409, False, "5"), "between the deletes and the insert of a create, and no 404"
    assert api.run.calls == []

    create(api.tables, "a")
    api.run.write = exchange(api.tables, HELLO)
    assert api.post().status_code == 200
    assert rows_of(api.tables.leases, "a") == []


@pytest.mark.parametrize("total", [1, 3])
def test_a_conversation_with_uncounted_messages_is_rejected_without_a_call(api: Api, total: int) -> None:
    conversation(api.tables, "a", *("text",) * 4, total=total)

    response = api.post()

    assert (response.status_code, body_of(response)["messageStored"], api.run.calls) == (409, False, [])
    assert f"msg-{total + 1:04X} comes after msg-{total:04X}" in body_of(response)["detail"]
    assert rows_of(api.tables.leases, "a") == []


@pytest.mark.parametrize("messages", [0, 1, 6])
def test_rows_written_before_the_lease_are_neither_damage_nor_the_reply(
    api: Api, monkeypatch: pytest.MonkeyPatch, messages: int
) -> None:
    conversation(api.tables, "a", "Hi", "Hello.")

    def replace_conversation() -> None:
        conversations.delete(api.tables, "a", bool)
        conversation(api.tables, "a", *("text",) * messages)

    before_acquire(monkeypatch, replace_conversation)
    api.run.write = exchange(api.tables, HELLO)
    assert [message["content"] for message in body_of(api.post())["messages"]] == ["Hi", "Hello."]


@pytest.mark.parametrize("puts", [0, 2, 6])
def test_each_of_many_concurrent_posts_and_puts_is_done_or_refused(api: Api, puts: int) -> None:
    conversation(api.tables, "a")
    api.run.write = exchange(api.tables, HELLO)
    barrier = threading.Barrier(8)

    def send(number: int) -> int:
        barrier.wait(30)
        response = api.put() if number < puts else api.post(f"text {number}")
        if response.status_code == 202:
            create(api.tables, "a")
        assert response.status_code != 409 or int(response.headers["Retry-After"]) >= 1
        return response.status_code

    with ThreadPoolExecutor(8) as executor:
        statuses = list(executor.map(send, range(8)))

    assert {200, 202} & set(statuses)
    assert set(statuses) <= {200, 202, 409}
    assert statuses.count(200) == len(api.run.calls)
    rows = {row["RowKey"]: row for row in rows_of(api.tables.chat_state, "a")}
    total = rows.pop("state")["TotalMessages"]
    assert list(rows) == [f"msg-{number:04X}" for number in range(1, total + 1)]
    assert puts or len(rows) == 1 + 2 * statuses.count(200)


AVAILABLE = ModelAnswer(Cause.AVAILABLE)


@pytest.mark.parametrize(
    ("outcome", "model_answer", "expected", "words"),
    [
        (FAILED, None, (503, False, "10"), "only the app's log contains the reason"),
        (FAILED, AVAILABLE, (503, False, "10"), "its cause is this conversation or the storage"),
        (FAILED, ModelAnswer(Cause.RATE_LIMIT, 7), (503, False, "7"), "rate limit"),
        (FAILED, ModelAnswer(Cause.DENIED), (502, False, None), "denies access"),
        (CallResult(Outcome.MISSING, 404), AVAILABLE, (502, False, None), "RunAssistant is disabled"),
        (CallResult(Outcome.REFUSED, 418), AVAILABLE, (502, False, None), "RunAssistant answered 418"),
        (NO_RESULT, AVAILABLE, (504, None, None), "no answer in time"),
        (DONE, AVAILABLE, (502, False, None), "RunAssistant answered 200, but nothing was stored"),
    ],
    ids=str,
)
def test_a_call_that_wrote_nothing_is_a_problem_and_the_model_is_probed_only_after_a_failed_one(
    api: Api,
    outcome: CallResult,
    model_answer: ModelAnswer | None,
    expected: tuple[int, bool | None, str | None],
    words: str,
) -> None:
    conversation(api.tables, "a")
    api.run.outcome, api.model_answer = outcome, model_answer

    response = api.post()

    body = body_of(response)
    assert (response.status_code, body["messageStored"], response.headers.get("Retry-After")) == expected
    assert words in body["detail"]
    assert (api.log.message_stored, api.log.call) == (expected[1], outcome)
    assert api.log.model == (model_answer if outcome is FAILED else None)


@pytest.mark.parametrize("outcome", [FAILED, NO_RESULT], ids=str)
def test_a_stored_exchange_is_returned_for_any_outcome_of_the_call(api: Api, outcome: CallResult) -> None:
    conversation(api.tables, "a")
    api.run.outcome, api.run.write = outcome, exchange(api.tables, HELLO)
    assert body_of(api.post())["reply"] == "Hello."
    assert rows_of(api.tables.leases, "a") == []


def test_a_reply_without_a_text_is_empty(api: Api) -> None:
    conversation(api.tables, "a")
    api.run.write = exchange(api.tables, {"Role": "Assistant", "Content": ""})
    assert body_of(api.post())["reply"] == ""


def test_an_exchange_ends_before_the_next_message(api: Api) -> None:
    conversation(api.tables, "a")

    def write_with_the_next(assistant_id: str, message: str) -> None:
        exchange(api.tables, HELLO)(assistant_id, message)
        exchange(api.tables, {"Role": "Assistant", "Content": "Of the next."})(assistant_id, "Next")

    api.run.write = write_with_the_next
    body = body_of(api.post())
    assert [message["content"] for message in body["messages"]] == ["Hi", "Hello."]
    assert body["reply"] == "Hello."


def test_a_post_that_loses_against_another_request_is_not_stored(api: Api) -> None:
    conversation(api.tables, "a")
    api.run.outcome = FAILED
    api.run.write = lambda assistant_id, _message: exchange(api.tables, HELLO)(assistant_id, "of another")
    assert refusal(api) == (409, False, "1")

    def replace_conversation(assistant_id: str, _message: str) -> None:
        conversations.delete(api.tables, assistant_id, bool)
        conversation(api.tables, assistant_id, at="2026-11-26T08:00:00")

    api.run.write = replace_conversation
    assert refusal(api) == (409, False, "1"), "the conversation is a new one, without new messages"

    api.run.write = lambda assistant_id, _message: api.tables.chat_state.delete_entity(assistant_id, "state")
    assert refusal(api) == (404, False, None)


@pytest.mark.parametrize(("outcome", "stored"), [(DONE, True), (NO_RESULT, None)], ids=str)
def test_whether_a_message_is_stored_is_known_without_its_rows_only_after_a_success(
    api: Api, monkeypatch: pytest.MonkeyPatch, outcome: CallResult, stored: bool | None
) -> None:
    conversation(api.tables, "a")
    api.run.outcome = outcome
    exchange_after = conversations.exchange_after

    def fail_after_the_call(*arguments: Any) -> Any:
        if api.run.calls:
            raise HttpResponseError("no route")
        return exchange_after(*arguments)

    monkeypatch.setattr(conversations, "exchange_after", fail_after_the_call)
    assert refusal(api) == (502, stored, None)
    assert [text for text, _ in api.log.failures] == ["The rows of the exchange cannot be read"]


@pytest.mark.parametrize(
    ("tool_call", "reason"),
    [
        ({}, "a tool call in message 3 has no result"),
        *(
            ({"functionArguments": text}, "the arguments of a tool call in message 3 are not valid JSON")
            for text in (None, "", '{"task": "mil', "{} // a comment")
        ),
        ({"id": ""}, "a tool call in message 3 has no id or no function name"),
        ({"functionName": None}, "a tool call in message 3 has no id or no function name"),
    ],
    ids=str,
)
def test_a_conversation_that_cannot_continue_is_a_409_with_the_reason(
    api: Api, tool_call: dict[str, object], reason: str
) -> None:
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function", **tool_call}
    conversation(api.tables, "a")
    calls = {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])}
    exchange(api.tables, calls)("a", "Add milk")
    api.run.outcome = FAILED

    response = api.post()

    assert (response.status_code, response.headers.get("Retry-After")) == (409, None)
    assert reason in body_of(response)["detail"]


def test_a_tool_call_that_has_its_result_does_not_end_the_conversation(api: Api) -> None:
    conversation(api.tables, "a")
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": "{}"}
    calls = {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])}
    exchange(api.tables, calls, {"Role": "Tool", "Content": "done", "Name": "c1"})("a", "Add milk")
    api.run.outcome = FAILED
    assert refusal(api) == (503, False, "10")


@pytest.mark.parametrize(
    ("total", "limit", "expected"),
    [
        (2048, 0, (409, 0, "it has 2048 messages, and with a new one no model accepts more than 2048")),
        (2046, 0, (409, 1, "it has 2046 messages, and a model accepts 2048")),
        (2045, 0, (503, 1, "only the app's log contains the reason")),
        (4, 5, (409, 0, "it has 4 messages, a post adds at least 2, and this app allows 5")),
        (4, 6, (503, 1, "only the app's log contains the reason")),
    ],
)
def test_a_post_beyond_the_message_limit_of_models_or_of_the_app_is_a_409(
    api: Api, total: int, limit: int, expected: tuple[int, int, str]
) -> None:
    conversation(api.tables, "a", total=total)
    api.settings = replace(api.settings, max_conversation_messages=limit)
    api.run.outcome = FAILED

    response = api.post()

    status, calls, words = expected
    assert (response.status_code, len(api.run.calls)) == (status, calls)
    assert words in body_of(response)["detail"]


@pytest.mark.parametrize(
    ("context_tokens", "cause", "status"),
    [
        (0, None, 503),
        (104, None, 409),
        (105, None, 503),
        (104, Cause.AVAILABLE, 409),
        (104, Cause.DENIED, 502),
    ],
)
def test_after_a_failure_a_history_beyond_the_context_of_an_available_model_is_a_409(
    api: Api, context_tokens: int, cause: Cause | None, status: int
) -> None:
    conversation(api.tables, "a", tokens=95)
    api.settings = replace(api.settings, model=replace(api.settings.model, context_tokens=context_tokens))
    api.run.outcome = FAILED
    api.model_answer = cause and ModelAnswer(cause)

    response = api.post("text" * 10)

    assert response.status_code == status
    is_too_long = "with the new message it has 105 tokens, and the model accepts 104"
    assert (is_too_long in body_of(response)["detail"]) is (status == 409)


# A call without a result may still write.


def lose_a_call(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """A post of "Hi" without an answer, whose lease has expired. Returns its lockedUntil."""
    with monkeypatch.context() as patch:
        patch.setattr(leases, "CALL_SECONDS", -1)
        api.run = Run()
        api.run.outcome = NO_RESULT
        response = api.post()
    assert response.status_code == 504
    api.run.outcome, api.run.write = DONE, exchange(api.tables, HELLO)
    return body_of(response)["lockedUntil"]


def test_after_a_call_without_a_result_the_lease_stays(api: Api) -> None:
    conversation(api.tables, "a")
    api.run.outcome = NO_RESULT
    assert [refusal(api)[0], refusal(api)[0]] == [504, 409]
    (row,) = rows_of(api.tables.leases, "a")
    assert (row["Purpose"], row["Seconds"]) == ("call", 230), "as long as Azure's front end waits"


def test_a_pending_call_prevents_put_and_delete_until_its_rows_exist(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a", "Hi", "Hello.")
    locked_until = lose_a_call(api, monkeypatch)
    rows = rows_of(api.tables.chat_state, "a")

    assert api.put().status_code == 409
    conflict = api.delete()
    assert (conflict.status_code, conflict.headers["Retry-After"]) == (409, "60")
    still_until = datetime.fromisoformat(body_of(conflict)["lockedUntil"])
    assert abs(still_until - datetime.fromisoformat(locked_until)) < timedelta(seconds=30)
    assert f"until {body_of(conflict)['lockedUntil']}" in body_of(conflict)["detail"]
    assert rows_of(api.tables.chat_state, "a") == rows

    exchange(api.tables, HELLO)("a", "Hi")
    assert api.delete().status_code == 204
    assert rows_of(api.tables.leases, "a") == []


def test_a_pending_call_that_writes_nothing_locks_its_assistant_for_four_hours(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a")
    locked = datetime.fromisoformat(lose_a_call(api, monkeypatch)) - datetime.now(UTC)
    assert timedelta(hours=3, minutes=59) < locked < timedelta(hours=4, minutes=1)

    monkeypatch.setattr(leases, "PENDING_CALL_SECONDS", 0)
    lose_a_call(api, monkeypatch)
    assert api.delete().status_code == 204


def test_another_message_can_be_posted_while_a_call_is_pending(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a")
    lose_a_call(api, monkeypatch)

    assert api.post("Again").status_code == 200

    # Of two calls that read the same conversation the table service takes one. Were its rows gone, it would
    # take those of the other.
    assert (api.delete().status_code, api.put().status_code) == (409, 409)
    assert api.post().status_code == 200
    assert api.delete().status_code == 409, "what a later post has written is not that call's either"


def test_a_post_after_late_rows_ends_the_lock(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation(api.tables, "a")
    lose_a_call(api, monkeypatch)
    exchange(api.tables, HELLO)("a", "Hi")
    assert api.post("Again").status_code == 200
    assert api.delete().status_code == 204


def test_a_post_that_is_rejected_before_its_call_keeps_the_record_of_a_pending_one(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a", "Hi", "Hello.")
    lose_a_call(api, monkeypatch)
    api.settings = replace(api.settings, max_conversation_messages=3)
    assert refusal(api)[0] == 409
    (row,) = rows_of(api.tables.leases, "a")
    assert (row["Purpose"], row["Seconds"], row["MessagesBefore"]) == ("pending", 0, 3)
    assert 14_300 < row["CallSeconds"] <= 14_400
    assert api.delete().status_code == 409
    exchange(api.tables, HELLO)("a", "Hi")
    assert api.delete().status_code == 204


def test_a_worker_that_crashes_after_its_call_leaves_a_pending_call(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a")
    monkeypatch.setattr(leases, "CALL_SECONDS", -1)
    api.run.write = failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        api.post()
    assert api.delete().status_code == 409
    api.run.write = exchange(api.tables, HELLO)
    assert api.post().status_code == 200


def test_a_worker_that_crashes_before_its_call_blocks_its_assistant_for_at_most_30_seconds(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a")
    monkeypatch.setattr(posts, "_check_before_call", failing(KeyboardInterrupt()))
    monkeypatch.setattr(Lease, "release", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        api.post()
    (row,) = rows_of(api.tables.leases, "a")
    assert row["Seconds"] <= 30
    assert "CallSeconds" not in row


def test_a_lease_that_cannot_be_released_does_not_change_the_reply(
    api: Api, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    conversation(tables, "a")
    api.tables = with_methods(tables, "leases", delete_entity=failing(HttpResponseError("no role")))
    api.run.write = exchange(tables, HELLO)

    response = api.post()

    assert (response.status_code, body_of(response)["reply"]) == (200, "Hello.")
    post.write_log(api.log, response.status_code)
    assert "The lease of a could not be released and will expire" in caplog.text
    assert "HttpResponseError: no role" in caplog.text
    api.tables = tables
    assert api.delete().status_code == 204, "its rows exist"
