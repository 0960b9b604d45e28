"""Hostile ids, instructions and messages on the wire: the whole table is compared, row by row.

tests/integration/function_app/test_hostile.py hands the same ids to the code behind the routes.
"""

import http.client
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.e2e.conftest import Target
from tests.hostile import VICTIM
from tests.workspace import Answer

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ, reason="compares a table that nobody else writes: local Azure only"
)

JSON = {"content-type": "application/json"}
HELLO = json.dumps({"message": "Hello"}).encode()
# Method, what follows the id, body. The last is the function that the app itself calls; it has a binding
# in front of its code, so that only the route constraint can refuse an id.
ROUTES: Mapping[str, tuple[str, str, bytes | None]] = {
    "PUT": ("PUT", "", b'{"instructions": "mine now"}'),
    "GET": ("GET", "", None),
    "GET as the binding": ("GET", "?timestampUTC=2020-01-01T00:00:00Z", None),
    "POST messages": ("POST", "/messages", HELLO),
    "POST": ("POST", "?message=Hello", b""),
    "DELETE": ("DELETE", "", None),
    "POST run": ("POST", "/run", b'{"message": "Hello", "rest": ""}'),
}
FIXED = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@dataclass
class Client:
    """One connection for all requests: a handshake for each would take most of the time."""

    target: Target
    connection: http.client.HTTPSConnection

    def send(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """`path` follows the assistants URL as it is."""
        base = urlsplit(self.target.assistants_url).path
        headers = {"x-functions-key": self.target.key, **JSON}
        self.connection.request(method, f"{base}{path}", body, headers)
        answer = self.connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())


@pytest.fixture(scope="module")
def client(target: Target) -> Iterator[Client]:
    netloc = urlsplit(target.assistants_url).netloc
    connection = http.client.HTTPSConnection(netloc, timeout=60, context=target.trusted)
    yield Client(target, connection)
    connection.close()


@pytest.fixture(scope="module")
def victim(client: Client) -> Iterator[str]:
    """An assistant with a row of each kind: a tool was called."""
    assert client.send("PUT", f"/{VICTIM}", b'{"instructions": "Be brief."}').status == 202
    talked = client.send("POST", f"/{VICTIM}/messages", b'{"message": "add a todo: buy milk"}')
    assert talked.status == 200, talked.body
    yield VICTIM
    client.send("DELETE", f"/{VICTIM}")


def whole_table(target: Target) -> list[str]:
    """Every row as it is on the wire: ETag, types and the order of its properties."""
    pages: list[str] = []

    def keep(response: Any) -> None:
        pages.append(response.http_response.text())

    found = target.table.list_entities(
        headers={"Accept": "application/json;odata=fullmetadata"}, raw_response_hook=keep
    )
    for _ in found:
        pass
    return [json.dumps(row) for page in pages for row in json.loads(page)["value"]]


def is_of(assistant_id: str, row: str) -> bool:
    return json.loads(row)["PartitionKey"] == assistant_id


def as_paths(assistant_id: str) -> list[str]:
    """Escaped once, and twice."""
    once = quote(assistant_id, safe="")
    return [once, quote(once, safe="")]


def attack(client: Client, path: str) -> None:
    for name, (method, rest, body) in ROUTES.items():
        answer = client.send(method, f"/{path}{rest}", body)
        assert (name, path, answer.status) in ((name, path, 400), (name, path, 404)), answer.body
        if answer.body:
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_no_hostile_id_of_the_list_is_taken_or_changes_anything(
    client: Client, target: Target, victim: str
) -> None:
    before = whole_table(target)
    for name, assistant_id in (hostile.IDS | hostile.SLASHES).items():
        # "" alone names the list. What has a slash or dots in it goes out as it is as well.
        paths = as_paths(assistant_id) if assistant_id else []
        for path in [*paths, assistant_id] if name in hostile.SLASHES else paths:
            attack(client, path)
    assert whole_table(target) == before
    assert [row for row in before if is_of(victim, row)]


def test_no_hostile_id_that_can_be_thought_of_is_taken_or_changes_anything(
    client: Client, target: Target, victim: str
) -> None:
    before = whole_table(target)

    @examples(max_examples=200, **FIXED)  # pyright: ignore[reportArgumentType] # a mapping of options
    @given(hostile.ids(), st.sampled_from([0, 1]))
    def each(assistant_id: str, escapes: int) -> None:
        attack(client, as_paths(assistant_id)[escapes])

    each()
    assert whole_table(target) == before
    assert [row for row in before if is_of(victim, row)]


def exchange(client: Client, assistant_id: str, text: str) -> list[Answer]:
    """The text as instructions, as a message in a body, and in a query where it fits one."""
    answers = [
        client.send("PUT", f"/{assistant_id}", json.dumps({"instructions": text}).encode()),
        client.send("POST", f"/{assistant_id}/messages", json.dumps({"message": text}).encode()),
    ]
    if len(in_query := quote(text, safe="")) < 4_000:
        answers.append(client.send("POST", f"/{assistant_id}?message={in_query}", b""))
    return answers


def test_texts_are_stored_as_they_came_in_rows_that_the_extension_can_read(
    client: Client, target: Target, victim: str
) -> None:
    own = f"e2e-{uuid.uuid4().hex}"
    others = whole_table(target)

    def each(text: str) -> None:
        answers = exchange(client, own, text)
        assert [answer.status for answer in answers] == [202, *[200] * (len(answers) - 1)], answers[-1].body
        rows = [json.loads(row) for row in whole_table(target) if is_of(own, row)]
        stored = [row["Content"] for row in rows if row.get("Role") in ("System", "User")]
        # Blank instructions make no row.
        assert stored == [text] * (len(answers) if text.strip() else len(answers) - 1)
        assert unreadable(rows) == []

    for text in hostile.TEXTS.values():
        each(text)
    examples(max_examples=20, **FIXED)(given(hostile.texts())(each))()  # pyright: ignore[reportArgumentType] # as above
    assert client.send("DELETE", f"/{own}").status == 204
    assert whole_table(target) == others
    assert [row for row in others if is_of(victim, row)]


@pytest.mark.parametrize("text", hostile.REFUSED_TEXTS.values(), ids=hostile.REFUSED_TEXTS)
def test_a_text_that_cannot_be_stored_is_refused_and_changes_nothing(
    client: Client, target: Target, victim: str, text: str
) -> None:
    before = whole_table(target)
    for answer in exchange(client, victim, text):
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert whole_table(target) == before


def test_every_row_of_this_module_is_one_that_the_extension_can_read(target: Target, victim: str) -> None:
    rows = [json.loads(row) for row in whole_table(target) if is_of(victim, row)]
    assert [row.get("Role") for row in rows] == ["System", "User", "Assistant", "Tool", "Assistant", None]
    assert unreadable(rows) == []


DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
MESSAGE = ["Content", "Name", "Role", "CreatedAt", "ToolCalls"]
STATE = ["Exists", "CreatedAt", "LastUpdatedAt", "TotalMessages", "TotalTokens"]
CALL = ["id", "functionName", "functionArguments", "kind"]
TYPES: Mapping[str, tuple[type, tuple[str | None, ...]]] = {
    "Content": (str, (None, "Edm.String")),
    "Name": (str, (None, "Edm.String")),
    "Role": (str, (None, "Edm.String")),
    "ToolCalls": (str, (None, "Edm.String")),
    "CreatedAt": (str, ("Edm.DateTime",)),
    "LastUpdatedAt": (str, ("Edm.DateTime",)),
    "Exists": (bool, (None, "Edm.Boolean")),
    "TotalMessages": (int, (None, "Edm.Int32")),
    "TotalTokens": (int, (None, "Edm.Int32")),
}


def unreadable(rows: list[dict[str, Any]]) -> list[str]:
    """What is wrong with one assistant's rows, by ChatMessageTableEntity.cs and AssistantStateEntity.cs."""
    wrong: list[str] = []
    keys = [str(row["RowKey"]) for row in rows]
    if keys != [*(f"msg-{number:04X}" for number in range(1, len(rows))), "state"]:
        wrong.append(f"row keys {keys}")
    asked: set[str] = set()
    for row in rows:
        key = row["RowKey"]
        system = ("PartitionKey", "RowKey", "Timestamp")
        found = [name for name in row if "odata." not in name and name not in system]
        order = STATE if key == "state" else MESSAGE
        optional = {"Content"} | ({"Name"} if row.get("Role") != "Tool" else set[str]())
        if found != [name for name in order if name in found or name not in optional]:
            wrong.append(f"{key}: properties {found}")
        for name in found:
            kind, edm = TYPES.get(name, (type(None), ()))
            if type(row[name]) is not kind or row.get(f"{name}@odata.type") not in edm:
                wrong.append(f"{key}: {name} is {row[name]!r}, {row.get(f'{name}@odata.type')}")
            if edm == ("Edm.DateTime",) and not DATE.fullmatch(str(row[name])):
                wrong.append(f"{key}: {name} is {row[name]!r}")
        if key == "state":
            if row.get("TotalMessages") != len(rows) - 1 or row.get("Exists") is not True:
                wrong.append(f"state: {row}")
            continue
        if row.get("Role") not in ("System", "User", "Assistant", "Tool"):
            wrong.append(f"{key}: role {row.get('Role')!r}")
        if row.get("Role") == "Tool" and row.get("Name") not in asked:
            wrong.append(f"{key}: nobody called {row.get('Name')!r}")
        asked |= set(_calls(key, str(row.get("ToolCalls")), wrong))
    return wrong


def _calls(key: str, text: str, wrong: list[str]) -> list[str]:
    if not text:
        return []
    # System.Text.Json's default encoder.
    if not text.isascii() or set("<>&'+`") & set(text):
        wrong.append(f"{key}: unescaped characters in {text}")
    calls = json.loads(text)
    for call in calls:
        if list(call) != CALL or call["kind"] != "Function":
            wrong.append(f"{key}: call {call}")
        json.loads(call["functionArguments"])
    return [call["id"] for call in calls]
