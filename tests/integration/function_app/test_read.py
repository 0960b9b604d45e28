"""Pages of assistants and of their messages, against a table service."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from assistants import listing
from assistants.routes import read
from assistants.settings import Settings
from assistants.tables.clients import Tables
from azure.data.tables.aio import TableClient

from local_azure.functions_host.bindings.assistant_query import QueryRequest, parse_timestamp, query_state
from tests.host_requests import (
    GOOD_IDS,
    NOTHING,
    answer,
    conversation,
    request,
    rows_of,
)


def get(settings: Settings, tables: Tables, assistant_id: str, **query: str) -> tuple[int, dict[str, Any]]:
    response = answer(read.respond, request("GET", assistant_id, query=query), settings, tables)
    return response.status_code, json.loads(response.get_body())


def listed(tables: Tables, **query: str) -> tuple[int, dict[str, Any]]:
    response = answer(read.respond_list, request("GET", query=query), tables)
    return response.status_code, json.loads(response.get_body())


def test_a_conversation_is_returned_without_its_system_prompt(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")

    assert get(settings, tables, "a") == (
        200,
        {
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
        },
    )


def test_the_system_prompt_is_returned_on_request(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a", instructions="Sprich Deutsch. \u2028")

    _, body = get(settings, tables, "a", includeInstructions="true")

    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("System", "Sprich Deutsch. \u2028")
    ]


def test_the_setting_can_forbid_returning_the_system_prompt(settings: Settings, tables: Tables) -> None:
    hidden = replace(settings, expose_instructions=False)
    conversation(tables.chat_state, "a", "Hi")

    status, body = get(hidden, tables, "a", includeInstructions="true")
    assert (status, body["title"]) == (403, "Forbidden")
    _, raw = get(hidden, tables, "a", timestampUTC="2020-01-01")
    assert [message["role"] for message in raw["recentMessages"]] == ["User"]


def test_pages_contain_every_message_once_and_the_last_has_no_token(
    settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a", *(f"text {number}" for number in range(40)))
    numbers: list[int] = []
    query = {"limit": "7"}
    while True:
        _, body = get(settings, tables, "a", **query)
        numbers += [message["number"] for message in body["messages"]]
        if "continuationToken" not in body:
            break
        assert len(body["messages"]) == 7
        query["continuationToken"] = body["continuationToken"]
    assert numbers == list(range(2, 42))


@pytest.mark.parametrize(
    ("since", "numbers"),
    [
        ("2026-11-25T08:00:01.12345Z", [3]),
        ("2026-11-25T08:00:01.1234499Z", [2, 3]),
        ("2026-11-25T08:00:01", [2, 3]),
        ("2026-11-25T10:00:01.1234500+02:00", [3]),
        ("2026-11-25T10:00:01.1234500 02:00", [3]),
        ("2026-11-25T07:00:01.1234500%2D01:00", [3]),
        ("2026-11-25", [2, 3]),
        ("0001-01-01", [2, 3]),
        ("2026-11-26", []),
    ],
)
def test_only_messages_later_than_since_are_returned(
    settings: Settings, tables: Tables, since: str, numbers: list[int]
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    _, body = get(settings, tables, "a", since=since)
    assert [message["number"] for message in body["messages"]] == numbers


def test_tool_calls_and_their_results_are_returned_unchanged(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Add milk", "")
    row = tables.chat_state.get_entity("a", "msg-0003")
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": '{"task":"mil', "kind": "Function"}
    row["ToolCalls"] = json.dumps([call])
    tables.chat_state.update_entity(row)
    tables.chat_state.create_entity(
        {"PartitionKey": "a", "RowKey": "msg-0004", "Content": "done", "Role": "Tool", "Name": "c1"}
    )

    _, body = get(settings, tables, "a")

    assert body["messages"][1]["toolCalls"] == [call]
    assert body["messages"][2]["toolCallId"] == "c1"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "-1"},
        {"limit": "\u0661"},
        {"since": "yesterday"},
        {"since": "2026-13-01"},
        {"since": "0001-01-01T00:00:00+23:00"},
        {"since": "2026-11-25T08:00:00Z' or PartitionKey ne '"},
        {"includeInstructions": "yes"},
        {"continuationToken": "x"},
        {"continuationToken": "YTphYQ"},  # of the list of assistants
        {"continuationToken": "bTptc2ctMDAwMScgb3I"},  # msg-0001' or
        {"continuationToken": "\u00e4"},
        {"timestampUTC": ""},
        {"timestampUTC": "soon"},
        {"timestampUTC": "2026-01-01", "limit": "3"},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_a_400_that_names_it_and_reads_no_row(
    settings: Settings, query: dict[str, str]
) -> None:
    status, body = get(settings, NOTHING, "a", **query)
    assert (status, body["errors"][0]["in"]) == (400, "query")
    assert body["errors"][0]["name"] in query


def test_a_missing_assistant_is_a_404_problem(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "other", "Hi")
    response = answer(read.respond, request("GET", "a"), settings, tables)
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")


def test_with_a_timestamp_the_response_for_a_missing_assistant_is_that_of_the_extension(
    settings: Settings, tables: Tables
) -> None:
    response = answer(
        read.respond, request("GET", "a", query={"timestampUTC": "2026-01-01"}), settings, tables
    )
    assert response.get_body().decode() == (
        '{"id":"a","exists":false,"createdAt":"0001-01-01T00:00:00","lastUpdatedAt":"0001-01-01T00:00:00",'
        '"totalMessages":0,"totalTokens":0,"recentMessages":[]}'
    )


def test_assistants_are_listed_by_id_in_pages(tables: Tables) -> None:
    for assistant_id in GOOD_IDS:
        conversation(tables.chat_state, assistant_id, "Hi")
    assistant_ids: list[str] = []
    query = {"limit": "5"}
    while True:
        _, body = listed(tables, **query)
        assistant_ids += [assistant["assistantId"] for assistant in body["assistants"]]
        if "continuationToken" not in body:
            break
        query["continuationToken"] = body["continuationToken"]
    assert assistant_ids == sorted(GOOD_IDS)


def test_a_partition_that_is_no_assistant_is_not_listed(tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    conversation(tables.chat_state, "b'c")
    tables.chat_state.create_entity({"PartitionKey": "left", "RowKey": "msg-0002", "Content": "x"})
    _, body = listed(tables)
    assert [assistant["assistantId"] for assistant in body["assistants"]] == ["a"]
    assert "continuationToken" not in body
    assert len(rows_of(tables.chat_state, "b'c")) == 2


@pytest.mark.parametrize("query", [{"limit": "x"}, {"continuationToken": "bTptc2ctMDAwMQ"}], ids=str)
def test_a_list_rejects_a_token_of_another_operation_and_a_bad_limit(query: dict[str, str]) -> None:
    status, body = listed(NOTHING, **query)
    assert (status, body["errors"][0]["name"]) == (400, next(iter(query)))


class Counting:
    """A table client that counts its requests."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._table, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            def count(_response: Any) -> None:
                self.calls += 1

            return method(*arguments, raw_response_hook=count, **options)

        return counted


def test_the_cost_of_a_page_grows_neither_with_the_table_nor_with_conversations(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        listing, "HEAD_START_SECONDS", 60
    )  # a scan is waited for, however slow the machine is
    costs: list[int] = []
    for size in (10, 60):
        for number in range(size):
            if not rows_of(tables.chat_state, f"a{number:03}"):
                conversation(tables.chat_state, f"a{number:03}", *("text",) * (size // 4))
        counting = Counting(tables.chat_state)
        stand_in: Any = type("Counted", (), {"chat_state": counting})
        _, body = listed(stand_in, limit="5")
        assert len(body["assistants"]) == 5
        costs.append(counting.calls)
    assert costs[0] == costs[1] > 0


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
async def test_with_a_timestamp_the_answer_is_the_bindings_own_to_the_letter(
    settings: Settings, tables: Tables, timestamp: str
) -> None:
    conversation(
        tables.chat_state, "a", 'Grüße 🙂 <&> " \\ \x7f\x85\u2028\t\r\n', "Hello.", instructions="\u2029 é"
    )
    row = tables.chat_state.get_entity("a", "msg-0003")
    row["ToolCalls"] = (
        '[{"id":"c1","functionName":"AddTodo","functionArguments":"{\\u0022a\\u0022:\\u0022\\u00FC\\u0022}",'
        '"kind":"Function"}]'
    )
    tables.chat_state.update_entity(row)
    async with TableClient.from_connection_string(
        settings.storage.connection_string, table_name="ChatState"
    ) as table:
        for assistant_id in ("a", "missing"):
            binding = await query_state(
                cast("Any", table), QueryRequest(id=assistant_id), parse_timestamp(timestamp)
            )
            response = answer(
                read.respond,
                request("GET", assistant_id, query={"timestampUTC": timestamp}),
                settings,
                tables,
            )
            assert response.get_body().decode() == binding
