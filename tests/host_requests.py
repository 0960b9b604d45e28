"""The app's routes, called with requests as the Functions host builds them."""

import json
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
import pytest
from assistants.binding_call import CallResult, Outcome
from assistants.model_probe import ModelAnswer
from assistants.posts import PostLog, Services
from assistants.routes import create, openapi, read, remove
from assistants.routes import post as post_route
from assistants.settings import Settings, current
from azure.core.exceptions import ResourceNotFoundError
from azure.functions.http import HttpRequest as HostRequest
from jsonschema import Draft202012Validator

ASSISTANT = "/assistants/{assistantId}"
APP = Path(__file__).parents[1] / "function_app"
# Two UTF-16 code units.
SMILE = "\U0001f600"
GOOD_IDS = ["a", "hello", "A-Z_0-9", "-", "_", "a" * 64, "0", "007", "1e5", "null", "2024-01-01", "state"]
DONE = CallResult(Outcome.DONE, 200)
FAILED = CallResult(Outcome.FAILED, 500)
NO_RESULT = CallResult(Outcome.INDETERMINATE)


def request(
    method: str,
    assistant_id: str = "",
    query: Mapping[str, str] | None = None,
    *,
    raw_query: str | None = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> func.HttpRequest:
    """`raw_query` is the query of the URL where it differs from what the host makes of it, `query`."""
    url_query = urlencode(query or {}) if raw_query is None else raw_query
    return HostRequest(
        method=method,
        url=f"https://app.example/api/assistants?{url_query}",
        headers=dict(headers or {}),
        params=dict(query or {}),
        route_params={"assistantId": assistant_id} if assistant_id else {},
        body_type="bytes",
        body=body,
    )


def body_of(response: func.HttpResponse) -> dict[str, Any]:
    return json.loads(response.get_body())


def functions_of(*blueprints: func.Blueprint) -> dict[str, Any]:
    """The registered functions by name."""
    app = func.FunctionApp()
    for blueprint in blueprints:
        app.register_functions(blueprint)
    return {str(function.get_function_name()): function for function in app.get_functions()}


def index_app(
    monkeypatch: pytest.MonkeyPatch, app_settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The functions that the host finds with these app settings, by name."""
    for name in ("HTTP_AUTH_LEVEL", "DEFAULT_INSTRUCTIONS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (app_settings or {}).items():
        monkeypatch.setenv(name, value)
    current.cache_clear()
    try:
        app: func.FunctionApp = runpy.run_path(str(APP / "function_app.py"))["app"]
    finally:
        current.cache_clear()
    return {str(function.get_function_name()): function for function in app.get_functions()}


def bindings_of(function: Any) -> dict[str, dict[str, Any]]:
    """By type."""
    bindings = map(json.loads, function.get_raw_bindings())
    return {binding["type"]: binding for binding in bindings}


def check_documented(settings: Settings, path: str, method: str, response: func.HttpResponse) -> None:
    """The OpenAPI document must describe the response: status, media type, body and headers."""
    document = openapi.document(settings)
    documented = document["paths"][path][method]["responses"][str(response.status_code)]
    content: dict[str, Any] = documented.get("content", {})
    headers: dict[str, Any] = documented.get("headers", {})
    if not content:
        assert response.get_body() == b""
    else:
        ((media_type, media),) = content.items()
        assert response.mimetype == media_type
        if "json" in media_type:
            _validator(document, media["schema"]).validate(body_of(response))
    assert ("Retry-After" in response.headers) <= ("Retry-After" in headers)
    if "Retry-After" in response.headers:
        seconds = int(response.headers["Retry-After"])
        _validator(document, headers["Retry-After"]["schema"]).validate(seconds)
    required = {name for name, header in headers.items() if header.get("required")}
    assert required <= set(response.headers.keys())


def check_request(
    settings: Settings, path: str, method: str, query: Mapping[str, list[str]], body: Any
) -> None:
    """The OpenAPI document must describe the parameters of the query, and the body if there is one."""
    document = openapi.document(settings)
    operation = document["paths"][path][method]
    schemas = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", ())}
    for name, (value,) in query.items():
        is_number = schemas[name].get("type") == "integer"
        _validator(document, schemas[name]).validate(int(value) if is_number else value)
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        _validator(document, schema).validate(body)


def _validator(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    return Draft202012Validator({**schema, "components": document["components"]})


class RecordingOut(func.Out[bytes]):
    """The argument of the output binding; the host writes only what was set."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def set(self, val: bytes) -> None:
        self.values.append(val)

    def get(self) -> bytes:
        (value,) = self.values
        return value


class Run:
    """A stand-in for the bound function: `write` adds rows as the extension does."""

    def __init__(self) -> None:
        self.outcome = DONE
        self.write: Callable[[str, str], object] = lambda _assistant_id, _message: None
        self.calls: list[tuple[str, str, str]] = []

    def __call__(self, assistant_id: str, message: str, key: str) -> CallResult:
        self.calls.append((assistant_id, message, key))
        self.write(assistant_id, message)
        return self.outcome


class Api:
    """The routes of an app. Each response must be documented.

    Without `tables`, a route that reads or writes one raises AttributeError: a 500, or the error for a post.
    """

    def __init__(self, tables: Any = None, settings: Settings | None = None) -> None:
        self.tables = tables
        self.settings = settings or Settings(expose_instructions=True)
        self.run = Run()
        self.model_answer: ModelAnswer | None = None
        self.create_requests: list[dict[str, Any]] = []
        self.log = PostLog()

    def put(
        self, assistant_id: str = "a", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> func.HttpResponse:
        out = RecordingOut()
        http_request = request("PUT", assistant_id, body=body, headers=headers)
        function = functions_of(create.blueprint(self.settings, self.tables))["CreateAssistant"]
        response = function.get_user_function()(http_request, out)
        self.create_requests += map(json.loads, out.values)
        assert len(out.values) == (1 if response.status_code == 202 else 0)
        return self._documented(ASSISTANT, "put", response)

    def get(
        self, assistant_id: str = "a", query: Mapping[str, str] | None = None, raw_query: str | None = None
    ) -> func.HttpResponse:
        function = functions_of(read.blueprint(self.settings, self.tables))["GetAssistant"]
        response = function.get_user_function()(request("GET", assistant_id, query, raw_query=raw_query))
        return self._documented(ASSISTANT, "get", response)

    def list_assistants(
        self, query: Mapping[str, str] | None = None, raw_query: str | None = None
    ) -> func.HttpResponse:
        function = functions_of(read.blueprint(self.settings, self.tables))["ListAssistants"]
        response = function.get_user_function()(request("GET", query=query, raw_query=raw_query))
        return self._documented("/assistants", "get", response)

    def delete(self, assistant_id: str = "a") -> func.HttpResponse:
        function = functions_of(remove.blueprint(self.settings, self.tables))["DeleteAssistant"]
        response = function.get_user_function()(request("DELETE", assistant_id))
        return self._documented(ASSISTANT, "delete", response)

    def post(
        self, body: object = "Hi", assistant_id: str = "a", headers: Mapping[str, str] | None = None
    ) -> func.HttpResponse:
        """A text is the message of a valid body."""
        content = json.dumps({"message": body} if isinstance(body, str) else body).encode()
        response = self._post(request("POST", assistant_id, body=content, headers=headers), post_route.JSON)
        return self._documented(f"{ASSISTANT}/messages", "post", response)

    def post_query(
        self,
        query: Mapping[str, str],
        raw_query: str | None = None,
        assistant_id: str = "a",
        headers: Mapping[str, str] | None = None,
    ) -> func.HttpResponse:
        """In the form of the bindings' documentation."""
        http_request = request("POST", assistant_id, query, raw_query=raw_query, headers=headers)
        return self._documented(ASSISTANT, "post", self._post(http_request, post_route.TEXT))

    def _post(self, http_request: func.HttpRequest, form: post_route.Form) -> func.HttpResponse:
        self.log = PostLog()
        services = Services(self.tables, self.run, lambda: self.model_answer)
        return post_route.respond(http_request, form, self.settings, services, self.log)

    def _documented(self, path: str, method: str, response: func.HttpResponse) -> func.HttpResponse:
        check_documented(self.settings, path, method, response)
        return response


class _NoRows:
    """An empty table that discards inserts."""

    def get_entity(self, _partition: str, _row: str, **_options: object) -> None:
        raise ResourceNotFoundError

    def create_entity(self, _row: object) -> dict[str, str]:
        return {"etag": "1"}


class EmptyTables:
    leases = chat_state = _NoRows()
