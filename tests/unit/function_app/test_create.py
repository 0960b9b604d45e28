"""CreateAssistant with real requests, as the Functions host builds them."""

import json
from typing import Any

import azure.functions as func
import pytest
from assistants import rules
from assistants.routes.create import blueprint, respond
from assistants.settings import DEFAULT_INSTRUCTIONS, Settings
from azure.functions.http import HttpRequest as HostRequest
from hypothesis import given
from hypothesis import strategies as st

from tests.host_requests import (
    GOOD_IDS,
    NOTHING,
    SMILE,
    RecordingOut,
    answer,
)


def request(body: bytes = b"", assistant_id: str = "hello") -> func.HttpRequest:
    return HostRequest(
        method="PUT",
        url="https://app.example/api/assistants/hello",
        headers={"content-type": "application/json"},
        params={},
        route_params={"assistantId": assistant_id},
        body_type="bytes",
        body=body,
    )


def put(body: bytes = b"", assistant_id: str = "hello") -> tuple[func.HttpResponse, list[dict[str, Any]]]:
    out = RecordingOut()
    response = answer(respond, request(body, assistant_id), out, DEFAULT_INSTRUCTIONS, NOTHING)
    return response, [json.loads(value) for value in out.values]


def refusal(body: bytes = b"", assistant_id: str = "hello") -> dict[str, Any]:
    response, created = put(body, assistant_id)
    assert created == []
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    problem = json.loads(response.get_body())
    assert problem["status"] == 400
    assert problem["errors"]
    return problem


def body_of(**members: object) -> bytes:
    return json.dumps(members).encode()


def test_answers_202_with_the_id_and_sets_the_documented_request() -> None:
    response, created = put()
    assert response.status_code == 202
    assert response.mimetype == "application/json"
    assert response.get_body() == b'{"assistantId":"hello"}'
    assert created == [
        {
            "id": "hello",
            "instructions": "Don't make assumptions about what values to plug into functions.\n"
            "Ask for clarification if a user request is ambiguous.",
            "chatStorageConnectionSetting": "AzureWebJobsStorage",
            "collectionName": "ChatState",
        }
    ]


def test_the_registered_function_uses_the_default_of_the_settings() -> None:
    app = func.FunctionApp()
    app.register_functions(blueprint(Settings(func.AuthLevel.FUNCTION, "Be brief."), NOTHING))
    (function,) = app.get_functions()
    out = RecordingOut()
    response = function.get_user_function()(request(), out)
    assert response.status_code == 202
    assert json.loads(out.get())["instructions"] == "Be brief."


@pytest.mark.parametrize("assistant_id", GOOD_IDS)
def test_accepts_every_id_of_the_documented_alphabet(assistant_id: str) -> None:
    response, created = put(assistant_id=assistant_id)
    assert json.loads(response.get_body()) == {"assistantId": assistant_id}
    assert created[0]["id"] == assistant_id


@pytest.mark.parametrize(
    "instructions",
    [
        "Be brief.",
        "",
        "  \n",
        'tab\tline\r\nquote" backslash\\',
        "2024-01-01T00:00:00.000Z",
        "/Date(1700000000000)/",
        "{}",
        "[]",
        '{"id":"victim"}',
        "null",
        "12345678901234567890",
        SMILE,
        "\u0080\u00a0\u2028\ufeff\ue000\ufffd",
        "x" * 32_768,
        SMILE * 16_384,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_instructions_arrive_as_they_were_sent(instructions: str) -> None:
    _, created = put(body_of(instructions=instructions))
    assert created[0]["instructions"] == instructions


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_any_text_arrives_as_it_was_sent(instructions: str) -> None:
    _, created = put(json.dumps({"instructions": instructions}, ensure_ascii=False).encode())
    assert created[0]["instructions"] == instructions


def test_an_empty_object_means_the_default_instructions() -> None:
    _, created = put(b" {} ")
    assert created[0]["instructions"] == DEFAULT_INSTRUCTIONS


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("x" * 32_769, "has 32769 UTF-16 code units: the maximum is 32768"),
        (SMILE * 16_384 + "x", "has 32769 UTF-16 code units: the maximum is 32768"),
        ("a\x00b", "U+0000 at position 1"),
        ("\x1b[31m", "U+001B at position 0"),
        ("\ud800", "U+D800 at position 0"),
        ("\udc00\ud800", "U+DC00 at position 0"),
        ("\uffff", "U+FFFF at position 0"),
        (None, "must be a string"),
        (1, "must be a string"),
        (True, "must be a string"),
        (["a"], "must be a string"),
        ({}, "must be a string"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_refuses_instructions_that_could_not_be_stored(instructions: object, expected: str) -> None:
    (error,) = refusal(body_of(instructions=instructions))["errors"]
    assert (error["in"], error["name"], error["pointer"]) == ("body", "instructions", "#/instructions")
    assert expected in error["detail"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"1", "must be a JSON object"),
        (b" ", "is not JSON"),
        (b"{", "is not JSON"),
        (b"{}{}", "is not JSON"),
        (b"{'instructions': 'x'}", "is not JSON"),
        (b'{"instructions": "a\nb"}', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"instructions": "\xff"}', "is not UTF-8: the byte at position 18"),
        (b'{"instructions": "\xed\xa0\x80"}', "is not UTF-8"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b'{"instructions": NaN}', "NaN is not a JSON value"),
        (b'{"instructions": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"a":' * 100_000, "is not JSON that can be parsed"),
        (b'{"a":' + b"9" * 5000 + b"}", "is not JSON that can be parsed"),
        (b" " * (256 * 1024) + b"{}", "has 262146 bytes: the maximum is 262144"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_refuses_a_body_that_is_neither_empty_nor_a_json_object(body: bytes, expected: str) -> None:
    if body.startswith(b'{"a":{'):
        body = body[: 256 * 1024]
    (error,) = refusal(body)["errors"]
    assert error["in"] == "body"
    assert error["pointer"] == "#"
    assert "name" not in error
    assert expected in error["detail"]


def test_the_longest_instructions_fit_the_body_limit_however_they_are_escaped() -> None:
    body = json.dumps({"instructions": SMILE * 16_384}).encode()
    assert b"\\ud83d" in body
    assert put(body)[0].status_code == 202


@pytest.mark.parametrize(
    "name", ["id", "Instructions", "collectionName", "chatStorageConnectionSetting", "", "__proto__"]
)
def test_rejects_an_unknown_member(name: str) -> None:
    (error,) = refusal(body_of(**{name: "x"}))["errors"]
    assert error["name"] == name
    assert "is unknown" in error["detail"]


def test_rejects_a_duplicate_member() -> None:
    (error,) = refusal(b'{"instructions": "a", "instructions": "b"}')["errors"]
    assert error["name"] == "instructions"
    assert "more than once" in error["detail"]


def test_names_every_problem_at_once() -> None:
    problem = refusal(body_of(instructions=1, a="x", b="y"), assistant_id="a'b")
    assert [error["name"] for error in problem["errors"]] == ["assistantId", "a", "b", "instructions"]
    assert "assistantId must be" in problem["detail"]
    assert problem["type"] == "about:blank"
    assert problem["title"] == "Bad Request"


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("a/b", "#/a~1b"),
        ("a~b", "#/a~0b"),
        ("a b%", "#/a%20b%25"),
        ("é", "#/%C3%A9"),
        ("\ud800", "#/%ED%A0%80"),
    ],
)
def test_a_pointer_is_a_uri_fragment_for_any_member_name(name: str, pointer: str) -> None:
    (error,) = refusal(body_of(**{name: 1}))["errors"]
    assert error["pointer"] == pointer


def test_a_problem_document_is_limited_in_size() -> None:
    response, _ = put(body_of(**{f"{number}{'x' * 1000}": 1 for number in range(200)}))
    assert len(response.get_body()) < 10_000


@pytest.mark.parametrize(("text", "units"), [("", 0), ("a", 1), ("\uffff", 1), (SMILE, 2), ("\ud800", 1)])
def test_utf16_units_are_what_dotnet_counts(text: str, units: int) -> None:
    assert rules.utf16_units(text) == units == len(text.encode("utf-16-le", "surrogatepass")) // 2
