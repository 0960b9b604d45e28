"""Binding data and the expressions that are resolved from it."""

import json
import re
import uuid
from datetime import UTC, datetime

import pytest

from local_azure.functions_host import binding_data, binding_template
from local_azure.functions_host.binding_template import TemplateFormatError
from local_azure.functions_host.bindings.errors import BindingError

QUERY = [("message", "from query"), ("Both", "query"), ("code", "key"), ("twice", "1"), ("TWICE", "2")]
HEADERS = {"x-name": "header", "host": "a"}
ROUTE = {"assistantId": "route", "both": "route"}


def bind(text: str, body: object = None, query: list[tuple[str, str]] = QUERY) -> str:
    content = b"" if body is None else json.dumps(body).encode()
    data = binding_data.of_request(content, query, HEADERS, ROUTE)
    return binding_template.parse(text).bind(data, "MyFunction")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{assistantId}", "route"),
        ("{ASSISTANTID}", "route"),
        ("a/{assistantId}-{message}", "a/route-from query"),
        ("{both}", "route"),
        ("{twice}", "2"),
        ("{Query.twice}", "2"),
        ("{query.message}", "from query"),
        ("{Query.code}", "key"),
        ("{Headers.X-Name}", "header"),
        ("{sys.methodname}", "MyFunction"),
        ("{{literal}}", "{literal}"),
        ("100 %", "100 %"),
        ("", ""),
    ],
)
def test_expressions_are_resolved_from_the_request(text: str, expected: str) -> None:
    assert bind(text) == expected


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ({"n": 5, "f": 1.5, "w": 1.0, "b": True}, "{n} {f} {w} {b}", "5 1.5 1 True"),
        ({"a": {"B": {"c": "deep"}}}, "{A.b.C}", "deep"),
        ({"a": {"b": None}}, "{a.b}", ""),
        ({"a": {"b": 1}}, "<{a}>", "<>"),
        # Newtonsoft.Json parses a date wherever it finds one, and writes it in its own way.
        ({"since": "2026-11-25T10:00:00.5Z"}, "{since}", "11/25/2026 10:00:00"),
        ({"a": {"since": "2026-11-25T10:00:00+02:00"}}, "{a.since}", "11/25/2026 08:00:00"),
        ({"headers": {"x-name": "shadow"}}, "{Headers.x-name}", "shadow"),
        ({"sys": {"methodname": "shadow"}}, "{sys.methodname}", "shadow"),
    ],
)
def test_members_of_a_json_body_come_after_query_and_route(body: object, text: str, expected: str) -> None:
    assert bind(text, body) == expected


def test_a_date_in_the_query_stays_as_it_was_sent() -> None:
    assert bind("{Query.t} {t}", query=[("t", "2026-11-25T10:00:00.5Z")]) == " ".join(
        ["2026-11-25T10:00:00.5Z"] * 2
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{unknown}", "No value for named parameter 'unknown'"),
        ("{code}", "No value for named parameter 'code'"),
        ("{Query.unknown}", "Error while accessing 'unknown': property doesn't exist"),
        ("{message.length}", "Error while accessing 'length'"),
        ("{rand-guid:Q}", "not valid for a GUID"),
    ],
)
def test_a_value_that_is_missing_fails_the_call(text: str, message: str) -> None:
    with pytest.raises(BindingError, match=message):
        bind(text)


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{a b}", "{}", "{a-b}", "{a..b}", "{.a}", "{1a}", "{{{"]
)
def test_a_malformed_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateFormatError, match="Invalid template"):
        binding_template.parse(text)


def test_guids_and_times_are_made_for_each_call() -> None:
    first, second = bind("{rand-guid}"), bind("{rand-guid}")
    assert first != second
    assert str(uuid.UUID(first)) == first
    assert re.fullmatch(r"[0-9a-f]{32}", bind("{rand-guid:N}"))
    assert uuid.UUID(bind("{sys.randguid}"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", bind("{DateTime}"))
    assert bind("{datetime:yyyy}-{sys.utcnow:MM}")[:2] == "20"


def test_dates_are_formatted_with_the_parts_of_dotnet() -> None:
    moment = datetime(2026, 1, 2, 15, 4, 5, 123_456, UTC)
    assert binding_template.format_date(moment, "yy-M/dd HH hh:mm:ss.fff") == "26-M/02 15 03:04:05.123"
