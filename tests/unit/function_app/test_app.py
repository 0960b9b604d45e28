"""The app as the Functions host sees it: what it indexes and what it configures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from assistants import binding_call, paths
from assistants.routes import health
from assistants.settings import Settings

from tests.host_requests import (
    APP,
    bindings_of,
    body_of,
    check_documented,
    functions_of,
    index_app,
    request,
)

ID = r"{assistantId:maxlength(64):regex(^(?-i:[A-Za-z0-9_-]+)\z)}"
HOST: dict[str, Any] = json.loads((APP / "host.json").read_text())


def test_each_function_has_one_route_with_the_rule_for_ids_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    triggers = {
        name: bindings_of(function).get("httpTrigger") for name, function in index_app(monkeypatch).items()
    }
    assert {
        name: (trigger["methods"], trigger["route"], trigger["authLevel"])
        for name, trigger in triggers.items()
        if trigger
    } == {
        "CreateAssistant": (["PUT"], f"assistants/{ID}", "FUNCTION"),
        "DeleteAssistant": (["DELETE"], f"assistants/{ID}", "FUNCTION"),
        "GetAssistant": (["GET"], f"assistants/{ID}", "FUNCTION"),
        "PostUserQuery": (["POST"], f"assistants/{ID}", "FUNCTION"),
        "PostMessage": (["POST"], f"assistants/{ID}/messages", "FUNCTION"),
        "RunAssistant": (["POST"], f"assistants/{ID}/run", "FUNCTION"),
        "ListAssistants": (["GET"], "assistants", "FUNCTION"),
        "Health": (["GET"], "health", "ANONYMOUS"),
        "OpenApi": (["GET"], "openapi.json", "ANONYMOUS"),
        "ChatPage": (["GET"], "chat", "ANONYMOUS"),
    }
    others = {name for name, trigger in triggers.items() if not trigger}
    assert others == {"RemoveIdleAssistants", "AddTodo", "GetTodos", "GetCurrentTime"}


def test_idle_assistants_are_removed_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = bindings_of(index_app(monkeypatch)["RemoveIdleAssistants"])["timerTrigger"]
    assert timer["schedule"] == "0 17 3 * * *"


def test_create_has_the_binding_of_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    bindings = bindings_of(index_app(monkeypatch)["CreateAssistant"])
    assert bindings["assistantCreate"] == {"direction": "OUT", "type": "assistantCreate", "name": "requests"}
    assert bindings["http"] == {"direction": "OUT", "type": "http", "name": "$return"}


def test_the_post_binding_sends_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    app_settings = {
        "CHAT_MODEL_IS_REASONING": "false",
        "CHAT_MODEL_MAX_TOKENS": "77",
        "CHAT_MODEL_TEMPERATURE": "1.2",
        "HTTP_AUTH_LEVEL": "anonymous",
    }
    bindings = bindings_of(index_app(monkeypatch, app_settings)["RunAssistant"])
    assert bindings["httpTrigger"]["authLevel"] == "ANONYMOUS"
    assert bindings["assistantPost"] == {
        "direction": "IN",
        "type": "assistantPost",
        "name": "state",
        "id": "{assistantId}",
        "userMessage": "{message}{rest}",
        "aiConnectionName": "AzureOpenAI",
        "chatModel": "%CHAT_MODEL_DEPLOYMENT_NAME%",
        "chatStorageConnectionSetting": "AzureWebJobsStorage",
        "collectionName": "ChatState",
        "temperature": "120E-2",  # without a decimal separator, which depends on the culture
        "maxTokens": "77",
        "isReasoningModel": False,
    }


async def test_the_bound_function_returns_the_state_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    run_bound = index_app(monkeypatch)["RunAssistant"].get_user_function()
    response = await run_bound(request("POST", "a"), '{"id":"a"}')
    assert (response.mimetype, response.get_body()) == ("application/json", b'{"id":"a"}')


def test_with_wrong_settings_only_health_is_served_and_returns_and_logs_all_problems(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = index_app(monkeypatch, {"CHAT_MODEL_TEMPERATURE": "0,5", "EXPOSE_INSTRUCTIONS": "yes"})
    assert app.keys() == {"Health"}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    caplog.clear()

    response = app["Health"].get_user_function()(request("GET"))

    check_documented(Settings(), "/health", "get", response)
    body = body_of(response)
    assert (response.status_code, body["package"]) == (500, "unpackaged")
    names = ("CHAT_MODEL_TEMPERATURE", "EXPOSE_INSTRUCTIONS")
    for problem, name in zip(body["problems"], names, strict=True):
        assert name in problem
        assert problem in body["detail"]
        assert problem in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(("content", "package"), [("abc123\n", "abc123"), (None, "unpackaged")])
def test_health_returns_the_hash_in_the_package(tmp_path: Path, content: str | None, package: str) -> None:
    if content:
        (tmp_path / "package_hash.txt").write_text(content)
    respond = functions_of(health.blueprint(tmp_path))["Health"].get_user_function()
    response = respond(request("GET"))
    assert (response.status_code, body_of(response)) == (200, {"status": "ok", "package": package})


def test_host_json_pins_the_preview_bundle_limits_no_requests_and_keeps_prompts_out_of_the_logs() -> None:
    assert HOST["version"] == "2.0"
    # Below its next breaking release.
    bundle = {"id": "Microsoft.Azure.Functions.ExtensionBundle.Preview", "version": "[4.45.0, 4.48.0)"}
    assert HOST["extensionBundle"] == bundle
    # A post calls the app itself and waits: at a limit of requests, posts would occupy all places, and the
    # calls that they wait for would get none.
    assert HOST["extensions"]["http"] == {"routePrefix": "api"}
    level = HOST["logging"]["logLevel"]["Microsoft.Azure.WebJobs.Extensions.OpenAI"]
    assert level in ("Warning", "Error", "Critical", "None")


def test_only_the_settings_module_reads_the_environment() -> None:
    readers = {path.name for path in APP.rglob("*.py") if "environ" in path.read_text()}
    assert readers == {"settings.py"}


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ({}, "api"),
        ({"extensions": {"http": {}}}, "api"),
        ({"extensions": {"http": {"routePrefix": "/v1/"}}}, "v1"),
        ({"extensions": {"http": {"routePrefix": ""}}}, ""),
    ],
)
def test_the_route_prefix_is_that_of_host_json_or_the_hosts_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: object, prefix: str
) -> None:
    (tmp_path / "host.json").write_text(json.dumps(host))
    assert paths.route_prefix(tmp_path / "host.json") == prefix
    monkeypatch.setattr(paths, "PREFIX", prefix)
    assert paths.url_path("health") == re.sub("^//", "/", f"/{prefix}/health")


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("Hi", ("Hi", "")),
        ("2026-11-25T10:00:00.000Z", ("2026", "-11-25T10:00:00.000Z")),
        ("/Date(1700000000000)/", ("/Dat", "e(1700000000000)/")),
        ("2026-11-25", ("2026-11-25", "")),
    ],
)
def test_a_message_that_is_a_date_reaches_the_host_in_two_parts(message: str, parts: tuple[str, str]) -> None:
    assert json.loads(binding_call.encode_body(message)) == {"message": parts[0], "rest": parts[1]}
