"""The OpenAPI document against the app: its routes, its checks, its answers."""

import json
import re
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import azure.functions as func
import pytest
from assistants import leases, paths, rules
from assistants.leases import Purpose
from assistants.posts import PostLog, Services
from assistants.routes import create, openapi, parsing, post, read, remove
from assistants.settings import Settings, current
from assistants.tables.clients import Tables
from jsonschema import Draft202012Validator

from tests.host_requests import (
    FAILED,
    GOOD_IDS,
    HOSTILE_IDS,
    NOTHING,
    RecordingOut,
    Run,
    adding,
    answer,
    conversation,
    request,
)

APP = Path(__file__).parents[3] / "function_app"
ID = "/assistants/{assistantId}"
# The app's own: the front of a message calls it, nobody else.
INTERNAL = {"RunAssistant"}


SETTINGS = Settings(expose_instructions=True)


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi.document(replace(SETTINGS, chat_page=True))


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations_of_path in document["paths"].items():
        for method, operation in operations_of_path.items():
            if method != "parameters":
                yield path, method.upper(), operation


def validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    return Draft202012Validator({**schema, "components": document["components"]})


def test_every_route_of_the_app_is_in_it_and_no_other(document: dict[str, Any]) -> None:
    current.cache_clear()
    app: func.FunctionApp = runpy.run_path(str(APP / "function_app.py"))["app"]
    registered: set[tuple[str, str, bool]] = set()
    for function in app.get_functions():
        for binding in map(json.loads, function.get_raw_bindings()):
            if binding["type"] == "httpTrigger" and function.get_function_name() not in INTERNAL:
                path = re.sub(r"\{(\w+):.*\)\}", r"{\1}", binding["route"])
                registered |= {
                    (f"/{path}", method, binding["authLevel"] == "ANONYMOUS") for method in binding["methods"]
                }
    documented = {
        (path, method, operation.get("security") == []) for path, method, operation in operations(document)
    }
    assert documented == registered


def test_it_follows_the_settings() -> None:
    open_to_all = replace(SETTINGS, http_auth_level=func.AuthLevel.ANONYMOUS, expose_instructions=False)
    anonymous, keyed = openapi.document(open_to_all), openapi.document(SETTINGS)
    assert "security" not in anonymous
    assert "/chat" not in anonymous["paths"]
    responses = [document["paths"][ID]["get"]["responses"] for document in (anonymous, keyed)]
    assert ["401" in response for response in responses] == [False, True]
    assert ["403" in response for response in responses] == [True, False]


@pytest.mark.parametrize(("prefix", "url"), [("v1", "/v1"), ("", "/")])
def test_its_server_is_below_the_route_prefix(monkeypatch: pytest.MonkeyPatch, prefix: str, url: str) -> None:
    monkeypatch.setattr(paths, "PREFIX", prefix)
    assert openapi.document(SETTINGS)["servers"] == [{"url": url}]


def test_its_schemas_are_schemas_and_its_examples_fit_them(document: dict[str, Any]) -> None:
    seen = 0

    def visit(node: Any) -> None:
        nonlocal seen
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            if "schema" in members:
                Draft202012Validator.check_schema(members["schema"])
                if "example" in members:
                    validator(document, members["schema"]).validate(members["example"])
                    seen += 1
            for child in members.values():
                visit(child)
        elif isinstance(node, list):
            for child in cast("list[Any]", node):
                visit(child)

    visit(document["paths"])
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert seen >= 10


def test_it_allows_exactly_the_ids_that_the_app_allows(document: dict[str, Any]) -> None:
    (parameter,) = document["paths"][ID]["parameters"]
    allowed = validator(document, parameter["schema"]).is_valid
    for assistant_id in [*GOOD_IDS, *HOSTILE_IDS]:
        # JSON Schema's `$` is the end; Python's also stands before a final newline.
        if not assistant_id.endswith("\n"):
            assert allowed(assistant_id) is not bool(parsing.id_problems(assistant_id)), assistant_id


@pytest.mark.parametrize("text", ["", "a", "\t\r\n", "a\x00", "\x1f", "\ufffe", "ä\u2028🙂", "a" * 32_769])
def test_it_allows_exactly_the_texts_that_the_app_allows(document: dict[str, Any], text: str) -> None:
    def allowed(path: str, method: str, member: str) -> bool:
        content = document["paths"][path][method]["requestBody"]["content"]
        return validator(document, content["application/json"]["schema"]).is_valid({member: text})

    assert allowed(ID, "put", "instructions") is not bool(rules.instructions_problems(text))
    assert allowed(f"{ID}/messages", "post", "message") is not bool(rules.message_problems(text))


def parameter_schemas(document: dict[str, Any]) -> dict[str, list[Any]]:
    """By the name of the parameter: a validator for each operation that has it."""
    schemas: dict[str, list[Any]] = {}
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            schemas.setdefault(parameter["name"], []).append(validator(document, parameter["schema"]))
    return schemas


@pytest.mark.parametrize("number", [-1, 0, 1, 50, 100, 101])
def test_it_allows_exactly_the_limits_that_the_app_allows(document: dict[str, Any], number: int) -> None:
    _, problems = parsing.parse_limit({"limit": str(number)})
    schemas = parameter_schemas(document)["limit"]
    assert [schema.is_valid(number) for schema in schemas] == [not problems] * 2
    assert not any(schema.is_valid(str(number)) for schema in schemas), "a number is not a text"


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-25",
        "2026-11-25T08:00Z",
        "2026-11-25T08:00:00.1234567Z",
        "2026-11-25T08:00:00+01:00",
        "",
        "soon",
    ],
)
def test_it_allows_exactly_the_times_that_the_app_allows(document: dict[str, Any], moment: str) -> None:
    for name in ("since", "timestampUTC"):
        _, problems = parsing.parse_moment({name: moment}, name)
        assert [schema.is_valid(moment) for schema in parameter_schemas(document)[name]] == [not problems]


def test_it_gives_switches_tokens_and_preconditions_as_texts(document: dict[str, Any]) -> None:
    schemas = parameter_schemas(document)
    for name, valid, invalid in (
        ("includeInstructions", ["true", "false"], [True, "yes"]),
        ("continuationToken", ["bTptc2c"], [7]),
        ("If-None-Match", ["*"], ["x"]),
        ("message", ["Hello"], ["", 7]),
    ):
        for schema in schemas[name]:
            assert all(map(schema.is_valid, valid)), name
            assert not any(map(schema.is_valid, invalid)), name


def test_retry_after_is_documented_as_whole_seconds_where_a_retry_can_succeed(
    document: dict[str, Any],
) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            headers = response.get("headers", {})
            assert ("Retry-After" in headers) is (status in ("409", "503")), (path, method, status)
            if "Retry-After" in headers:
                allowed = validator(document, headers["Retry-After"]["schema"]).is_valid
                assert [allowed(value) for value in (1, 60, 0, -1, 1.5, "5")] == [True] * 2 + [False] * 4


def test_every_response_is_documented_with_its_headers(
    document: dict[str, Any], settings: Settings, tables: Tables
) -> None:
    conversation(tables.chat_state, "a", "Hi", "Hello.")
    conversation(tables.chat_state, "busy")
    leases.acquire(tables, "busy", Purpose.POST)
    message = json.dumps({"message": "Hi"}).encode()
    call = {"id": "c1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function"}
    done = Run(
        write=adding(
            tables,
            {"Role": "Assistant", "Content": "", "ToolCalls": json.dumps([call])},
            {"Role": "Tool", "Content": "done", "Name": "c1"},
            {"Role": "Assistant", "Content": "Added."},
        )
    )

    def put(assistant_id: str, body: bytes = b"", **headers: str) -> func.HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http_request = request("PUT", assistant_id, body=body, headers=named)
        return answer(create.respond, http_request, RecordingOut(), "x", tables)

    def get(assistant_id: str, **query: str) -> func.HttpResponse:
        return answer(read.respond, request("GET", assistant_id, query=query), settings, tables)

    def say(assistant_id: str, body: bytes, run: Run, **headers: str) -> func.HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http_request = request("POST", assistant_id, body=body, headers=named)
        return post.respond(http_request, post.JSON, settings, Services(tables, run), PostLog())

    def ask(assistant_id: str, run: Run, chunked: bool = False, **query: str) -> func.HttpResponse:
        headers = {"Transfer-Encoding": "chunked"} if chunked else {}
        http_request = request("POST", assistant_id, query=query, headers=headers)
        return post.respond(http_request, post.TEXT, settings, Services(tables, run), PostLog())

    def listed(**query: str) -> func.HttpResponse:
        return answer(read.respond_list, request("GET", query=query), tables)

    messages = f"{ID}/messages"
    responses = [
        (ID, "put", 202, put("new")),
        (ID, "put", 400, put("a", b"[1]")),
        (ID, "put", 400, put("a", If_None_Match="x")),
        (ID, "put", 409, put("busy")),
        (ID, "put", 411, put("a", Transfer_Encoding="chunked")),
        (ID, "put", 412, put("a", If_None_Match="*")),
        (ID, "put", 415, put("a", Content_Encoding="gzip")),
        (ID, "get", 200, get("a", limit="1", includeInstructions="true")),
        (ID, "get", 200, get("a", timestampUTC="2020-01-01")),
        (ID, "get", 200, get("none", timestampUTC="2020-01-01")),
        (ID, "get", 400, get("a", limit="x")),
        (ID, "get", 404, get("none")),
        (messages, "post", 200, say("a", message, done)),
        (messages, "post", 400, say("a", b"", done)),
        (messages, "post", 404, say("none", message, done)),
        (messages, "post", 409, say("busy", message, done)),
        (messages, "post", 411, say("a", message, done, Transfer_Encoding="chunked")),
        (messages, "post", 415, say("a", message, done, Content_Encoding="br")),
        (messages, "post", 503, say("a", message, Run(FAILED))),
        (ID, "post", 200, ask("a", done, message="Hi")),
        (ID, "post", 400, ask("a", done)),
        (ID, "post", 411, ask("a", done, chunked=True, message="Hi")),
        (ID, "get", 200, get("a")),
        ("/assistants", "get", 200, listed(limit="1")),
        ("/assistants", "get", 400, listed(continuationToken="x")),
        (ID, "delete", 409, answer(remove.respond, request("DELETE", "busy"), tables)),
        (ID, "delete", 204, answer(remove.respond, request("DELETE", "a"), tables)),
        (ID, "delete", 400, answer(remove.respond, request("DELETE", "a'b"), NOTHING)),
    ]
    for path, method, status, response in responses:
        where = f"{method} {path} {status}"
        assert response.status_code == status, where
        documented = document["paths"][path][method]["responses"][str(status)]
        content: dict[str, Any] = documented.get("content", {})
        if not content:
            assert response.get_body() == b"", where
            continue
        (mimetype,) = content
        assert response.mimetype == mimetype, where
        if mimetype != "text/plain":
            validator(document, content[mimetype]["schema"]).validate(json.loads(response.get_body()))
        headers = documented.get("headers", {})
        assert ("Retry-After" in response.headers) <= ("Retry-After" in headers), where
        if "Retry-After" in response.headers:
            seconds = int(response.headers["Retry-After"])
            validator(document, headers["Retry-After"]["schema"]).validate(seconds)
        required = {name for name, header in headers.items() if header.get("required")}
        assert required <= set(response.headers.keys()), where
