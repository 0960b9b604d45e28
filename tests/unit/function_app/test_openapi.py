"""The OpenAPI document against the app: its routes, rules and types. Api.* compares it with each response."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import azure.functions as func
import pytest
from assistants import paths, rules
from assistants.routes import openapi, parsing
from assistants.settings import Settings
from jsonschema import Draft202012Validator

from tests import hostile
from tests.host_requests import ASSISTANT, GOOD_IDS, bindings_of, functions_of, index_app, request

SETTINGS = Settings(expose_instructions=True, chat_page=True)
DOCUMENT = openapi.document(SETTINGS)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations_of_path in DOCUMENT["paths"].items():
        for method, operation in operations_of_path.items():
            if method != "parameters":
                yield path, method.upper(), operation


def validator(schema: Mapping[str, Any]) -> Any:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_route_of_the_app_but_the_internal_one_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    app = index_app(monkeypatch)
    del app["RunAssistant"]
    triggers = [trigger for function in app.values() if (trigger := bindings_of(function).get("httpTrigger"))]
    registered = {
        ("/" + re.sub(r":.*\)}", "}", trigger["route"]), method, trigger["authLevel"] == "ANONYMOUS")
        for trigger in triggers
        for method in trigger["methods"]
    }
    documented = {(path, method, operation.get("security") == []) for path, method, operation in operations()}
    assert documented == registered


def test_the_registered_function_returns_the_document_of_the_settings() -> None:
    function = functions_of(openapi.blueprint(SETTINGS))["OpenApi"]
    response: func.HttpResponse = function.get_user_function()(request("GET"))
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert len(response.get_body()) > 10_000


def test_it_follows_the_settings() -> None:
    anonymous = openapi.document(Settings(func.AuthLevel.ANONYMOUS))
    assert "security" not in anonymous
    assert "securitySchemes" not in anonymous["components"]
    assert "/chat" not in anonymous["paths"]
    responses = [document["paths"][ASSISTANT]["get"]["responses"] for document in (anonymous, DOCUMENT)]
    assert ["401" in response for response in responses] == [False, True]
    assert ["403" in response for response in responses] == [True, False]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert [(scheme["in"], scheme["name"]) for scheme in schemes.values()] == [
        ("header", "x-functions-key"),
        ("query", "code"),
    ]
    assert DOCUMENT["security"] == [{name: []} for name in schemes], "one of them is enough"


@pytest.mark.parametrize(("prefix", "url"), [("v1", "/v1"), ("", "/")])
def test_its_server_is_below_the_route_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str, url: str) -> None:
    monkeypatch.setattr(paths, "PREFIX", prefix)
    assert openapi.document(SETTINGS)["servers"] == [{"url": url}]


def test_its_schemas_are_schemas_and_its_examples_fit_them() -> None:
    examples = 0

    def visit(node: Any) -> None:
        nonlocal examples
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            if "schema" in members:
                Draft202012Validator.check_schema(members["schema"])
                if "example" in members:
                    validator(members["schema"]).validate(members["example"])
                    examples += 1
            for child in members.values():
                visit(child)
        elif isinstance(node, list):
            for child in cast("list[Any]", node):
                visit(child)

    visit(DOCUMENT["paths"])
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert examples >= 10


def test_it_allows_exactly_the_ids_that_the_app_allows() -> None:
    (parameter,) = DOCUMENT["paths"][ASSISTANT]["parameters"]
    allows = validator(parameter["schema"]).is_valid
    for assistant_id in [*GOOD_IDS, *hostile.IDS, *hostile.SLASHES]:
        # JSON Schema's `$` is the end; Python's also matches before a final newline.
        if not assistant_id.endswith("\n"):
            assert allows(assistant_id) is not bool(parsing.id_problems(assistant_id)), assistant_id


@pytest.mark.parametrize(
    "text", ["", "a", "\t\r\n", "a\x00", "\x0b", "\x1f", "\ufffe", "ä\u2028🙂", "a" * 32_768, "a" * 32_769]
)
def test_it_allows_exactly_the_texts_that_the_app_allows(text: str) -> None:
    def allows(path: str, method: str, member: str) -> bool:
        content = DOCUMENT["paths"][path][method]["requestBody"]["content"]
        return validator(content["application/json"]["schema"]).is_valid({member: text})

    assert allows(ASSISTANT, "put", "instructions") is not bool(rules.instructions_problems(text))
    assert allows(f"{ASSISTANT}/messages", "post", "message") is not bool(rules.message_problems(text))


def test_it_allows_no_other_member_and_requires_the_message() -> None:
    for path, method, empty in ((ASSISTANT, "put", True), (f"{ASSISTANT}/messages", "post", False)):
        body = DOCUMENT["paths"][path][method]["requestBody"]
        schema = validator(body["content"]["application/json"]["schema"])
        assert (body["required"], schema.is_valid({})) == (not empty, empty)
        assert not schema.is_valid({"message": "Hi", "instructions": "Be brief."})


@pytest.mark.parametrize(
    ("name", "operation_count", "valid", "invalid"),
    [
        ("limit", 2, [1, 50, 100], [-1, 0, 101, "1", 1.5]),
        *(
            (
                name,
                1,
                [
                    "2026-11-25",
                    "2026-11-25T08:00Z",
                    "2026-11-25T08:00:00.1234567Z",
                    "2026-11-25T08:00:00+01:00",
                ],
                ["", "soon", "2026-11-25T", "2026-11-25T08Z", "2026-11-25T08:00:00.Z"],
            )
            for name in ("since", "timestampUTC")
        ),
        ("includeInstructions", 1, ["true", "false"], [True, "yes"]),
        ("continuationToken", 2, ["bTptc2c"], [7]),
        ("If-None-Match", 1, ["*"], ["x"]),
        ("message", 1, ["Hello"], ["", 7]),
    ],
)
def test_it_allows_exactly_the_parameters_that_the_app_allows(
    name: str, operation_count: int, valid: list[object], invalid: list[object]
) -> None:
    schemas = [
        validator(parameter["schema"])
        for _, _, operation in operations()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == name
    ]
    assert len(schemas) == operation_count
    for schema in schemas:
        assert [value for value in [*valid, *invalid] if schema.is_valid(value)] == valid
    if name == "limit":
        numbers = [number for number in [*valid, *invalid] if isinstance(number, int)]
        assert [number for number in numbers if not parsing.parse_limit({name: str(number)})[1]] == valid
    if name in ("since", "timestampUTC"):
        assert [
            text for text in [*valid, *invalid] if not parsing.parse_moment({name: str(text)}, name)[1]
        ] == valid


def test_retry_after_is_documented_as_whole_seconds_where_a_retry_can_succeed() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            headers = response.get("headers", {})
            assert ("Retry-After" in headers) is (status in ("409", "503")), (path, method, status)
            if "Retry-After" in headers:
                allows = validator(headers["Retry-After"]["schema"]).is_valid
                assert [value for value in (1, 60, 0, -1, 1.5, "5") if allows(value)] == [1, 60]


def test_everything_is_described_in_words() -> None:
    for path, method, operation in operations():
        texts = [operation["summary"], operation["operationId"]]
        texts += [response["description"] for response in operation["responses"].values()]
        texts += [parameter.get("description", "-") for parameter in operation.get("parameters", [])]
        assert all(text.strip() for text in texts), (path, method)
    identifiers = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(identifiers)) == len(identifiers) == 9
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["description"]


Json = dict[str, Any]
PROBLEM: Json = {"type": "about:blank", "title": "x", "status": 400, "detail": "x"}
ASSISTANT_AT_FIRST: Json = {
    **dict.fromkeys(("createdAt", "lastUpdatedAt"), "2026-11-25T08:00:00Z"),
    "assistantId": "a",
    "totalMessages": 0,
    "totalTokens": 0,
}
BODY_ERROR: Json = {"in": "body", "detail": "x"}
CALL: Json = {"id": "c1", "functionName": "AddTodo", "kind": "Function", "functionArguments": "{}"}
MESSAGE: Json = {"number": 1, "role": "User", "content": "", "createdAt": "", "toolCalls": [CALL]}
# With members of another type or value, each of which is invalid.
SCHEMAS: list[tuple[str, Json, list[Json]]] = [
    ("Problem", PROBLEM, [{"status": 399}, {"status": 600}, {"status": "400"}, {"type": "x"}, {"title": 7}]),
    ("Problem", {**PROBLEM, "messageStored": None}, [{"messageStored": "yes"}, {"lockedUntil": 7}]),
    (
        "InvalidRequest",
        {**PROBLEM, "errors": [{"in": "body", "detail": "x"}]},
        [{"errors": []}, {"errors": [{}]}],
    ),
    ("Unhealthy", {**PROBLEM, "package": "x", "problems": ["x"]}, [{"problems": []}, {"problems": [7]}]),
    ("Assistant", ASSISTANT_AT_FIRST, [{"totalMessages": -1}, {"totalTokens": "1"}, {"createdAt": 7}]),
    ("Assistants", {"assistants": []}, [{"assistants": [{}]}, {"continuationToken": 7}]),
    ("Conversation", {**ASSISTANT_AT_FIRST, "messages": []}, [{"messages": [{}]}, {"continuationToken": 7}]),
    (
        "Message",
        MESSAGE,
        [{"number": 0}, {"role": "Other"}, {"content": None}, {"toolCallId": 7}, {"toolCalls": [{}]}],
    ),
    ("ToolCall", CALL, [{"id": 7}, {"kind": None}]),
]


@pytest.mark.parametrize(("schema", "valid", "changes"), SCHEMAS)
def test_the_members_of_responses_have_types(schema: str, valid: Json, changes: list[Json]) -> None:
    allows = validator({"$ref": f"#/components/schemas/{schema}"}).is_valid
    assert allows(valid)
    assert [change for change in [*changes, {"other": 1}] if allows({**valid, **change})] == []
