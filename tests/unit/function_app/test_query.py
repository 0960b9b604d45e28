"""Query parameters: their rules, and what the host's own parsing hides (duplicates, other encodings).

What the app gets from the host is in its recordings: `query/twice`, `http/echo-all-headers`,
`id/echo-bad-utf8`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from assistants.routes import parsing
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableEntity
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests import hostile
from tests.host_requests import Api, body_of

OF_ONE = ("timestampUTC", "limit", "continuationToken", "since", "includeInstructions", "includeLock")
UTF8_RULE = "its percent-encoded bytes must be valid UTF-8"
Route = Callable[[dict[str, str], str | None], func.HttpResponse]


def get(query: dict[str, str], raw_query: str | None = None) -> func.HttpResponse:
    return Api().get("a", query, raw_query)


ROUTES: list[tuple[Route, str]] = [
    (Api().post_query, "message"),
    *((get, name) for name in OF_ONE),
    *((Api().list_assistants, name) for name in ("limit", "continuationToken", "prefix", "includeRemaining")),
]


def problem_of(response: func.HttpResponse) -> tuple[str, str, str]:
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    (error,) = body_of(response)["errors"]
    return error["in"], error["name"], error["detail"]


@pytest.mark.parametrize(("route", "name"), ROUTES)
def test_a_parameter_that_is_duplicate_or_not_utf8_is_rejected_by_name(route: Route, name: str) -> None:
    duplicate = problem_of(route({name: "1,2"}, f"{name}=1&{name}=2"))
    assert duplicate == ("query", name, "is given more than once")
    encoded = problem_of(route({name: "caf%E9"}, f"{name}=caf%E9"))
    assert encoded == ("query", name, f"is not UTF-8: {UTF8_RULE}")


TWICE = ("message=a&MESSAGE=b", "%6Dessage=a&message=b", "message=&message=b", "message&message=b")
NOT_UTF8 = ("caf%E9", "%ff", "%C3", "a%C3%A9%E9", "%ED%A0%80", "%C0%80", "%F5%80%80%80", "\udce9")
AS_SENT = ("message=%25E9", "message=caf%C3%A9", "message=100%", "message=%zz", "message=a+b", "x=%ff", "")


@pytest.mark.parametrize(
    ("raw_query", "details"),
    [
        *((raw_query, ["is given more than once"]) for raw_query in TWICE),
        *((f"message={raw}", [f"is not UTF-8: {UTF8_RULE}"]) for raw in NOT_UTF8),
        *((raw_query, list[str]()) for raw_query in AS_SENT),
    ],
)
def test_a_parameter_arrives_as_sent_if_it_is_given_once_in_utf8(raw_query: str, details: list[str]) -> None:
    """The host compares names case-insensitively, and does not decode other bytes."""
    problems = parsing.query_problems(f"https://app.example/api/x?{raw_query}", "message")
    assert [problem.detail for problem in problems] == details
    assert parsing.query_problems("https://app.example/api/x", "message") == []


WRONG_MOMENTS = (
    "yesterday",
    "2026-13-01",
    "0001-01-01T00:00:00+23:00",
    "2026-11-25T08:00:00Z' or PartitionKey",
)


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        *(("limit", value, "must be a whole number from 1 to 100") for value in ("0", "101", "-1", "\u0661")),
        *(("since", value, "must be a UTC time such as 2026-11-25T08:00:00Z") for value in WRONG_MOMENTS),
        ("timestampUTC", "soon", "must be a UTC time such as 2026-11-25T08:00:00Z"),
        ("timestampUTC", "", "must be a UTC time such as 2026-11-25T08:00:00Z"),
        *((name, "yes", "must be true or false") for name in ("includeInstructions", "includeLock")),
        *(
            ("continuationToken", token, "is not a valid continuation token for this operation")
            for token in ("x", "YTphYQ", "bTptc2ctMDAwMScgb3I", "\u00e4")  # YTphYQ: of the list of assistants
        ),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it_with_its_rule(name: str, value: str, detail: str) -> None:
    assert problem_of(get({name: value})) == ("query", name, detail)


def test_a_timestamp_cannot_be_combined_with_other_parameters() -> None:
    response = get({"timestampUTC": "2026-01-01", "limit": "3"})
    assert problem_of(response) == ("query", "limit", "cannot be combined with timestampUTC")


@pytest.mark.parametrize(("name", "value"), [("limit", "x"), ("continuationToken", "bTptc2ctMDAwMQ")])
def test_a_list_rejects_a_bad_limit_and_a_token_of_another_operation(name: str, value: str) -> None:
    assert problem_of(Api().list_assistants({name: value}))[:2] == ("query", name)


@pytest.mark.parametrize("prefix", [text for text in (*hostile.IDS, *hostile.SLASHES) if text])
def test_a_prefix_is_checked_by_the_rule_of_an_id_before_it_reaches_a_filter(prefix: str) -> None:
    assert problem_of(Api().list_assistants({"prefix": prefix}))[:2] == ("query", "prefix")


class EveryAssistant:
    """A table in which every assistant exists, without messages. It keeps the queries."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, dict[str, object]]] = []

    def get_entity(self, partition: str, row_key: str, **_options: object) -> Any:
        assert partition == hostile.VICTIM
        if row_key != "state":
            raise ResourceNotFoundError
        row = TableEntity(PartitionKey=partition)
        row._metadata = {"timestamp": datetime.now(UTC)}  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue] # the SDK has no other way
        return row

    def query_entities(self, query: str, parameters: dict[str, object], **_options: object) -> Any:
        self.queries.append((query, parameters))
        return []


QUERY = re.compile(r"\w+ (?:eq|ne|gt|ge|lt) (?:@\w+|'System'|'system')(?: and |$)")


def test_no_text_of_a_parameter_becomes_a_part_of_a_filter() -> None:
    """The SDK quotes the parameters of a query."""
    table = EveryAssistant()
    api = Api(SimpleNamespace(chat_state=table, leases=table))

    @examples(max_examples=200)
    @given(
        st.sampled_from(OF_ONE),
        hostile.ids() | st.sampled_from([*filter(None, hostile.IDS), *hostile.TEXTS]),
    )
    @example("since", "2026-11-25' or PartitionKey ne 'x")
    @example("since", "2026-11-25T08:00:00Z")
    @example("timestampUTC", "2026-11-25T08:00:00%2527Z")
    @example("continuationToken", parsing.encode_token("m", "msg-0001"))
    @example("continuationToken", parsing.encode_token("m", "msg-0001' or 'a' eq 'a"))
    def check(name: str, value: str) -> None:
        table.queries.clear()
        assert api.get(hostile.VICTIM, {name: value}).status_code == (200 if table.queries else 400)
        for query, parameters in table.queries:
            assert QUERY.sub("", query) == ""
            assert parameters["id"] == hostile.VICTIM

    check()


def test_an_empty_message_is_rejected() -> None:
    assert problem_of(Api().post_query({}, "message=")) == ("query", "message", "must not be empty")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-25", "2026-11-25T00:00:00.0000000Z"),
        ("2026-11-25T08:30", "2026-11-25T08:30:00.0000000Z"),
        ("2026-11-25T08:30:01.123456789Z", "2026-11-25T08:30:01.1234567Z"),
        ("2026-11-25T08:30:01+01:30", "2026-11-25T07:00:01.0000000Z"),
        ("2026-11-25T08:30:01-01:30", "2026-11-25T10:00:01.0000000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.0000000Z"),
    ],
)
def test_a_time_is_read_as_utc_with_seven_decimals(text: str, moment: str) -> None:
    parsed, problems = parsing.parse_moment({"since": text}, "since")
    assert parsed is not None
    assert (parsed.text, problems) == (moment, [])
    assert parsed.floor.isoformat(timespec="microseconds")[:26] == moment[:26]
