"""Query parameters that the host's own parsing hides: given twice, empty, or not UTF-8.

What the app gets from the host is in its recordings: `query/twice`, `http/echo-all-headers`,
`id/echo-bad-utf8`.
"""

import json
from typing import Any

import azure.functions as func
import pytest
from assistants.posts import PostLog, Services
from assistants.routes import parsing, post, read
from assistants.settings import Settings
from assistants.tables.clients import Tables

from tests.host_requests import Run, adding, answer, conversation, request

OF_ONE = ("timestampUTC", "limit", "continuationToken", "since", "includeInstructions")
OF_LIST = ("limit", "continuationToken")
NO_TABLES: Any = None


def say(raw_query: str, **query: str) -> func.HttpResponse:
    run = Run()
    http_request = request("POST", "a", query=query, raw_query=raw_query)
    response = post.respond(http_request, post.TEXT, Settings(), Services(NO_TABLES, run), PostLog())
    assert run.calls == []
    return response


def get(raw_query: str, **query: str) -> func.HttpResponse:
    return answer(read.respond, request("GET", "a", query=query, raw_query=raw_query), Settings(), NO_TABLES)


def list_(raw_query: str, **query: str) -> func.HttpResponse:
    return answer(read.respond_list, request("GET", query=query, raw_query=raw_query), NO_TABLES)


ROUTES = [(say, "message"), *((get, name) for name in OF_ONE), *((list_, name) for name in OF_LIST)]


def errors(response: func.HttpResponse) -> list[tuple[str, str, str]]:
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    return [
        (error["in"], error["name"], error["detail"]) for error in json.loads(response.get_body())["errors"]
    ]


@pytest.mark.parametrize(("route", "name"), ROUTES)
def test_a_duplicate_parameter_is_rejected_by_name(route: Any, name: str) -> None:
    response = route(f"{name}=1&{name}=2", **{name: "1,2"})
    assert errors(response) == [("query", name, "is given more than once")]


@pytest.mark.parametrize(("route", "name"), ROUTES)
def test_a_parameter_that_is_not_utf8_is_rejected_by_name(route: Any, name: str) -> None:
    ((location, named, detail),) = errors(route(f"{name}=caf%E9", **{name: "caf%E9"}))
    assert (location, named) == ("query", name)
    assert "is not UTF-8" in detail


@pytest.mark.parametrize(
    "raw_query", ["message=a&MESSAGE=b", "%6Dessage=a&message=b", "message=&message=b", "message&message=b"]
)
def test_names_that_the_host_reads_as_one_parameter_are_duplicates(raw_query: str) -> None:
    assert errors(say(raw_query, message="b")) == [("query", "message", "is given more than once")]


@pytest.mark.parametrize(
    "raw",
    ["caf%E9", "%ff", "%C3", "a%C3%A9%E9", "%ED%A0%80", "%C0%80", "%F5%80%80%80", "\udce9"],
)
def test_bytes_that_are_not_utf8_are_detected(raw: str) -> None:
    assert parsing.query_problems(f"https://app.example/api/x?message={raw}", "message")


@pytest.mark.parametrize(
    "raw_query",
    ["message=%25E9", "message=caf%C3%A9", "message=100%", "message=%zz", "message=a+b", "", "x=%ff"],
)
def test_a_parameter_that_arrives_as_sent_is_accepted(raw_query: str) -> None:
    assert parsing.query_problems(f"https://app.example/api/x?{raw_query}", "message") == []
    assert parsing.query_problems("https://app.example/api/x", "message") == []


def test_an_escaped_percent_sign_is_posted_as_text(settings: Settings, tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    run = Run(write=adding(tables, {"Role": "Assistant", "Content": "Yes."}))
    http_request = request("POST", "a", query={"message": "caf%E9"}, raw_query="message=caf%25E9")
    assert (
        post.respond(http_request, post.TEXT, settings, Services(tables, run), PostLog()).status_code == 200
    )
    assert [message for _, message, _ in run.calls] == ["caf%E9"]


@pytest.mark.parametrize("raw_query", [*(f"{name}=" for name in OF_ONE), "limit"])
def test_an_empty_value_does_not_reach_the_app_and_counts_as_absent(
    settings: Settings, tables: Tables, raw_query: str
) -> None:
    conversation(tables.chat_state, "a", "Hi")
    response = answer(read.respond, request("GET", "a", raw_query=raw_query), settings, tables)
    assert response.status_code == 200
    assert "messages" in json.loads(response.get_body())


def test_an_empty_message_is_refused() -> None:
    assert errors(say("message=")) == [("query", "message", "must not be empty")]
