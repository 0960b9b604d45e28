"""Posting a message: what is refused before the model is asked, and what the rows tell afterwards."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest
from assistants import conversations, leases, post
from assistants.leases import Lease
from assistants.own_call import Called, Outcome
from assistants.settings import Settings
from assistants.storage import Tables
from azure.data.tables import EdmType

from tests.unit.function_app.conftest import conversation, request, rows_of
from tests.unit.function_app.test_create import HOSTILE_IDS, NOTHING, SMILE
from tests.unit.function_app.test_remove import created, put

DONE = Called(Outcome.DONE, 200)
FAILED = Called(Outcome.FAILED, 500)


class Run:
    """Stands for the bound function: writes what the extension would, and says how the call ended."""

    def __init__(self, called: Called = DONE, write: Callable[[str, str], None] | None = None) -> None:
        self.called = called
        self.write = write
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, assistant_id: str, message: str, key: str) -> Called:
        self.asked.append((assistant_id, message, key))
        if self.write is not None:
            self.write(assistant_id, message)
        return self.called


def adding(tables: Tables, *rows: dict[str, str]) -> Callable[[str, str], None]:
    """One exchange in one go: the message, then `rows`, and the state."""

    def write(assistant_id: str, message: str) -> None:
        table = tables.chat_state
        state = table.get_entity(assistant_id, "state")
        for row in ({"Role": "User", "Content": message}, *rows):
            state["TotalMessages"] += 1
            table.create_entity(
                {
                    "PartitionKey": assistant_id,
                    "RowKey": f"msg-{state['TotalMessages']:04X}",
                    "CreatedAt": ("2026-11-25T09:00:00.1234567Z", EdmType.DATETIME),
                    "ToolCalls": "",
                    **row,
                }
            )
        state["TotalTokens"] = 42
        table.update_entity(state)

    return write


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
    asked = request("POST", assistant_id, body=content, headers=named)
    return post.respond(asked, settings, tables, run)


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    return json.loads(response.get_body())


def test_the_answer_is_the_reply_and_all_that_was_added(settings: Settings, tables: Tables) -> None:
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
    shown = [(one["number"], one["role"], one["content"], one["toolCalls"]) for one in body.pop("messages")]
    assert shown == [
        (4, "User", "Hi", []),
        (5, "Assistant", "", [call]),
        (6, "Tool", "done", []),
        (7, "Assistant", "Added.", []),
        (8, "Assistant", "", []),
    ]
    assert body == {"assistantId": "a", "reply": "Added.", "totalMessages": 8, "totalTokens": 42}
    assert rows_of(tables.leases, "a") == [], "the lease is given back"


def test_the_documentations_form_answers_the_reply_as_text(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Grüße."}))

    response = post.respond_as_text(request("POST", "a", query={"message": "Hi"}), settings, tables, run)

    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert response.get_body().decode() == "Grüße."
    assert run.asked == [("a", "Hi", "")]


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
def test_a_refused_message_is_a_400_and_neither_table_nor_model_is_asked(
    settings: Settings, body: object, name: str | None
) -> None:
    nothing: Any = None
    run = Run()
    response = send(settings, nothing, run, body)
    assert response.status_code == 400
    assert body_of(response)["errors"][0].get("name") == name
    assert run.asked == []


@pytest.mark.parametrize("query", [{}, {"message": "\x00"}], ids=str)
def test_the_documentations_form_refuses_the_same(settings: Settings, query: dict[str, str]) -> None:
    nothing: Any = None
    response = post.respond_as_text(request("POST", "a", query=query), settings, nothing, Run())
    assert (response.status_code, body_of(response)["errors"][0]["in"]) == (400, "query")


@pytest.mark.parametrize("assistant_id", [one for one in HOSTILE_IDS if one])
def test_a_hostile_id_reaches_neither_table_nor_model(settings: Settings, assistant_id: str) -> None:
    nothing: Any = None
    run = Run()
    assert send(settings, nothing, run, assistant_id=assistant_id).status_code == 400
    asked = request("POST", assistant_id, query={"message": "Hi"})
    assert post.respond_as_text(asked, settings, nothing, run).status_code == 400
    assert run.asked == []


def test_a_missing_assistant_is_a_404_without_a_call(settings: Settings) -> None:
    run = Run()
    response = send(settings, NOTHING, run)
    assert (response.status_code, response.mimetype, run.asked) == (404, "application/problem+json", [])


def test_while_another_posts_the_answer_is_409_and_the_model_is_not_asked(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    first = leases.acquire(tables, "a")
    run = Run()

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.asked) == (409, False, [])
    assert int(response.headers["Retry-After"]) >= 1
    assert isinstance(first, Lease)
    leases.release(tables.leases, first)
    assert send(settings, tables, Run(write=adding(tables))).status_code == 200


def test_until_the_rows_of_a_create_are_there_the_answer_is_409_and_the_model_is_not_asked(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    assert put(tables, "a") == (202, "true", 1)
    run = Run()

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.asked) == (409, False, [])
    created(tables, "a")
    assert send(settings, tables, Run(write=adding(tables))).status_code == 200
    assert rows_of(tables.leases, "a") == []


def test_between_the_deletes_and_the_insert_of_a_create_the_answer_is_409_and_not_404(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    put(tables, "a")
    conversations.delete(tables.chat_state, "a")
    assert problem_of(settings, tables, Run()) == (409, False, "5")


@pytest.mark.parametrize("total", [1, 3])
def test_messages_that_the_state_does_not_count_end_a_conversation_before_the_model_is_asked(
    settings: Settings, tables: Tables, total: int
) -> None:
    conversation(tables.chat_state, "a", *("text",) * 4)
    state = tables.chat_state.get_entity("a", "state")
    tables.chat_state.update_entity({**state, "TotalMessages": total})
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))

    response = send(settings, tables, run)

    assert (response.status_code, body_of(response)["messageStored"], run.asked) == (409, False, [])
    assert "Retry-After" not in response.headers
    assert f"msg-{total + 1:04X} lies behind msg-{total:04X}" in body_of(response)["detail"]
    assert rows_of(tables.leases, "a") == []


@pytest.mark.parametrize("meanwhile", [0, 1, 6])
def test_what_another_wrote_before_the_lease_was_taken_is_neither_taken_for_damage_nor_for_the_answer(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch, meanwhile: int
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    acquire = leases.acquire

    def after_another(*arguments: Any) -> Any:
        conversations.delete(tables.chat_state, "a")
        conversation(tables.chat_state, "a", *("text",) * meanwhile)
        return acquire(*arguments)

    monkeypatch.setattr(leases, "acquire", after_another)
    response = send(settings, tables, Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."})))

    assert response.status_code == 200
    assert [one["content"] for one in body_of(response)["messages"]] == ["Hi", "Yes."]


def test_of_many_posts_at_once_each_is_stored_or_told_that_it_is_not(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    together = threading.Barrier(8)
    statuses: list[int] = []

    def one(number: int) -> None:
        together.wait(30)
        statuses.append(send(settings, tables, run, {"message": f"text {number}"}).status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    stored = [row for row in rows_of(tables.chat_state, "a") if row.get("Role") == "User"]
    assert set(statuses) <= {200, 409}
    assert statuses.count(200) == len(stored) == len(run.asked) >= 1


def problem_of(settings: Settings, tables: Tables, run: Run) -> tuple[int, bool | None, str | None]:
    response = send(settings, tables, run)
    assert response.mimetype == "application/problem+json"
    return response.status_code, body_of(response)["messageStored"], response.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        (FAILED, (503, False, "10")),
        (Called(Outcome.REFUSED, 429), (503, False, "5")),
        (Called(Outcome.REFUSED, 503), (503, False, "5")),
        (Called(Outcome.REFUSED, 401), (502, False, None)),
        (Called(Outcome.REFUSED, 404), (502, False, None)),
        (Called(Outcome.UNREACHABLE), (503, False, "5")),
        (Called(Outcome.LOST), (504, None, None)),
        (DONE, (502, False, None)),
    ],
    ids=str,
)
def test_a_call_that_wrote_nothing_is_a_problem_that_says_so(
    settings: Settings, tables: Tables, called: Called, expected: tuple[int, bool | None, str | None]
) -> None:
    conversation(tables.chat_state, "a")
    assert problem_of(settings, tables, Run(called)) == expected


def test_a_failure_that_may_never_pass_says_so_and_that_skills_may_have_run(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a")
    detail = body_of(send(settings, tables, Run(FAILED)))["detail"]
    for said in (
        "more than 32768 UTF-16 units",
        "more than 99 new messages",
        "Skills that the model called may",
    ):
        assert said in detail


def test_after_a_lost_call_nobody_writes_until_the_lease_ends(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    send(settings, tables, Run(Called(Outcome.LOST)))
    assert problem_of(settings, tables, Run())[0] == 409


@pytest.mark.parametrize("called", [FAILED, Called(Outcome.LOST)], ids=str)
def test_what_is_stored_is_answered_however_the_call_ended(
    settings: Settings, tables: Tables, called: Called
) -> None:
    conversation(tables.chat_state, "a")
    run = Run(called, adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    assert body_of(send(settings, tables, run))["reply"] == "Yes."


def test_who_lost_against_another_writer_is_told_so(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")

    def other(assistant_id: str, _message: str) -> None:
        adding(tables, {"Role": "Assistant", "Content": "Yes."})(assistant_id, "of somebody else")

    assert problem_of(settings, tables, Run(FAILED, other)) == (409, False, "1")


def test_deleted_meanwhile_is_a_404_that_says_what_is_not_stored(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")

    def delete(assistant_id: str, _message: str) -> None:
        tables.chat_state.delete_entity(assistant_id, "state")

    assert problem_of(settings, tables, Run(FAILED, delete)) == (404, False, None)


@pytest.mark.parametrize(("arguments", "reason"), [("{}", "has no result"), ('{"task":"mi', "are no JSON")])
def test_a_conversation_that_can_never_go_on_is_named(
    settings: Settings, tables: Tables, arguments: str, reason: str
) -> None:
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": arguments, "kind": "Function"}
    conversation(tables.chat_state, "a")
    adding(tables, {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])})("a", "Add milk")

    response = send(settings, tables, Run(FAILED))

    assert response.status_code == 409
    assert "Retry-After" not in response.headers
    assert f"msg-0003 {reason}" in body_of(response)["detail"]


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
def test_the_key_that_the_host_took_goes_with_the_call_wherever_the_client_put_it(
    settings: Settings, tables: Tables, raw_query: str, headers: dict[str, str], key: str
) -> None:
    conversation(tables.chat_state, "a")
    run = Run()
    asked = request("POST", "a", query={"message": "Hi"}, raw_query=raw_query, headers=headers)
    post.respond_as_text(asked, settings, tables, run)
    anonymous = replace(settings, http_auth_level=func.AuthLevel.ANONYMOUS)
    post.respond_as_text(asked, anonymous, tables, run)
    assert [key for _, _, key in run.asked] == [key, ""]


def test_a_bound_function_that_is_not_there_is_named(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    response = send(settings, tables, Run(Called(Outcome.REFUSED, 404)))
    assert response.status_code == 502
    assert "RunAssistant is disabled" in body_of(response)["detail"]
