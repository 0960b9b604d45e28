"""The deployed app over HTTP, and the rows that it leaves in ChatState.

Source: the page "Azure OpenAI assistant create output binding for Azure Functions".
"""

import datetime
import json
import re
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Answer

TWO_SENTENCES = [
    "Don't make assumptions about what values to plug into functions.",
    "Ask for clarification if a user request is ambiguous.",
]
HOSTILE_PATHS = {
    "quote": "x'",
    "injection": "x'%20or%20PartitionKey%20ne%20'",
    "injection, escaped twice": "x%2527%2520or%2520PartitionKey%2520ne%2520%2527",
    "slash": "a%2Fb",
    "backslash": "a%5Cb",
    "newline at the end": "abc%0A",
    "NUL": "abc%00",
    "65 characters": "a" * 65,
    "dot": "a.b",
    "space": "a%20b",
    "look-alike letter": "%D0%B0bc",
    "hash": "a%23b",
    "question mark": "a%3Fb",
    "percent": "a%25",
}


@pytest.fixture
def assistant_id() -> str:
    return f"e2e-{uuid.uuid4().hex}"


def put(target: Target, assistant_id: str, body: object = None) -> Answer:
    content = None if body is None else json.dumps(body).encode()
    return target.send("PUT", f"/{assistant_id}", content, {"content-type": "application/json"})


def test_put_answers_202_with_the_id(target: Target, assistant_id: str) -> None:
    answer = put(target, assistant_id)

    assert answer.status == 202
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert answer.json() == {"assistantId": assistant_id}


def test_the_rows_are_those_of_the_extension(target: Target, assistant_id: str) -> None:
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=5)
    put(target, assistant_id)

    message, state = sorted(target.rows(assistant_id), key=lambda row: row["RowKey"])

    created = [message.pop("CreatedAt"), state.pop("CreatedAt"), state.pop("LastUpdatedAt")]
    content = message.pop("Content")
    assert message == {"PartitionKey": assistant_id, "RowKey": "msg-0001", "Role": "System", "ToolCalls": ""}
    assert state == {
        "PartitionKey": assistant_id,
        "RowKey": "state",
        "Exists": True,
        "TotalMessages": 1,
        "TotalTokens": 0,
    }
    assert [line for line in content.splitlines() if line] == TWO_SENTENCES
    for moment in created:
        assert isinstance(moment, datetime.datetime)
        assert before <= moment <= datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)


def test_dates_have_seven_fraction_digits_and_numbers_are_int32(target: Target, assistant_id: str) -> None:
    put(target, assistant_id)

    text = raw_entity(target.table, assistant_id, "state")

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", text["CreatedAt"])
    assert text["CreatedAt@odata.type"] == "Edm.DateTime"
    assert text["LastUpdatedAt@odata.type"] == "Edm.DateTime"
    assert isinstance(
        text["TotalMessages"], int
    )  # JSON carries Int32 bare; Int64 would be a string with a type
    assert "TotalMessages@odata.type" not in text or text["TotalMessages@odata.type"] == "Edm.Int32"
    assert text["Exists"] is True


def raw_entity(table: Any, partition: str, row: str) -> dict[str, Any]:
    """The entity as it is on the wire: the client rounds dates to microseconds."""
    seen: list[str] = []

    def keep(response: Any) -> None:
        seen.append(response.http_response.text())

    table.get_entity(
        partition, row, headers={"Accept": "application/json;odata=fullmetadata"}, raw_response_hook=keep
    )
    return json.loads(seen[0])


def test_a_body_may_carry_instructions(target: Target, assistant_id: str) -> None:
    answer = put(target, assistant_id, {"instructions": "Sprich Deutsch. 🙂"})

    assert answer.status == 202
    contents = [row["Content"] for row in target.rows(assistant_id) if row["RowKey"] == "msg-0001"]
    assert contents == ["Sprich Deutsch. 🙂"]


def test_a_second_put_replaces_the_first(target: Target, assistant_id: str) -> None:
    put(target, assistant_id, {"instructions": "first"})
    target.table.create_entity(
        {"PartitionKey": assistant_id, "RowKey": "msg-0002", "Content": "a user's words"}
    )

    put(target, assistant_id, {"instructions": "second"})

    rows = {row["RowKey"]: row for row in target.rows(assistant_id)}
    assert set(rows) == {"msg-0001", "state"}
    assert rows["msg-0001"]["Content"] == "second"


def test_instructions_may_be_as_long_as_a_table_string(target: Target, assistant_id: str) -> None:
    longest = "🙂" * 16_384  # two UTF-16 units each

    assert put(target, assistant_id, {"instructions": longest}).status == 202

    contents = [row["Content"] for row in target.rows(assistant_id) if row["RowKey"] == "msg-0001"]
    assert contents == [longest]


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'{"instructions": "' + b"a" * 32_769 + b'"}', "instructions"),
        (b'{"instructions": 7}', "instructions"),
        (b'{"instruction": "x"}', "instruction"),
        (b"[]", "body"),
        (b"{", "body"),
        (b"\xff", "body"),
    ],
    ids=["too long", "not a string", "unknown member", "array", "not JSON", "not UTF-8"],
)
def test_a_refused_body_is_a_400_problem_and_leaves_the_rows_alone(
    target: Target, assistant_id: str, body: bytes, member: str
) -> None:
    put(target, assistant_id, {"instructions": "kept"})
    before = target.rows(assistant_id)

    answer = target.send("PUT", f"/{assistant_id}", body, {"content-type": "application/json"})

    assert answer.status == 400
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert member in answer.body.decode()
    assert target.rows(assistant_id) == before


@pytest.mark.parametrize("path", HOSTILE_PATHS.values(), ids=HOSTILE_PATHS.keys())
def test_a_hostile_id_is_refused_and_touches_no_row_of_another(
    target: Target, assistant_id: str, path: str
) -> None:
    put(target, assistant_id, {"instructions": "the victim"})
    before = target.rows(assistant_id)

    answer = target.send("PUT", f"/{path}")

    assert answer.status in {400, 404}
    assert target.rows(assistant_id) == before


def test_without_a_key_the_answer_is_401(target: Target, assistant_id: str) -> None:
    answer = target.send_to(f"{target.assistants_url}/{assistant_id}", "PUT")

    assert answer.status == 401
    assert target.rows(assistant_id) == []


@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
def test_another_method_is_404(target: Target, assistant_id: str, method: str) -> None:
    assert target.send(method, f"/{assistant_id}").status == 404


def test_health_answers_the_hash_of_the_package_without_a_key(target: Target) -> None:
    answer = target.send_to(target.assistants_url.removesuffix("/assistants") + "/health", "GET")

    assert answer.status == 200
    assert re.fullmatch(r"[0-9a-f]{64}", answer.json()["package"])


def test_an_assistant_is_created_once_shown_listed_and_deleted(target: Target, assistant_id: str) -> None:
    created = target.send("PUT", f"/{assistant_id}", headers={"if-none-match": "*"})
    assert (created.status, created.headers["Assistant-Replaced"]) == (202, "false")
    assert target.send("PUT", f"/{assistant_id}", headers={"if-none-match": "*"}).status == 412
    assert put(target, assistant_id).headers["Assistant-Replaced"] == "true"

    shown = target.send("GET", f"/{assistant_id}").json()
    assert (shown["assistantId"], shown["totalMessages"], shown["messages"]) == (assistant_id, 1, [])
    listed = target.send("GET", "?limit=100").json()
    assert assistant_id in {one["assistantId"] for one in listed["assistants"]}

    assert [target.send("DELETE", f"/{assistant_id}").status for _ in range(2)] == [204, 204]
    assert target.rows(assistant_id) == []
    gone = target.send("GET", f"/{assistant_id}")
    assert (gone.status, gone.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("message", ["Hello!", "2026-11-25T10:00:00.000Z", 'ü 🙂 " \\ {x} %41\r\n' * 100])
def test_a_message_is_answered_and_stored_as_it_is(target: Target, assistant_id: str, message: str) -> None:
    put(target, assistant_id)

    answer = target.post(assistant_id, message)

    assert answer.status == 200, answer.body
    body = answer.json()
    assert body["reply"] == body["messages"][-1]["content"] != ""
    assert [one["role"] for one in body["messages"]] == ["User", "Assistant"]
    assert body["totalTokens"] > 0
    (stored,) = [row["Content"] for row in target.rows(assistant_id) if row["RowKey"] == "msg-0002"]
    assert stored == message
    assert target.send("GET", f"/{assistant_id}").json()["messages"] == body["messages"]


def test_the_documentations_forms_answer_as_the_extensions_sample(target: Target, assistant_id: str) -> None:
    put(target, assistant_id, {"instructions": "Be brief."})
    told = target.send("POST", f"/{assistant_id}?message=Hi%20there")
    assert (told.status, told.headers["Content-Type"].split(";")[0]) == (200, "text/plain")

    asked = target.send("GET", f"/{assistant_id}?timestampUTC=2020-01-01T00:00:00Z").json()

    assert (asked["id"], asked["exists"], asked["totalMessages"]) == (assistant_id, True, 3)
    roles = [one["role"] for one in asked["recentMessages"] if one["role"] != "System"]
    assert roles == ["User", "Assistant"]
    assert asked["recentMessages"][-1]["content"] == told.body.decode()


def test_a_message_to_nobody_is_404_and_one_without_words_400(target: Target, assistant_id: str) -> None:
    for answer in (target.post(assistant_id, "Hi"), target.send("POST", f"/{assistant_id}?message=Hi")):
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    for answer in (target.post(assistant_id, ""), target.send("POST", f"/{assistant_id}?message=")):
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert target.rows(assistant_id) == []


def test_an_assistant_uses_its_skills(target: Target, assistant_id: str) -> None:
    put(target, assistant_id)
    task = f"buy milk {assistant_id[-8:]}"

    added = target.post(assistant_id, f"Please add a todo: {task}").json()
    asked = target.post(assistant_id, f"Please get todos: {assistant_id[-8:]}").json()

    calls = {call["id"]: call["functionName"] for one in added["messages"] for call in one["toolCalls"]}
    results = {one["toolCallId"]: one["content"] for one in added["messages"] if one["role"] == "Tool"}
    assert set(calls.values()) == {"AddTodo"}
    assert results.keys() == calls.keys()
    assert any(f"Added: {task}" in result for result in results.values())
    assert any(f"- {task}" in one["content"] for one in asked["messages"] if one["role"] == "Tool")
    assert added["reply"] == added["messages"][-1]["content"] != ""


def test_the_openapi_document_needs_no_key_and_names_this_api(target: Target) -> None:
    url = target.assistants_url.removesuffix("/assistants")
    answer = target.send_to(f"{url}/openapi.json", "GET")
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "application/json")
    assert answer.json()["openapi"].startswith("3.1")
    assert "/assistants/{assistantId}/messages" in answer.json()["paths"]
