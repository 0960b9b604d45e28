"""Hostile requests handed to each route's own code, as if no route constraint stood before it.

A proxy in front of the table service keeps all that reaches it: what is refused asks nothing, and
what is not asks for the one assistant that the request names.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import azure.functions as func
import pytest
from assistants import listing
from assistants.binding_call import CallResult, Outcome
from assistants.posts import PostLog, Services
from assistants.routes import create, parsing, post, read, remove
from assistants.settings import Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.hostile import VICTIM
from tests.unit.function_app.helpers import answer, conversation, request
from tests.unit.function_app.table_recorder import Recorder, TableRequest, recorded

Handle = Callable[[str], func.HttpResponse]
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


class Outlet(func.Out[bytes]):
    """An output that nothing may be set to."""

    def set(self, val: bytes) -> None:
        raise AssertionError(f"the binding would create {val!r}")

    def get(self) -> bytes:
        raise AssertionError


def never(_assistant_id: str, _message: str, _key: str) -> CallResult:
    raise AssertionError("the bound function was called")


def handles(settings: Settings) -> dict[str, Handle]:
    """Each route that names an assistant."""
    tables = Tables(settings)
    hello = json.dumps({"message": "Hello"}).encode()
    return {
        "PUT": lambda name: answer(create.respond, request("PUT", name), Outlet(), "Be brief.", tables),
        "PUT, only if new": lambda name: answer(
            create.respond,
            request("PUT", name, headers={"If-None-Match": "*"}),
            Outlet(),
            "Be brief.",
            tables,
        ),
        "GET": lambda name: answer(read.respond, request("GET", name), settings, tables),
        "GET as the binding": lambda name: answer(
            read.respond, request("GET", name, query={"timestampUTC": "2020-01-01"}), settings, tables
        ),
        "POST messages": lambda name: post.respond(
            request("POST", name, body=hello), post.JSON, settings, Services(tables, never), PostLog()
        ),
        "POST": lambda name: post.respond(
            request("POST", name, query={"message": "Hello"}),
            post.TEXT,
            settings,
            Services(tables, never),
            PostLog(),
        ),
        "DELETE": lambda name: answer(remove.respond, request("DELETE", name), tables),
    }


def refused(routes: dict[str, Handle], recorder: Recorder, assistant_id: str) -> None:
    for name, handle in routes.items():
        response = handle(assistant_id)
        assert (name, response.status_code, response.mimetype) == (name, 400, "application/problem+json")
        errors = json.loads(response.get_body())["errors"]
        assert "assistantId" in [error.get("name") for error in errors]
    assert recorder.taken() == []


@pytest.mark.parametrize(
    "assistant_id", [*hostile.IDS.values(), *hostile.SLASHES.values()], ids=[*hostile.IDS, *hostile.SLASHES]
)
def test_a_hostile_id_is_refused_by_every_route_without_a_request_to_the_tables(
    seen: Settings, recorder: Recorder, assistant_id: str
) -> None:
    refused(handles(seen), recorder, assistant_id)


def test_no_hostile_id_that_can_be_thought_of_reaches_a_table(seen: Settings, recorder: Recorder) -> None:
    routes = handles(seen)

    @examples(max_examples=250, **FIXED)  # pyright: ignore[reportArgumentType] # a mapping of options
    @given(hostile.ids() | st.sampled_from([".", ".."]))
    def check(assistant_id: str) -> None:
        refused(routes, recorder, assistant_id)

    check()


def test_the_recorder_sees_what_a_route_asks(seen: Settings, recorder: Recorder) -> None:
    """Else the tests above would pass whatever was asked."""
    assert handles(seen)["GET"](VICTIM).status_code == 200
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
