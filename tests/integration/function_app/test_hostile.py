"""Hostile texts in parameters and bodies: what the routes send to the table service.

A proxy in front of the table service records every request: all of them concern the assistant that the
request names. test_ids.py tests hostile ids.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from assistants import listing
from assistants.binding_call import CallResult, Outcome
from assistants.posts import PostLog, Services
from assistants.routes import parsing, post, read
from assistants.settings import Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.host_requests import answer, conversation, request
from tests.hostile import VICTIM
from tests.integration.function_app.table_recorder import Recorder, TableRequest, recorded

FIXED = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@pytest.fixture
def recorder(settings: Settings, connection_string: str) -> Iterator[Recorder]:
    conversation(Tables(settings).chat_state, VICTIM, "Hi", "Hello.")
    with recorded(connection_string) as table_recorder:
        yield table_recorder


@pytest.fixture
def seen(settings: Settings, recorder: Recorder) -> Settings:
    """The same settings, with tables behind the recorder."""
    storage = replace(settings.storage, connection_string=recorder.connection_string)
    return replace(settings, storage=storage)


def test_the_recorder_sees_what_a_route_asks(seen: Settings, recorder: Recorder) -> None:
    """Without this, the tests below could pass without any request."""
    assert answer(read.respond, request("GET", VICTIM), seen, Tables(seen)).status_code == 200
    state, messages = recorder.taken()
    assert state.path.endswith(f"/ChatState(PartitionKey='{VICTIM}',RowKey='state')")
    assert messages.query["$filter"].startswith(f"PartitionKey eq '{VICTIM}' and ")
    assert (state.rows, messages.rows) == (1, 2)


PARAMETERS = ("limit", "continuationToken", "since", "includeInstructions", "timestampUTC")
# All that a route may ask the table of: the assistant that was named, in filters of this app's own making.
ONE = re.compile(
    rf"PartitionKey eq '{VICTIM}' and RowKey gt 'msg-[0-9A-F]*' and RowKey lt 'state'"
    r"( and CreatedAt ge datetime'[0-9T:.-]+Z')?( and Role ne 'System' and Role ne 'system')?"
)


def only_of_the_victim(table_requests: list[TableRequest]) -> bool:
    point = re.compile(rf"/\w+/ChatState\(PartitionKey='{VICTIM}',RowKey='state'\)")
    return all(
        ONE.fullmatch(table_request.query["$filter"])
        if "$filter" in table_request.query
        else point.fullmatch(table_request.path)
        for table_request in table_requests
    )


def test_no_parameter_gets_into_a_filter(seen: Settings, recorder: Recorder) -> None:
    tables = Tables(seen)
    anything = hostile.texts() | st.sampled_from([*hostile.IDS.values(), *hostile.TEXTS.values()])

    @examples(max_examples=200, **FIXED)  # pyright: ignore[reportArgumentType] # as above
    @given(st.sampled_from(PARAMETERS), anything)
    @example("continuationToken", "bTptc2ctMDAwMScgb3IgJ2EnIGVxICdh")  # m:msg-0001' or 'a' eq 'a
    @example("since", "2026-11-25' or PartitionKey ne 'x")
    @example("since", "2026-11-25T08:00:00Z")
    @example("timestampUTC", "2026-11-25T08:00:00%2527Z")
    @example("timestampUTC", "2026-11-25")
    def check(name: str, value: str) -> None:
        response = answer(read.respond, request("GET", VICTIM, query={name: value}), seen, tables)
        assert response.status_code in (200, 400)
        assert only_of_the_victim(recorder.taken())

    check()


def test_no_text_of_a_body_gets_into_a_query(seen: Settings, recorder: Recorder) -> None:
    tables, leases = Tables(seen), seen.storage.lease_table
    key = f"(PartitionKey='{VICTIM}',RowKey='%s')"
    own = {"ChatState()", f"ChatState{key % 'state'}", leases, f"{leases}{key % 'lease'}", "Tables"}
    posted: list[str] = []

    def run(_assistant_id: str, message: str, _key: str) -> CallResult:
        posted.append(message)
        return CallResult(Outcome.UNREACHABLE)

    @examples(max_examples=50, **FIXED)  # pyright: ignore[reportArgumentType] # as above
    @given(hostile.texts() | st.sampled_from([*hostile.TEXTS.values()]))
    def check(message: str) -> None:
        body = json.dumps({"message": message}).encode()
        assert (
            post.respond(
                request("POST", VICTIM, body=body), post.JSON, seen, Services(tables, run), PostLog()
            ).status_code
            == 503
        )
        assert posted.pop() == message
        sent = recorder.taken()
        assert {re.sub(r"^/\w+/", "", table_request.path) for table_request in sent} <= own
        filters = [
            table_request.query["$filter"] for table_request in sent if "$filter" in table_request.query
        ]
        assert filters == [f"PartitionKey eq '{VICTIM}' and RowKey ge 'msg-0004'"] * 2

    check()


def test_a_token_of_the_list_is_a_literal_in_its_filter(
    seen: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may write to the table, so that a page may end at a key that no request could name."""
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 60)  # however slow the machine is: no walk
    tables = Tables(seen)
    anything = hostile.texts() | st.sampled_from([*hostile.IDS.values(), *hostile.TEXTS.values()])

    @examples(max_examples=100, **FIXED)  # pyright: ignore[reportArgumentType] # as above
    @given(anything)
    def check(place: str) -> None:
        token = {"continuationToken": parsing.encode_token("a", place)}
        response = answer(read.respond_list, request("GET", query=token), tables)
        sent = recorder.taken()
        if response.status_code == 400:
            assert sent == []
            return
        literal = place.replace("'", "''")
        assert response.status_code == 200
        assert sent[0].query["$filter"] == f"PartitionKey gt '{literal}' and RowKey eq 'state'"
        next(conversations.partitions_after(tables, place), None)
        assert recorder.taken()[0].query["$filter"] == f"PartitionKey gt '{literal}'"

    check()
