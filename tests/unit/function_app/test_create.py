"""CreateAssistant without tables: the create request, and what is rejected."""

import json
from typing import Any

import pytest
from assistants import rules
from assistants.routes import create
from assistants.settings import DEFAULT_INSTRUCTIONS, Settings

from tests import hostile
from tests.host_requests import SMILE, Api, EmptyTables, RecordingOut, body_of, functions_of, request


def create_request(body: bytes = b"") -> dict[str, Any]:
    """What the output binding gets."""
    api = Api(EmptyTables())
    assert api.put(body=body).status_code == 202
    return api.create_requests[0]


def problem_of(body: bytes, assistant_id: str = "a") -> dict[str, Any]:
    response = Api().put(assistant_id, body)
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    return body_of(response)


def body_with(**members: object) -> bytes:
    return json.dumps(members).encode()


def test_the_response_is_202_with_the_id_and_the_create_request_that_of_the_documentation() -> None:
    app = functions_of(create.blueprint(Settings(), EmptyTables()))  # pyright: ignore[reportArgumentType] # a stand-in
    out = RecordingOut()
    response = app["CreateAssistant"].get_user_function()(request("PUT", "hello"), out)
    assert (response.status_code, response.mimetype) == (202, "application/json")
    assert response.get_body() == b'{"assistantId":"hello"}'
    # Pairs: a dict would lose the order, and a duplicate member.
    assert json.loads(out.get(), object_pairs_hook=list) == [
        ("id", "hello"),
        (
            "instructions",
            "Don't make assumptions about what values to plug into functions.\n"
            "Ask for clarification if a user request is ambiguous.",
        ),
        ("chatStorageConnectionSetting", "AzureWebJobsStorage"),
        ("collectionName", "ChatState"),
    ]


@pytest.mark.parametrize("instructions", ["", "  \n", *hostile.TEXTS], ids=lambda text: ascii(text[:20]))
def test_instructions_arrive_as_they_were_sent(instructions: str) -> None:
    for escaped in (True, False):
        body = json.dumps({"instructions": instructions}, ensure_ascii=escaped).encode()
        assert create_request(body)["instructions"] == instructions


@pytest.mark.parametrize("instructions", [DEFAULT_INSTRUCTIONS, "", "Be brief."])
def test_without_a_member_the_default_instructions_of_the_settings_are_used(instructions: str) -> None:
    for body in (b"", b" {} "):
        api = Api(EmptyTables(), Settings(default_instructions=instructions))
        api.put(body=body)
        assert api.create_requests[0]["instructions"] == instructions


MEMBER = "#/instructions"
INVALID_BODIES: list[tuple[bytes, str, str]] = [
    *((body_with(instructions=value), MEMBER, "must be a string") for value in (None, 1, ["a"])),
    (
        body_with(instructions=SMILE * 16_384 + "x"),
        MEMBER,
        "has 32769 UTF-16 code units: the maximum is 32768",
    ),
    *(
        (body_with(instructions=f"a{character}"), MEMBER, f"U+{ord(character):04X} at position 1")
        for character in "\0\x08\x0b\x0c\x0e\x1f\ud800\udfff\ufffe\uffff"
    ),
    *(
        (body_with(**{name: "x"}), f"#/{name}", "is unknown: the members are instructions")
        for name in ("id", "Instructions", "collectionName", "", "__proto__")
    ),
    (b'{"instructions": "a", "instructions": "b"}', MEMBER, "is given more than once"),
    *(
        (body_with(**{name: 1}), pointer, "is unknown")
        for name, pointer in (("a/b", "#/a~1b"), ("a~b", "#/a~0b"), ("a b%é", "#/a%20b%25%C3%A9"))
    ),
    (body_with(**{"\ud800": 1}), "#/%ED%A0%80", "is unknown"),
    *((body, "#", "must be a JSON object") for body in (b"null", b"[]", b'"text"', b"1")),
    *((body, "#", "is not JSON") for body in (b" ", b"{", b"{}{}", b"{'a': 1}", b'{"a": "\n"}')),
    (b"\xef\xbb\xbf{}", "#", "is not JSON"),
    (b'{"instructions": "\xff"}', "#", "is not UTF-8: the byte at position 18"),
    (b'{"instructions": "\xed\xa0\x80"}', "#", "is not UTF-8"),
    ("{}".encode("utf-16"), "#", "is not UTF-8"),
    (b'{"instructions": NaN}', "#", "NaN is not a JSON value"),
    (b'{"instructions": -Infinity}', "#", "-Infinity is not a JSON value"),
    (b'{"a":' * 50_000, "#", "is not JSON that can be parsed"),
    (b'{"a":' + b"9" * 5000 + b"}", "#", "is not JSON that can be parsed"),
    (b" " * (256 * 1024 - 1) + b"{}", "#", "has 262145 bytes: the maximum is 262144"),
]


@pytest.mark.parametrize(("body", "pointer", "detail"), INVALID_BODIES, ids=lambda value: repr(value)[:40])
def test_an_invalid_body_is_rejected_with_a_pointer_and_the_rule(
    body: bytes, pointer: str, detail: str
) -> None:
    (error,) = problem_of(body)["errors"]
    assert (error["in"], error["pointer"]) == ("body", pointer)
    assert ("name" in error) is (pointer != "#")
    assert detail in error["detail"]


def test_the_largest_body_is_accepted() -> None:
    assert create_request(b" " * (256 * 1024 - 2) + b"{}")


def test_every_problem_is_named_at_once() -> None:
    problem = problem_of(body_with(instructions=1, a="x", b="y"), assistant_id="a'b")
    assert [error["name"] for error in problem["errors"]] == ["assistantId", "a", "b", "instructions"]
    assert problem["detail"].startswith("assistantId must be 1 to 64 characters")
    assert problem["detail"].endswith(" instructions must be a string.")
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Bad Request", 400)


def test_a_problem_document_is_limited_in_size() -> None:
    problem = problem_of(body_with(**{f"{number:03}{'x' * 62}": 1 for number in range(200)}))
    assert [error["name"] for error in problem["errors"]] == [f"{n:03}{'x' * 61}…" for n in range(20)]


@pytest.mark.parametrize("precondition", ['"1"', "", "*, *"])
def test_any_precondition_but_that_for_a_new_assistant_is_rejected(precondition: str) -> None:
    response = Api().put(headers={"If-None-Match": precondition})
    assert response.status_code == 400
    (error,) = body_of(response)["errors"]
    assert (error["in"], error["name"]) == ("header", "If-None-Match")
    assert error["detail"].startswith("must be *")


@pytest.mark.parametrize(("text", "units"), [("", 0), ("a", 1), ("\uffff", 1), (SMILE, 2), ("\ud800", 1)])
def test_utf16_units_are_what_dotnet_counts(text: str, units: int) -> None:
    assert rules.utf16_units(text) == units == len(text.encode("utf-16-le", "surrogatepass")) // 2
