"""The OpenAPI document against the app: its routes, rules and types. Api.* compares it with each response."""

import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, cast

import azure.functions as func
import pytest
from assistants import paths, rules
from assistants.routes import openapi, parsing
from assistants.settings import Settings
from jsonschema import Draft202012Validator

from tests import hostile
from tests.host_requests import ASSISTANT, GOOD_IDS, bindings_of, functions_of, index_app, request

Json = dict[str, Any]
SETTINGS = Settings(expose_instructions=True, chat_page=True)
DOCUMENT: Json = openapi.document(SETTINGS)


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, operations_of_path in DOCUMENT["paths"].items():
        for method, operation in operations_of_path.items():
            if method != "parameters":
                yield path, method.upper(), operation


def validator(schema: Json) -> Any:
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
    assert b'"/chat"' in response.get_body()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_it_follows_the_settings() -> None:
    anonymous = openapi.document(Settings(func.AuthLevel.ANONYMOUS))
    assert "security" not in anonymous
    assert "securitySchemes" not in anonymous["components"]
    assert "/chat" not in anonymous["paths"]
    responses = [document["paths"][ASSISTANT]["get"]["responses"] for document in (anonymous, DOCUMENT)]
    assert [response.keys() & {"401", "403"} for response in responses] == [{"403"}, {"401"}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert [(scheme["type"], scheme["in"], scheme["name"]) for scheme in schemes.values()] == [
        ("apiKey", "header", "x-functions-key"),
        ("apiKey", "query", "code"),
    ]
    assert DOCUMENT["security"] == [{name: []} for name in schemes], "one of them is enough"


@pytest.mark.parametrize(("prefix", "url"), [("v1", "/v1"), ("", "/")])
def test_its_server_is_below_the_route_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str, url: str) -> None:
    monkeypatch.setattr(paths, "PREFIX", prefix)
    assert openapi.document(SETTINGS)["servers"] == [{"url": url}]


def test_its_schemas_are_schemas_and_its_examples_fit_them() -> None:
    examples: list[object] = []

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            members = cast("Json", node)
            if "schema" in members:
                Draft202012Validator.check_schema(members["schema"])
                if "example" in members:
                    validator(members["schema"]).validate(members["example"])
                    examples.append(members["example"])
            visit(list(members.values()))
        elif isinstance(node, list):
            for child in cast("list[Any]", node):
                visit(child)

    visit(DOCUMENT["paths"])
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert len(examples) == 16


def schemas_of(name: str) -> list[Json]:
    """Of a parameter or a member of a request body, one for each operation that has it."""
    schemas = [
        parameter["schema"]
        for parameter in DOCUMENT["paths"][ASSISTANT]["parameters"]
        if name == "assistantId"
    ]
    for _, _, operation in operations():
        schemas += [p["schema"] for p in operation.get("parameters", []) if p["name"] == name]
        if body := operation.get("requestBody"):
            properties = body["content"]["application/json"]["schema"]["properties"]
            schemas += [schema for member, schema in properties.items() if member == name]
    return schemas


TEXTS = ["", "a", "\t\r\n", "a\x00", "\x0b", "\x1f", "\ufffe", "ä\u2028🙂", "a" * 32_768, "a" * 32_769]
MOMENTS = [
    *("2026-11-25", "2026-11-25T08:00Z", "2026-11-25T08:00:00.1234567Z", "2026-11-25T08:00:00+01:00"),
    *("", "soon", "2026-11-25T", "2026-11-25T08Z", "2026-11-25T08:00:00.Z"),
]
# What the app allows, by name.
RULES: list[tuple[str, Sequence[Any], Callable[[Any], bool]]] = [
    # JSON Schema's `$` is the end; Python's also matches before a final newline.
    (
        "assistantId",
        [*GOOD_IDS, *(hostile_id for hostile_id in hostile.IDS if not hostile_id.endswith("\n"))],
        lambda value: not parsing.id_problems(value),
    ),
    ("instructions", TEXTS, lambda value: not rules.text_problems(value)),
    ("message", TEXTS, lambda value: not rules.message_problems(value)),
    ("limit", [-1, 0, 1, 50, 100, 101], lambda value: not parsing.parse_limit({"limit": str(value)})[1]),
    ("limit", ["1", 1.5, 1], lambda value: value == 1),
    ("since", MOMENTS, lambda value: not parsing.parse_moment({"since": value}, "since")[1]),
    ("timestampUTC", MOMENTS, lambda value: not parsing.parse_moment({"since": value}, "since")[1]),
    ("totalMessages", [-1, 0, 7, "7", None, 1.5], lambda value: value in (0, 7)),
    ("prefix", [*GOOD_IDS, *hostile.IDS[2:5]], lambda value: not parsing.parse_prefix({"prefix": value})[1]),
    *(
        (name, ["true", "false", True, "yes"], lambda value: value in ("true", "false"))
        for name in ("includeLock", "includeInstructions", "includeRemaining")
    ),
    ("continuationToken", ["bTptc2c", 7], lambda value: value != 7),
    ("If-None-Match", ["*", "x"], lambda value: value == "*"),
]


@pytest.mark.parametrize(("name", "values", "is_allowed"), RULES)
def test_it_allows_exactly_what_the_app_allows(
    name: str, values: Sequence[Any], is_allowed: Callable[[Any], bool]
) -> None:
    schemas = schemas_of(name)
    assert len(schemas) == (2 if name in ("message", "limit", "continuationToken") else 1)
    for schema in schemas:
        allowed = [value for value in values if validator(schema).is_valid(value)]
        assert allowed == [value for value in values if is_allowed(value)]


def test_it_allows_no_other_member_and_requires_the_message() -> None:
    for path, method, is_optional in ((ASSISTANT, "put", True), (f"{ASSISTANT}/messages", "post", False)):
        body = DOCUMENT["paths"][path][method]["requestBody"]
        schema = validator(body["content"]["application/json"]["schema"])
        assert (body["required"], schema.is_valid({})) == (not is_optional, is_optional)
        assert not schema.is_valid({"message": "Hi", "instructions": "Be brief."})


def test_retry_after_is_documented_as_whole_seconds_where_a_retry_can_succeed() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            headers = response.get("headers", {})
            assert ("Retry-After" in headers) is (status in ("409", "503")), (path, method, status)
            if "Retry-After" in headers:
                is_valid = validator(headers["Retry-After"]["schema"]).is_valid
                assert [value for value in (1, 60, 0, -1, 1.5, "5") if is_valid(value)] == [1, 60]


def test_everything_is_described_in_words() -> None:
    for path, method, operation in operations():
        texts = [operation["summary"], operation["operationId"]]
        texts += [response["description"] for response in operation["responses"].values()]
        texts += [parameter.get("description", "-") for parameter in operation.get("parameters", [])]
        assert all(text.strip() for text in texts), (path, method)
        assert all(status in map(str, HTTPStatus) for status in operation["responses"]), (path, method)
    identifiers = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(identifiers)) == len(identifiers)


PROBLEM: Json = {"type": "about:blank", "title": "x", "status": 400, "detail": "x"}
ERRORS: list[Json] = [{"in": "body", "detail": "x"}]
DATES: Json = dict.fromkeys(("createdAt", "lastUpdatedAt"), "2026-11-25T08:00:00Z")
NEW: Json = {"assistantId": "a", **DATES, "totalMessages": 0, "totalTokens": 0}
CALL: Json = {"id": "c1", "functionName": "AddTodo", "kind": "Function", "functionArguments": "{}"}
MESSAGE: Json = {"number": 1, "role": "User", "content": "", "createdAt": "", "toolCalls": [CALL]}
SCHEMAS: list[tuple[str, Json, list[Json]]] = [
    ("Problem", PROBLEM, [{"status": 399}, {"status": 600}, {"status": "400"}, {"type": "x"}]),
    ("Problem", {**PROBLEM, "messageStored": None}, [{"messageStored": "yes"}, {"lockedUntil": 7}]),
    ("InvalidRequest", {**PROBLEM, "errors": ERRORS}, [{"errors": []}, {"errors": [{}]}, {"title": 7}]),
    ("Unhealthy", {**PROBLEM, "package": "x", "problems": ["x"]}, [{"problems": []}, {"problems": [7]}]),
    ("Assistant", NEW, [{"totalMessages": -1}, {"totalTokens": "1"}, {"createdAt": 7}]),
    ("Assistants", {"assistants": [NEW]}, [{"assistants": [{}]}, {"continuationToken": 7}]),
    ("Conversation", {**NEW, "messages": [MESSAGE]}, [{"messages": [{}]}, {"lockedUntil": 7}]),
    ("Message", MESSAGE, [{"number": 0}, {"role": "x"}, {"content": None}, {"toolCalls": [{}]}]),
    ("Message", {**MESSAGE, "toolCallId": "c1"}, [{"toolCallId": 7}, {"createdAt": None}]),
    ("ToolCall", CALL, [{"id": 7}, {"kind": None}]),
]


@pytest.mark.parametrize(("schema", "valid", "invalid_members"), SCHEMAS)
def test_the_members_of_responses_have_types(schema: str, valid: Json, invalid_members: list[Json]) -> None:
    is_valid = validator({"$ref": f"#/components/schemas/{schema}"}).is_valid
    assert is_valid(valid)
    for members in [*invalid_members, {"other": 1}]:
        assert not is_valid({**valid, **members}), members
