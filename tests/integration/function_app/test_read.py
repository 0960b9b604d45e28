"""Pages of assistants and of their messages, and what they cost in requests and rows."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import azure.functions as func
import pytest
from assistants import leases, listing
from assistants.leases import Purpose
from assistants.routes import parsing
from assistants.settings import Settings
from assistants.tables import conversations
from azure.core.exceptions import HttpResponseError
from azure.data.tables.aio import TableClient

from local_azure.functions_host.bindings.assistant_query import QueryRequest, parse_timestamp, query_state
from tests.host_requests import GOOD_IDS, Api, body_of
from tests.integration.function_app.conftest import TableRequests
from tests.integration.function_app.rows import HELLO, conversation, create, exchange, failing


@pytest.fixture(autouse=True)
def _wait_for_scans(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] # pytest calls it
    """However slow the machine is."""
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 60)


def all_pages(
    get: Callable[[dict[str, str]], func.HttpResponse], members: str, limit: int
) -> list[dict[str, Any]]:
    """The members of all pages, all of which but the last are full."""
    query = {"limit": str(limit)}
    entries: list[dict[str, Any]] = []
    while True:
        body = body_of(get(query))
        entries += body[members]
        if "continuationToken" not in body:
            return entries
        assert len(body[members]) == limit
        query["continuationToken"] = body["continuationToken"]


def test_a_conversation_is_returned_without_its_system_prompt(api: Api) -> None:
    conversation(api.tables, "a", "Hi", "Hello.")
    assert body_of(api.get()) == {
        "assistantId": "a",
        "createdAt": "2026-11-25T08:00:00Z",
        "lastUpdatedAt": "2026-11-25T08:00:00.7654321Z",
        "totalMessages": 3,
        "totalTokens": 7,
        "messages": [
            {
                "number": 2,
                "role": "User",
                "content": "Hi",
                "createdAt": "2026-11-25T08:00:01.12345Z",
                "toolCalls": [],
            },
            {
                "number": 3,
                "role": "Assistant",
                "content": "Hello.",
                "createdAt": "2026-11-25T08:00:02.12345Z",
                "toolCalls": [],
            },
        ],
    }


def test_the_system_prompt_is_returned_on_request_unless_the_setting_forbids_it(api: Api) -> None:
    conversation(api.tables, "a", "Hi", instructions="Sprich Deutsch. \u2028")
    with_instructions, as_binding = {"includeInstructions": "true"}, {"timestampUTC": "2020-01-01"}

    messages = body_of(api.get(query=with_instructions))["messages"]
    assert [(message["number"], message["content"]) for message in messages] == [
        (1, "Sprich Deutsch. \u2028"),
        (2, "Hi"),
    ]

    api.settings = replace(api.settings, expose_instructions=False)
    forbidden = api.get(query=with_instructions)
    assert (forbidden.status_code, forbidden.mimetype) == (403, "application/problem+json")
    assert "exposeInstructions" in body_of(forbidden)["detail"]
    assert [row["role"] for row in body_of(api.get(query=as_binding))["recentMessages"]] == ["User"]


def test_pages_contain_every_message_once_and_the_last_has_no_token(api: Api) -> None:
    conversation(api.tables, "a", *(f"text {number}" for number in range(40)))
    messages = all_pages(lambda query: api.get(query=query), "messages", 8)
    assert [message["number"] for message in messages] == list(range(2, 42))


@pytest.mark.parametrize(
    ("since", "numbers"),
    [
        ("2026-11-25T08:00:01.12345Z", [3]),
        ("2026-11-25T08:00:01.1234499Z", [2, 3]),
        ("2026-11-25T08:00:01", [2, 3]),
        ("2026-11-25T10:00:01.1234500+02:00", [3]),
        ("2026-11-25T10:00:01.1234500 02:00", [3]),
        ("2026-11-25T07:30:01.1234500%2D00:30", [3]),
        ("2026-11-25", [2, 3]),
        ("0001-01-01", [2, 3]),
        ("2026-11-26", []),
    ],
)
def test_only_messages_later_than_since_are_returned(api: Api, since: str, numbers: list[int]) -> None:
    conversation(api.tables, "a", "Hi", "Hello.")
    assert [message["number"] for message in body_of(api.get(query={"since": since}))["messages"]] == numbers


def test_tool_calls_and_their_results_are_returned_unchanged(api: Api) -> None:
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": '{"task":"mil', "kind": "Function"}
    conversation(api.tables, "a")
    exchange(
        api.tables,
        {"Role": "Assistant", "ToolCalls": json.dumps([call])},
        {"Role": "Assistant", "ToolCalls": "damaged"},
        {"Role": "Tool", "Content": "done", "Name": "c1"},
    )("a", "Add milk")

    messages = body_of(api.get())["messages"]

    assert [message["toolCalls"] for message in messages] == [[], [call], [], []]
    assert [message.get("toolCallId") for message in messages] == [None, None, None, "c1"]
    assert messages[1]["content"] == ""


def test_a_missing_assistant_is_a_404_problem(api: Api) -> None:
    conversation(api.tables, "other", "Hi")
    response = api.get()
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert body_of(response)["detail"] == "The assistant a does not exist."


@pytest.mark.parametrize("raw_query", ["timestampUTC=", "limit=", "since=", "limit"])
def test_an_empty_value_does_not_reach_the_app_and_counts_as_absent(api: Api, raw_query: str) -> None:
    conversation(api.tables, "a", "Hi")
    assert len(body_of(api.get(raw_query=raw_query))["messages"]) == 1


@pytest.mark.parametrize(
    "timestamp",
    [
        "2020-01-01",
        "2026-11-25T08:00:01Z",
        "2026-11-25T08:00:01.12345Z",
        "2026-11-25T08%3A00%3A02.0Z",
        "2030-01-01",
    ],
)
async def test_with_a_timestamp_the_response_is_that_of_local_azures_binding_to_the_letter(
    api: Api, settings: Settings, timestamp: str
) -> None:
    conversation(api.tables, "a", 'Grüße 🙂 <&> " \\ \x7f\x85\u2028\t\r\n', "Hello.", instructions="\u2029 é")
    row = api.tables.chat_state.get_entity("a", "msg-0003")
    row["ToolCalls"] = (
        '[{"id":"c1","functionName":"AddTodo","functionArguments":"{\\u0022a\\u0022:\\u0022\\u00FC\\u0022}",'
        '"kind":"Function"}]'
    )
    api.tables.chat_state.update_entity(row)
    async with TableClient.from_connection_string(
        settings.storage.connection_string, table_name="ChatState"
    ) as table:
        for assistant_id in ("a", "missing"):
            binding = await query_state(
                cast("Any", table), QueryRequest(id=assistant_id), parse_timestamp(timestamp)
            )
            response = api.get(assistant_id, {"timestampUTC": timestamp})
            assert response.get_body().decode() == binding


@pytest.mark.parametrize("head_start", [60, 0], ids=["scan", "walk"])
@pytest.mark.parametrize(
    ("prefix", "ids"),
    [("", [*GOOD_IDS, "a-", "az"]), ("a", ["a", "a-", "a" * 64, "az"]), ("zz", list[str]())],
)
def test_assistants_are_listed_by_id_in_pages_and_found_by_the_beginning_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, prefix: str, ids: list[str], head_start: int
) -> None:
    monkeypatch.setattr(listing, "HEAD_START_SECONDS", head_start)
    for assistant_id in (*GOOD_IDS, "a-", "az"):
        conversation(api.tables, assistant_id)
    assistants = all_pages(lambda query: api.list_assistants({**query, "prefix": prefix}), "assistants", 1)
    assert [assistant["assistantId"] for assistant in assistants] == sorted(ids)


def test_a_page_says_on_request_how_many_assistants_follow_it(
    api: Api, table_requests: TableRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for assistant_id in ("a1", "a2", "a3", "a3'", "a4", "b"):
        conversation(api.tables, assistant_id, "Hi")
    for query, counted, rows, remaining in (
        ({"limit": "1"}, 1000, [5], {"count": 4, "isExact": True}),
        ({"limit": "1"}, 4, [4], {"count": 3, "isExact": False}),
        ({"limit": "1", "prefix": "a"}, 1000, [4], {"count": 3, "isExact": True}),
        ({"limit": "4", "prefix": "a"}, 1000, [], None),
    ):
        monkeypatch.setattr(conversations, "_COUNTED", counted)
        table_requests.taken()
        assert "remaining" not in body_of(api.list_assistants(query))
        requests = len(table_requests.taken())
        body = body_of(api.list_assistants({**query, "includeRemaining": "true"}))
        assert body.get("remaining") == remaining
        added = table_requests.taken()[requests:]
        assert [(sent.rows, sent.columns) for sent in added] == [(count, "PartitionKey") for count in rows]


def test_a_lock_is_reported_on_request_while_a_post_would_be_refused(api: Api) -> None:
    conversation(api.tables, "a")
    with_lock = {"includeLock": "true"}
    assert "lockedUntil" not in body_of(api.get("a", with_lock))
    lease = leases.acquire(api.tables, "a", Purpose.POST)
    locked = body_of(api.get("a", with_lock))["lockedUntil"]
    assert body_of(api.post())["lockedUntil"] >= locked
    assert "lockedUntil" not in body_of(api.get("a"))
    assert lease.release() is None
    assert "lockedUntil" not in body_of(api.get("a", with_lock))


def test_a_partition_that_is_no_assistant_is_not_listed(api: Api) -> None:
    conversation(api.tables, "a")
    conversation(api.tables, "b'c")
    api.tables.chat_state.create_entity({"PartitionKey": "left", "RowKey": "msg-0002", "Content": "x"})
    for after, listed in (("", ["a"]), ("Z'", ["a"]), ("b'", list[str]())):
        token = {"continuationToken": parsing.encode_token("a", after)} if after else {}
        body = body_of(api.list_assistants(token))
        assert [assistant["assistantId"] for assistant in body.pop("assistants")] == listed
        assert body == {}, "no continuation token"


def test_a_damaged_state_does_not_break_the_list(api: Api) -> None:
    api.tables.chat_state.create_entity({"PartitionKey": "a", "RowKey": "state", "TotalMessages": "many"})
    never = "0001-01-01T00:00:00"
    counts = {"totalMessages": 0, "totalTokens": 0}
    assert body_of(api.list_assistants())["assistants"] == [
        {"assistantId": "a", "createdAt": never, "lastUpdatedAt": never, **counts}
    ]


def test_without_a_table_there_are_no_assistants(api: Api) -> None:
    api.tables.chat_state.delete_table()
    assert (api.get().status_code, body_of(api.list_assistants())) == (404, {"assistants": []})
    assert list(conversations.partitions_after(api.tables, "", "")) == []
    assert api.delete().status_code == 204


# Costs


def cost(table_requests: TableRequests) -> tuple[int, int]:
    """Requests, and rows in their responses."""
    sent = table_requests.taken()
    return len(sent), sum(table_request.rows for table_request in sent)


def test_a_create_and_a_message_cost_a_handful_of_requests(api: Api, table_requests: TableRequests) -> None:
    lease = api.settings.storage.lease_table
    leases.acquire(api.tables, "other", Purpose.POST)  # creates the table

    def calls() -> list[str]:
        return [f"{sent.method} {sent.resource.partition('(')[0]}" for sent in table_requests.taken()]

    def calls_of_a_put() -> list[str]:
        table_requests.taken()
        assert api.put().status_code == 202
        return calls()

    assert calls_of_a_put() == ["GET ChatState", f"POST {lease}"]
    create(api.tables, "a")
    assert calls_of_a_put() == ["GET ChatState", f"GET {lease}", f"PUT {lease}"]
    create(api.tables, "a")
    for acquired in ([f"GET {lease}", f"PUT {lease}"], [f"POST {lease}"]):
        calls_around: list[list[str]] = []

        def write(assistant_id: str, message: str, around: list[list[str]] = calls_around) -> None:
            around.append(calls())
            exchange(api.tables, HELLO)(assistant_id, message)
            table_requests.taken()

        api.run.write = write
        table_requests.taken()
        assert api.post().status_code == 200
        assert calls_around == [["GET ChatState", *acquired, "GET ChatState", f"PUT {lease}"]]
        assert calls() == ["GET ChatState", f"DELETE {lease}"]
    assert calls_of_a_put() == ["GET ChatState", f"POST {lease}"]


def test_a_scan_takes_one_request_and_a_walk_two_for_each_assistant(
    api: Api, table_requests: TableRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        conversation(api.tables, f"{number:02}", "Hi")
    table_requests.taken()
    for limit in (5, 20):
        page = listing.page_after(api.tables, "", limit)
        assert (len(page.states), page.last_partition) == (limit, "04" if limit == 5 else None)
        rows = min(limit + 1, 20)  # one more, to see whether there is another page
        assert cost(table_requests) == (1, rows)

    monkeypatch.setattr(listing, "HEAD_START_SECONDS", 0)
    monkeypatch.setattr(listing.conversations, "states_after", failing(HttpResponseError("too slow")))
    assert len(listing.page_after(api.tables, "", 100).states) == 20
    # A step and a state for each, and a step that finds no more.
    assert cost(table_requests) == (41, 40)

    assert api.delete("05").status_code == 204
    assert cost(table_requests)[1] == 3, "its own rows"


@pytest.mark.parametrize("limit", [1, 20])
def test_a_page_of_a_long_conversation_reads_its_state_its_messages_and_one_more(
    api: Api, table_requests: TableRequests, limit: int
) -> None:
    conversation(api.tables, "long", *("text",) * 999)
    table_requests.taken()
    query = {"limit": str(limit)}
    for start in (2, 2 + limit):
        body = body_of(api.get("long", query))
        assert [message["number"] for message in body["messages"]] == list(range(start, start + limit))
        assert cost(table_requests)[1] <= limit + 2
        query["continuationToken"] = body["continuationToken"]


def test_requests_to_the_tables_end_before_a_front_end_gives_up(
    api: Api, table_requests: TableRequests
) -> None:
    assert api.get().status_code == 404
    assert [sent.timeouts for sent in table_requests.taken()] == [(5, 20)]


def test_a_page_since_a_message_reads_that_message_besides(api: Api, table_requests: TableRequests) -> None:
    conversation(api.tables, "a", *(f"text {number}" for number in range(40)))
    table_requests.taken()
    body = body_of(api.get(query={"since": "2026-11-25T08:00:02.12345Z", "limit": "5"}))
    assert [message["number"] for message in body["messages"]] == [4, 5, 6, 7, 8]
    assert cost(table_requests) == (2, 1 + 5 + 1 + 1)
