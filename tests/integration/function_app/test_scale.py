"""What reading costs, in requests to the table and rows in the answers, not in time."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from assistants import leases, listing
from assistants.leases import Purpose
from assistants.posts import PostLog, Services
from assistants.routes import post, read, remove
from assistants.settings import Settings
from assistants.tables.clients import Tables
from azure.data.tables import EdmType

from tests.host_requests import Run, adding, answer, conversation, created, put, request
from tests.integration.function_app.table_recorder import Recorder, recorded

FEW, MANY = 10, 200
MESSAGES = 50
DAY = ("2026-11-25T08:00:00.1234567Z", EdmType.DATETIME)


def name(number: int) -> str:
    return f"scale-{number:03}"


def write(table: Any, assistant_id: str, messages: int = MESSAGES) -> None:
    """A conversation of the extension's rows, the state last."""
    rows: list[dict[str, object]] = [
        {
            "PartitionKey": assistant_id,
            "RowKey": f"msg-{number:04X}",
            "Content": f"{number} of {assistant_id}",
            "Role": "User" if number % 2 else "Assistant",
            "CreatedAt": DAY,
            "ToolCalls": "",
        }
        for number in range(1, messages + 1)
    ]
    state: dict[str, object] = {
        "PartitionKey": assistant_id,
        "RowKey": "state",
        "Exists": True,
        "CreatedAt": DAY,
        "LastUpdatedAt": DAY,
        "TotalMessages": messages,
        "TotalTokens": 7,
    }
    rows.append(state)
    for start in range(0, len(rows), 100):
        table.submit_transaction([("create", row) for row in rows[start : start + 100]])


@pytest.fixture
def recorder(connection_string: str, tables: Tables) -> Iterator[Recorder]:
    with recorded(connection_string) as table_recorder:
        yield table_recorder
    # Ten thousand rows, one by one, would take longer than the test.
    tables.chat_state.delete_table()
    tables.chat_state.create_table()


def everything(table: Any) -> dict[tuple[str, str], str]:
    """ETag of each row."""
    return {(row["PartitionKey"], row["RowKey"]): row.metadata["etag"] for row in table.list_entities()}


def page(tables: Tables, recorder: Recorder, **query: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """A page of the list, with the requests that it took and the rows that came."""
    recorder.taken()
    response = answer(read.respond_list, request("GET", query=query), tables)
    assert response.status_code == 200
    sent = recorder.taken()
    return json.loads(response.get_body()), (len(sent), sum(table_request.rows for table_request in sent))


@pytest.fixture
def seen(settings: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The same tables, behind the recorder. Scans are waited for, however slow the machine is."""
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 60)
    storage = replace(settings.storage, connection_string=recorder.connection_string)
    return Tables(replace(settings, storage=storage))


def calls(recorder: Recorder) -> list[str]:
    """The requests as `GET ChatState`, without account and keys."""
    return [
        f"{table_request.method} {re.sub(r'^/[^/]+/|[(].*', '', table_request.path)}"
        for table_request in recorder.taken()
    ]


def test_a_create_and_a_message_cost_a_handful_of_requests_to_the_tables(
    settings: Settings, tables: Tables, seen: Tables, recorder: Recorder
) -> None:
    lease = settings.storage.lease_table
    conversation(tables.chat_state, "other")
    leases.acquire(tables, "other", Purpose.POST)  # makes the table
    recorder.taken()

    assert put(seen, "a") == (202, "false", 1)
    assert calls(recorder) == ["GET ChatState", f"POST {lease}"]
    created(tables, "a")
    assert put(seen, "a") == (202, "true", 1)
    assert calls(recorder) == ["GET ChatState", f"GET {lease}", f"PUT {lease}"]
    created(tables, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    for taken in ([f"GET {lease}", f"PUT {lease}"], [f"POST {lease}"]):
        http_request = request("POST", "a", body=b'{"message": "Hi"}')
        assert (
            post.respond(http_request, post.JSON, settings, Services(seen, run), PostLog()).status_code == 200
        )
        assert calls(recorder) == [
            "GET ChatState",
            *taken,
            "GET ChatState",
            f"PUT {lease}",
            "GET ChatState",
            f"DELETE {lease}",
        ]
    assert put(seen, "a") == (202, "true", 1)
    assert calls(recorder) == ["GET ChatState", f"POST {lease}"]


def test_the_cost_of_a_page_and_of_a_delete_is_independent_of_the_number_of_assistants(
    tables: Tables, seen: Tables, recorder: Recorder
) -> None:
    table = tables.chat_state
    for number in range(FEW):
        write(table, name(number))
    _, whole_of_few = page(seen, recorder, limit=str(FEW))
    first_of_few, few = page(seen, recorder, limit="5")
    for number in range(FEW, MANY):
        write(table, name(number))

    first, many = page(seen, recorder, limit="5")
    _, ten_of_many = page(seen, recorder, limit=str(FEW))
    second, later = page(seen, recorder, limit="5", continuationToken=first["continuationToken"])

    assert first == first_of_few
    assert [assistant["assistantId"] for assistant in second["assistants"]] == [
        name(number) for number in range(5, 10)
    ]
    assert many == few == later
    # A step and a state for each, and a look whether there is more: nothing of the conversations.
    assert many[1] <= 2 * 5 + 2
    assert ten_of_many[0] <= whole_of_few[0] + 1

    before = everything(table)
    recorder.taken()
    victim = name(MANY // 2)
    assert answer(remove.respond, request("DELETE", victim), seen).status_code == 204
    assert sum(table_request.rows for table_request in recorder.taken()) <= MESSAGES + 2

    assert everything(table) == {key: etag for key, etag in before.items() if key[0] != victim}
    assert len(before) == MANY * (MESSAGES + 1)


class WithoutScans:
    """A table client whose scans are not answered before `release`."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._released = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query_entities(self, query: str, **options: Any) -> Any:
        if "RowKey eq" not in query:
            return self._table.query_entities(query, **options)
        self._by_page = self._table.query_entities(query, **options).by_page
        return self

    def by_page(self) -> Iterator[Any]:
        assert self._released.wait(60)
        yield from self._by_page()

    def release(self) -> None:
        self._released.set()


def test_a_scan_of_a_hundred_assistants_takes_one_request_and_a_walk_two_for_each(
    tables: Tables, seen: Tables, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        write(tables.chat_state, name(number), messages=10)

    scanned, cost = page(seen, recorder, limit="100")
    assert cost == (1, 100)
    assert [assistant["assistantId"] for assistant in scanned["assistants"]] == [
        name(number) for number in range(100)
    ]
    assert "continuationToken" not in scanned

    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 0)
    table = WithoutScans(seen.chat_state)
    slow: Any = SimpleNamespace(chat_state=table)
    try:
        walked = listing.page_after(slow, "", 100)
        sent = recorder.taken()
    finally:
        table.release()
    assert [state.to_json() for state in walked.states] == scanned["assistants"]
    assert walked.last_partition is None
    # A step and a state for each, and a step that finds no more.
    assert (len(sent), sum(table_request.rows for table_request in sent)) == (201, 200)


@pytest.mark.parametrize("limit", [1, 20])
def test_a_page_of_a_long_conversation_reads_its_state_its_messages_and_one_more(
    settings: Settings, tables: Tables, seen: Tables, recorder: Recorder, limit: int
) -> None:
    write(tables.chat_state, "long", messages=1000)
    recorder.taken()
    query = {"limit": str(limit)}
    for start in (1, 1 + limit):
        response = answer(read.respond, request("GET", "long", query=query), settings, seen)
        body = json.loads(response.get_body())
        assert [message["number"] for message in body["messages"]] == list(range(start, start + limit))
        assert sum(table_request.rows for table_request in recorder.taken()) <= limit + 2
        query["continuationToken"] = body["continuationToken"]


def test_a_page_since_a_message_reads_that_message_besides(
    settings: Settings, tables: Tables, seen: Tables, recorder: Recorder
) -> None:
    conversation(tables.chat_state, "a", *(f"text {number}" for number in range(40)))
    recorder.taken()
    query = {"since": "2026-11-25T08:00:02.12345Z", "limit": "5"}
    response = answer(read.respond, request("GET", "a", query=query), settings, seen)
    assert [message["number"] for message in json.loads(response.get_body())["messages"]] == [4, 5, 6, 7, 8]
    sent = recorder.taken()
    assert (len(sent), sum(table_request.rows for table_request in sent)) == (2, 1 + 5 + 1 + 1)
