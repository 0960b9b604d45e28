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
        ("{Query.message}", "from query"),
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
        ({"message": "body"}, "{message}", "from query"),
        ({"text": "body"}, "{text}", "body"),
        ({"assistantId": "body"}, "{assistantId}", "route"),
        ({"n": 5, "f": 1.5, "w": 1.0, "b": True}, "{n} {f} {w} {b}", "5 1.5 1 True"),
        ({"a": {"B": {"c": "deep"}}}, "{A.b.C}", "deep"),
        ({"a": {"b": None}}, "{a.b}", ""),
        # Recordings body/message-object and body/message-msdate.
        ({"a": {"b": 1}}, "<{a}>", "<>"),
        ({"a": "/Date(1700000000000)/"}, "{a}", "11/14/2023 22:13:20"),
        # Newtonsoft.Json parses a date wherever it finds one, and writes it in its own way.
        ({"since": "2026-11-25T10:00:00.5Z"}, "{since}", "11/25/2026 10:00:00"),
        ({"a": {"since": "2026-11-25T10:00:00+02:00"}}, "{a.since}", "11/25/2026 08:00:00"),
        ({"Query": {"message": "shadow"}}, "{Query.message}", "shadow"),
        # Recordings inject/query-is-null-in-body and inject/query-is-array-in-body.
        ({"Query": None}, "{Query.message}", "from query"),
        ({"Query": ["x"]}, "{Query.message}", "from query"),
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


def test_what_a_request_brings_is_no_template_and_no_setting() -> None:
    assert bind("{message}", query=[("message", "{assistantId} %PATH%")]) == "{assistantId} %PATH%"


def test_an_empty_query_value_is_a_value() -> None:
    assert bind("<{Query.message}>", query=[("message", "")]) == "<>"


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"text"',
        b"{broken",
        b"\xff",
        b"[" * 100_000,
        b'{"a": null}',
        pytest.param(b'{"a": ["x"]}', id="body/message-array"),
        pytest.param(b'{"a": "x", "b": ' + b"[" * 64 + b"]" * 64 + b"}", id="body/deep-200"),
    ],
)
def test_a_body_without_members_gives_nothing(body: bytes) -> None:
    assert set(binding_data.of_request(body, [], {}, {})) == {"query", "headers"}


def test_a_body_of_63_levels_is_read() -> None:
    """Recording body/deep-63."""
    body = b'{"a": "x", "b": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert binding_data.of_request(body, [], {}, {})["a"] == "x"


def test_bytes_of_a_body_that_are_not_utf8_are_replaced() -> None:
    """Recordings body/not-utf8 and body/latin1-charset."""
    assert binding_data.of_request(b'{"a": "\xfc\xff"}', [], {}, {})["a"] == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{unknown}", "No value for named parameter 'unknown'"),
        ("{code}", "No value for named parameter 'code'"),
        # Recordings query/lower-name and query/two-cases.
        ("{Query.MESSAGE}", "Error while accessing 'MESSAGE': property doesn't exist"),
        ("{Query.TWICE}", "Error while accessing 'TWICE': property doesn't exist"),
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
