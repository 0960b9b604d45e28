"""The deployed app over HTTP, and the rows that it leaves in ChatState.

Source: the page "Azure OpenAI assistant create output binding for Azure Functions".
"""

import json
import re
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Answer

INSTRUCTIONS = (
    "Don't make assumptions about what values to plug into functions.\n"
    "Ask for clarification if a user request is ambiguous."
)
PROBLEM = "application/problem+json"


@pytest.fixture
def assistant_id() -> str:
    return f"e2e-{uuid.uuid4().hex}"


def put(target: Target, assistant_id: str, instructions: str | None = None) -> Answer:
    content = None if instructions is None else json.dumps({"instructions": instructions}).encode()
    return target.send("PUT", f"/{assistant_id}", content, {"content-type": "application/json"})


def media_type(response: Answer) -> str:
    return response.headers["Content-Type"].split(";")[0]


def test_a_put_writes_the_rows_of_the_extension(target: Target, assistant_id: str) -> None:
    response = put(target, assistant_id)
    assert (response.status, media_type(response)) == (202, "application/json")
    assert response.json() == {"assistantId": assistant_id}

    bodies: list[dict[str, Any]] = []

    def keep(response: Any) -> None:
        bodies.append(json.loads(response.http_response.text()))

    for row_key in ("msg-0001", "state"):
        target.table.get_entity(
            assistant_id,
            row_key,
            # As on the wire: the client rounds dates to microseconds.
            headers={"Accept": "application/json;odata=fullmetadata"},
            raw_response_hook=keep,
        )
    message, state = bodies
    for row, name in ((message, "CreatedAt"), (state, "CreatedAt"), (state, "LastUpdatedAt")):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", row[name])
        assert row[f"{name}@odata.type"] == "Edm.DateTime"
    # JSON has Int32 without a type; Int64 would be a string with one.
    counts = [state["Exists"], state["TotalMessages"], state["TotalTokens"]]
    assert (counts, [type(count) for count in counts]) == ([True, 1, 0], [bool, int, int])
    assert state.get("TotalMessages@odata.type") in (None, "Edm.Int32")
    assert (message["Role"], message["Content"], message["ToolCalls"]) == ("System", INSTRUCTIONS, "")
    assert len(target.rows(assistant_id)) == 2


def test_a_second_put_replaces_the_conversation(target: Target, assistant_id: str) -> None:
    put(target, assistant_id, "first")
    target.table.create_entity({"PartitionKey": assistant_id, "RowKey": "msg-0002", "Content": "Hi"})
    longest = "🙂" * 16_384  # two UTF-16 units each

    assert put(target, assistant_id, longest).headers["Assistant-Replaced"] == "true"

    rows = {row["RowKey"]: row.get("Content") for row in target.rows(assistant_id)}
    assert rows == {"msg-0001": longest, "state": None}


HELLO = b'{"message": "Hello"}'
REQUESTS = [
    *(("PUT", "", body) for body in (b"", b'{"instructions": "mine now"}')),
    *(("POST", "/messages", HELLO), ("POST", "?message=Hello", b""), ("POST", "/run", HELLO)),
    *(("GET", "", None), ("GET", "?timestampUTC=2020-01-01", None), ("DELETE", "", None)),
]


@pytest.mark.parametrize(
    "path", ["x'", "x'%20or%20PartitionKey%20ne%20'", "x%2527", "a%2Fb", "{id}%0A", "{id}%00", "{id}%2Fx"]
)
def test_an_invalid_id_or_body_changes_no_row(target: Target, assistant_id: str, path: str) -> None:
    put(target, assistant_id, "kept")
    rows = target.rows(assistant_id)

    invalid = [
        target.send(method, f"/{path.replace('{id}', assistant_id)}{rest}", body)
        for method, rest, body in REQUESTS
    ]

    for response in (*invalid, target.send("PUT", f"/{assistant_id}", b'{"instruction": "x"}')):
        assert response.status in (400, 404)
        assert not response.body or media_type(response) == PROBLEM
    assert target.rows(assistant_id) == rows


def test_without_a_key_the_answer_is_401_and_with_another_method_404(
    target: Target, assistant_id: str
) -> None:
    url = f"{target.assistants_url}/{assistant_id}"
    assert target.send_to(url, "PUT").status == 401
    assert [target.send(method, f"/{assistant_id}").status for method in ("PATCH", "HEAD")] == [404, 404]
    assert target.rows(assistant_id) == []


def test_health_the_openapi_document_and_the_chat_page_need_no_key(target: Target) -> None:
    url = target.assistants_url.removesuffix("/assistants")
    health = target.send_to(f"{url}/health", "GET")
    assert health.status == 200
    assert re.fullmatch(r"[0-9a-f]{64}", health.json()["package"])
    document = target.send_to(f"{url}/openapi.json", "GET")
    assert (document.status, media_type(document)) == (200, "application/json")
    assert "/assistants/{assistantId}/messages" in document.json()["paths"]
    page = target.send_to(f"{url}/chat", "GET")
    if page.status != 404:  # the setting chatPage is off
        assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_an_assistant_is_created_once_read_listed_and_deleted(target: Target, assistant_id: str) -> None:
    only_if_new = {"if-none-match": "*"}
    created = target.send("PUT", f"/{assistant_id}", headers=only_if_new)
    assert (created.status, created.headers["Assistant-Replaced"]) == (202, "false")
    assert target.send("PUT", f"/{assistant_id}", headers=only_if_new).status == 412

    assistant = target.send("GET", f"/{assistant_id}").json()
    assert (assistant["assistantId"], assistant["messages"]) == (assistant_id, [])
    assistants = target.send("GET", "?limit=100").json()["assistants"]
    assert assistant_id in {assistant["assistantId"] for assistant in assistants}

    assert [target.send("DELETE", f"/{assistant_id}").status for _ in range(2)] == [204, 204]
    assert target.rows(assistant_id) == []
    missing = target.send("GET", f"/{assistant_id}")
    assert (missing.status, media_type(missing)) == (404, PROBLEM)


@pytest.mark.parametrize(
    "message",
    [
        "Hello!",
        # What the host could take for a date, or for an expression of a binding.
        *("2026-11-25T10:00:00.000Z", "/Date(1700000000000)/", "{assistantId} %AzureWebJobsStorage%"),
        'ü 🙂 " \\ {x} %41\r\n' * 100,
    ],
)
def test_texts_are_stored_as_they_were_sent(target: Target, assistant_id: str, message: str) -> None:
    put(target, assistant_id, message)

    response = target.post(assistant_id, message)

    assert response.status == 200, response.body
    body = response.json()
    assert body["reply"] == body["messages"][-1]["content"] != ""
    assert [added["role"] for added in body["messages"]] == ["User", "Assistant"]
    assert body["totalTokens"] > 0
    stored = {row["RowKey"]: row.get("Content") for row in target.rows(assistant_id)}
    assert (stored.get("msg-0001"), stored.get("msg-0002")) == (message, message)
    assert target.send("GET", f"/{assistant_id}").json()["messages"] == body["messages"]


def test_the_documentations_forms_answer_as_the_extensions_sample(target: Target, assistant_id: str) -> None:
    put(target, assistant_id, "Be brief.")
    reply = target.send("POST", f"/{assistant_id}?message=Hi%20there")
    assert (reply.status, media_type(reply)) == (200, "text/plain")

    state = target.send("GET", f"/{assistant_id}?timestampUTC=2020-01-01T00:00:00Z").json()

    assert (state["id"], state["exists"], state["totalMessages"]) == (assistant_id, True, 3)
    messages = [(row["role"], row["content"]) for row in state["recentMessages"] if row["role"] != "System"]
    assert messages == [("User", "Hi there"), ("Assistant", reply.body.decode())]


def test_an_assistant_uses_its_skills(target: Target, assistant_id: str) -> None:
    put(target, assistant_id)
    task = f"buy milk {assistant_id[-8:]}"

    added = target.post(assistant_id, f"Please add a todo: {task}").json()
    listed = target.post(assistant_id, f"Please get todos: {assistant_id[-8:]}").json()

    calls = {call["id"]: call["functionName"] for row in added["messages"] for call in row["toolCalls"]}
    results = {row["toolCallId"]: row["content"] for row in added["messages"] if row["role"] == "Tool"}
    assert set(calls.values()) == {"AddTodo"}
    assert results.keys() == calls.keys()
    assert any(f"Added: {task}" in content for content in results.values())
    assert any(f"- {task}" in row["content"] for row in listed["messages"] if row["role"] == "Tool")
    assert added["reply"] == added["messages"][-1]["content"] != ""
