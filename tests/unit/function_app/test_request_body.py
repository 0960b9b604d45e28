"""Bodies that the Functions host drops, truncates or does not decode: rejected before parsing."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func
import pytest
from assistants.binding_call import CallResult
from assistants.posts import PostLog, Services
from assistants.routes import create, post, request_body
from assistants.settings import Settings

from tests.host_requests import RecordingOut, answer, request

CONTENT = b'{"message": "Hi"}'
Route = Callable[[Mapping[str, str]], func.HttpResponse]


def never(_assistant_id: str, _message: str, _key: str) -> CallResult:
    raise AssertionError("the bound function was called")


def put(headers: Mapping[str, str]) -> func.HttpResponse:
    out = RecordingOut()
    no_tables: Any = None
    response = answer(create.respond, request("PUT", "a", headers=headers), out, "Be brief.", no_tables)
    assert out.values == []
    return response


def post_message(headers: Mapping[str, str]) -> func.HttpResponse:
    no_tables: Any = None
    return post.respond(
        request("POST", "a", headers=headers), post.JSON, Settings(), Services(no_tables, never), PostLog()
    )


def post_user_query(headers: Mapping[str, str]) -> func.HttpResponse:
    no_tables: Any = None
    query = {"message": "Hi"}
    return post.respond(
        request("POST", "a", query=query, headers=headers),
        post.TEXT,
        Settings(),
        Services(no_tables, never),
        PostLog(),
    )


@pytest.mark.parametrize("route", [put, post_message, post_user_query])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Transfer-Encoding", "chunked", 411), ("Content-Encoding", "gzip", 415), ("Content-Length", "7", 400)],
)
def test_every_route_with_a_body_refuses_one_that_did_not_arrive_as_sent(
    route: Route, header: str, value: str, status: int
) -> None:
    response = route({header: value})
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert header in json.loads(response.get_body())["detail"]


@pytest.mark.parametrize("name", ["transfer-encoding", "Transfer-Encoding", "TRANSFER-ENCODING"])
def test_header_names_come_in_any_case(name: str) -> None:
    refused = request_body.check_body(request("PUT", headers={name: "chunked"}))
    assert refused is not None
    assert refused.status_code == 411


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "unknown", "identity, gzip", "x" * 9000]
)
def test_an_encoded_body_is_415_with_a_short_problem(encoding: str) -> None:
    refused = request_body.check_body(request("PUT", body=CONTENT, headers={"Content-Encoding": encoding}))
    assert refused is not None
    assert refused.status_code == 415
    assert len(refused.get_body()) < 500


@pytest.mark.parametrize("length", ["16", "18", "0", "-1", "x", "9" * 5000, "17,17"])
def test_a_length_that_is_not_the_bodys_is_a_400_that_names_the_header(length: str) -> None:
    refused = request_body.check_body(request("PUT", body=CONTENT, headers={"Content-Length": length}))
    assert refused is not None
    (error,) = json.loads(refused.get_body())["errors"]
    assert (refused.status_code, error["in"], error["name"]) == (400, "header", "Content-Length")
    assert len(refused.get_body()) < 500


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (CONTENT, {"Content-Length": "17"}),
        (CONTENT, {}),
        (b"", {}),
        (b"", {"Content-Length": "0"}),
        (CONTENT, {"Content-Encoding": "identity"}),
        (CONTENT, {"Content-Encoding": "Identity, identity"}),
        (CONTENT, {"Content-Encoding": ""}),
    ],
)
def test_a_body_that_arrived_as_it_was_sent_is_not_refused(content: bytes, headers: dict[str, str]) -> None:
    assert request_body.check_body(request("PUT", body=content, headers=headers)) is None
