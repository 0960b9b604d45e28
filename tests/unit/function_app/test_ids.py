"""Which ids are valid, and that every route checks them before anything else."""

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest
from assistants.binding_call import CallResult
from assistants.posts import PostLog, Services
from assistants.routes import create, parsing, post, read, remove
from assistants.settings import Settings
from hypothesis import given
from hypothesis import strategies as st

from tests import hostile
from tests.host_requests import GOOD_IDS, HOSTILE_IDS, RecordingOut, answer, request

ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
NO_TABLES: Any = None


@pytest.mark.parametrize("assistant_id", GOOD_IDS)
def test_every_id_of_the_documented_alphabet_is_valid(assistant_id: str) -> None:
    assert parsing.id_problems(assistant_id) == []


@pytest.mark.parametrize(
    "assistant_id", [*HOSTILE_IDS, *hostile.IDS.values(), *hostile.SLASHES.values(), ".", ".."]
)
def test_an_id_that_a_filter_or_a_table_could_misread_is_invalid(assistant_id: str) -> None:
    (problem,) = parsing.id_problems(assistant_id)
    assert (problem.location, problem.name) == ("path", "assistantId")


@given(st.text() | hostile.ids())
def test_an_id_is_valid_exactly_when_it_is_in_the_alphabet(assistant_id: str) -> None:
    valid = 1 <= len(assistant_id) <= 64 and set(assistant_id) <= ALPHABET
    assert bool(parsing.id_problems(assistant_id)) is not valid


def never(_assistant_id: str, _message: str, _key: str) -> CallResult:
    raise AssertionError("the bound function was called")


def put(assistant_id: str, **headers: str) -> func.HttpResponse:
    out = RecordingOut()
    http_request = request("PUT", assistant_id, headers=headers)
    response = answer(create.respond, http_request, out, "Be brief.", NO_TABLES)
    assert out.values == []
    return response


def get(assistant_id: str, **query: str) -> func.HttpResponse:
    return answer(read.respond, request("GET", assistant_id, query=query), Settings(), NO_TABLES)


def post_message(assistant_id: str) -> func.HttpResponse:
    http_request = request("POST", assistant_id, body=b'{"message": "Hello"}')
    return post.respond(http_request, post.JSON, Settings(), Services(NO_TABLES, never), PostLog())


def post_user_query(assistant_id: str) -> func.HttpResponse:
    http_request = request("POST", assistant_id, query={"message": "Hello"})
    return post.respond(http_request, post.TEXT, Settings(), Services(NO_TABLES, never), PostLog())


ROUTES: dict[str, Callable[[str], func.HttpResponse]] = {
    "PUT": put,
    "PUT, only if new": lambda assistant_id: put(assistant_id, **{"If-None-Match": "*"}),
    "GET": get,
    "GET as the binding": lambda assistant_id: get(assistant_id, timestampUTC="2020-01-01"),
    "GET with a bad parameter": lambda assistant_id: get(assistant_id, limit="x"),
    "POST messages": post_message,
    "POST": post_user_query,
    "DELETE": lambda assistant_id: answer(remove.respond, request("DELETE", assistant_id), NO_TABLES),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("assistant_id", ["x' or PartitionKey eq 'victim", "a/b", "a" * 65])
def test_every_route_rejects_an_invalid_id_without_tables_or_a_call(
    route: Callable[[str], func.HttpResponse], assistant_id: str
) -> None:
    response = route(assistant_id)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert "assistantId" in [error.get("name") for error in json.loads(response.get_body())["errors"]]
