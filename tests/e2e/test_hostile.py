"""Hostile ids and texts over HTTP: the whole table is compared, row by row."""

import http.client
import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.e2e.conftest import Target
from tests.hostile import VICTIM
from tests.workspace import Answer

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ, reason="compares a table that nobody else writes: local Azure only"
)

HELLO = json.dumps({"message": "Hello"}).encode()
# Method, what follows the id, body. RunAssistant, last, has a binding in front of its code, so that only the
# route constraint can reject an id.
ROUTES: list[tuple[str, str, bytes | None]] = [
    ("PUT", "", b'{"instructions": "mine now"}'),
    ("GET", "", None),
    ("GET", "?timestampUTC=2020-01-01T00:00:00Z", None),
    ("POST", "/messages", HELLO),
    ("POST", "?message=Hello", b""),
    ("DELETE", "", None),
    ("POST", "/run", b'{"message": "Hello", "rest": ""}'),
]
Send = Callable[[str, str, bytes | None], Answer]


@pytest.fixture(scope="module")
def send(target: Target) -> Iterator[Send]:
    """Over one connection: handshakes would take most of the time. The path follows the assistants URL."""
    url = urlsplit(target.assistants_url)
    connection = http.client.HTTPSConnection(url.netloc, timeout=60, context=target.trusted)
    headers = {"x-functions-key": target.key, "content-type": "application/json"}

    def send_request(method: str, path: str, body: bytes | None) -> Answer:
        connection.request(method, f"{url.path}{path}", body, headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())

    yield send_request
    connection.close()


@pytest.fixture
def rows_before(send: Send, target: Target) -> list[dict[str, Any]]:
    """The table with an assistant that has a row of each kind: a tool was called."""
    assert send("PUT", f"/{VICTIM}", b'{"instructions": "Be brief."}').status == 202
    assert send("POST", f"/{VICTIM}/messages", b'{"message": "add a todo: buy milk"}').status == 200
    rows = whole_table(target)
    roles = [row.get("Role") for row in rows if row["PartitionKey"] == VICTIM]
    assert roles == ["System", "User", "Assistant", "Tool", "Assistant", None]
    return rows


def whole_table(target: Target) -> list[dict[str, Any]]:
    return [{**row, "etag": row.metadata["etag"]} for row in target.table.list_entities()]


def attack(send: Send, path: str) -> None:
    for method, rest, body in ROUTES:
        response = send(method, f"/{path}{rest}", body)
        assert response.status in (400, 404), (method, path, rest, response)
        if response.body:
            assert response.headers["Content-Type"] == "application/problem+json"


def test_no_hostile_id_is_accepted_or_changes_a_row(
    send: Send, target: Target, rows_before: list[dict[str, Any]]
) -> None:
    for assistant_id in (*hostile.IDS[1:], *hostile.SLASHES):  # the first, "", names the list
        escaped = quote(assistant_id, safe="")
        attack(send, escaped)
        attack(send, quote(escaped, safe=""))
    for assistant_id in hostile.SLASHES:
        attack(send, assistant_id)

    @examples(max_examples=200)
    @given(hostile.ids(), st.booleans())
    def attack_with_any(assistant_id: str, escape_twice: bool) -> None:
        escaped = quote(assistant_id, safe="")
        attack(send, quote(escaped, safe="") if escape_twice else escaped)

    attack_with_any()
    assert whole_table(target) == rows_before


def test_texts_are_stored_as_they_came_and_change_no_other_assistant(
    send: Send, target: Target, rows_before: list[dict[str, Any]]
) -> None:
    own = f"e2e-{uuid.uuid4().hex}"

    def store(text: str) -> None:
        statuses = [
            send("PUT", f"/{own}", json.dumps({"instructions": text}).encode()).status,
            send("POST", f"/{own}/messages", json.dumps({"message": text}).encode()).status,
        ]
        if len(in_query := quote(text, safe="")) < 4_000:
            statuses.append(send("POST", f"/{own}?message={in_query}", b"").status)
        assert statuses == [202, 200, 200][: len(statuses)]
        stored = [row["Content"] for row in target.rows(own) if row.get("Role") in ("System", "User")]
        # Blank instructions make no row.
        assert stored == [text] * (len(statuses) if text.strip() else len(statuses) - 1)

    for text in hostile.TEXTS:
        store(text)
    examples(max_examples=20)(given(hostile.texts())(store))()
    assert send("DELETE", f"/{own}", None).status == 204
    assert whole_table(target) == rows_before
