"""Two hundred assistants cost what ten do: requests to the table and rows in the answers, not time."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from assistants import leases, post, read, remove
from assistants.leases import Purpose
from assistants.post import PostLog
from assistants.settings import Settings
from assistants.storage import Tables
from azure.data.tables import EdmType

from tests.unit.function_app.conftest import conversation, request
from tests.unit.function_app.table_recorder import Recorder, recorded
from tests.unit.function_app.test_post import Run, adding
from tests.unit.function_app.test_remove import created, put

FEW, MANY = 10, 200
MESSAGES = 50
DAY = ("2026-11-25T08:00:00.1234567Z", EdmType.DATETIME)


def name(number: int) -> str:
    return f"scale-{number:03}"


def write(table: Any, assistant_id: str) -> None:
    """A conversation of the extension's rows, in one transaction."""
    rows: list[dict[str, object]] = [
        {
            "PartitionKey": assistant_id,
            "RowKey": f"msg-{number:04X}",
            "Content": f"{number} of {assistant_id}",
            "Role": "User" if number % 2 else "Assistant",
            "CreatedAt": DAY,
            "ToolCalls": "",
        }
        for number in range(1, MESSAGES + 1)
    ]
    state: dict[str, object] = {
        "PartitionKey": assistant_id,
        "RowKey": "state",
        "Exists": True,
        "CreatedAt": DAY,
        "LastUpdatedAt": DAY,
        "TotalMessages": MESSAGES,
        "TotalTokens": 7,
    }
    table.submit_transaction([("create", row) for row in (*rows, state)])


@pytest.fixture
def recorder(connection_string: str, tables: Tables) -> Iterator[Recorder]:
    with recorded(connection_string) as found:
        yield found
    # Ten thousand rows, one by one, would take longer than the test.
    tables.chat_state.delete_table()
    tables.chat_state.create_table()


def everything(table: Any) -> dict[tuple[str, str], str]:
    """ETag of each row."""
    return {(row["PartitionKey"], row["RowKey"]): row.metadata["etag"] for row in table.list_entities()}


def page(tables: Tables, recorder: Recorder, **query: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """A page of the list, with the requests that it took and the rows that came."""
    recorder.taken()
    response = read.respond_list(request("GET", query=query), tables)
    assert response.status_code == 200
    asked = recorder.taken()
    return json.loads(response.get_body()), (len(asked), sum(one.rows for one in asked))


@pytest.fixture
def seen(settings: Settings, recorder: Recorder) -> Tables:
    """The same tables, behind the recorder."""
    storage = replace(settings.storage, connection_string=recorder.connection_string)
    return Tables(replace(settings, storage=storage))


def calls(recorder: Recorder) -> list[str]:
    """What was asked, as `GET ChatState` with the account and the keys left out."""
    return [f"{one.method} {re.sub(r'^/[^/]+/|[(].*', '', one.path)}" for one in recorder.taken()]


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
        asked = request("POST", "a", body=b'{"message": "Hi"}')
        assert post.respond(asked, settings, seen, run, PostLog()).status_code == 200
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


def test_a_page_costs_as_much_among_two_hundred_as_among_ten_and_delete_takes_one(
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
    assert [one["assistantId"] for one in second["assistants"]] == [name(number) for number in range(5, 10)]
    assert many == few == later
    # A step and a state for each, and a look whether there is more: nothing of the conversations.
    assert many[1] <= 2 * 5 + 2
    assert ten_of_many[0] <= whole_of_few[0] + 1

    before = everything(table)
    recorder.taken()
    victim = name(MANY // 2)
    assert remove.respond(request("DELETE", victim), seen).status_code == 204
    assert sum(one.rows for one in recorder.taken()) <= MESSAGES + 2

    assert everything(table) == {key: etag for key, etag in before.items() if key[0] != victim}
    assert len(before) == MANY * (MESSAGES + 1)
