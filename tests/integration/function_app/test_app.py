"""The app as the Functions host sees it: what it indexes, what it configures, what an import costs."""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from assistants.routes import health, openapi
from assistants.settings import (
    Settings,
    current,
)
from jsonschema import Draft202012Validator

APP = Path(__file__).parents[3] / "function_app"


def indexed(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    for name in ("HTTP_AUTH_LEVEL", "DEFAULT_INSTRUCTIONS"):
        monkeypatch.delenv(name, raising=False)
    current.cache_clear()
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    app: func.FunctionApp = runpy.run_path(str(APP / "function_app.py"))["app"]
    return {
        str(function.get_function_name()): [json.loads(binding) for binding in function.get_raw_bindings()]
        for function in app.get_functions()
    }


ID = r"{assistantId:maxlength(64):regex(^(?-i:[A-Za-z0-9_-]+)\z)}"


def test_each_function_has_one_route_with_the_rule_for_ids_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    triggers = {
        name: next(binding for binding in bindings if binding["type"].endswith("Trigger"))
        for name, bindings in indexed(monkeypatch, {}).items()
    }
    assert {
        name: (trigger["methods"], trigger["route"], trigger["authLevel"])
        for name, trigger in triggers.items()
        if trigger["type"] == "httpTrigger"
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


def test_create_has_the_binding_of_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    output, _, answer = indexed(monkeypatch, {})["CreateAssistant"]
    assert output == {"direction": "OUT", "type": "assistantCreate", "name": "requests"}
    assert answer == {"direction": "OUT", "type": "http", "name": "$return"}


def test_the_post_binding_sends_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    app_settings = {
        "CHAT_MODEL_IS_REASONING": "false",
        "CHAT_MODEL_MAX_TOKENS": "77",
        "CHAT_MODEL_TEMPERATURE": "1.2",
    }
    bindings = indexed(monkeypatch, app_settings)["RunAssistant"]
    assert next(binding for binding in bindings if binding["type"] == "assistantPost") == {
        "direction": "IN",
        "type": "assistantPost",
        "name": "state",
        "id": "{assistantId}",
        "userMessage": "{message}{rest}",
        "aiConnectionName": "AzureOpenAI",
        "chatModel": "%CHAT_MODEL_DEPLOYMENT_NAME%",
        "chatStorageConnectionSetting": "AzureWebJobsStorage",
        "collectionName": "ChatState",
        "temperature": "120E-2",
        "maxTokens": "77",
        "isReasoningModel": False,
    }


def test_no_number_of_a_binding_has_a_separator(monkeypatch: pytest.MonkeyPatch) -> None:
    (binding,) = (
        binding for binding in indexed(monkeypatch, {})["RunAssistant"] if binding["type"] == "assistantPost"
    )
    assert not [value for value in binding.values() if re.fullmatch(r"[0-9]+[.,][0-9]+", str(value))]


@pytest.mark.parametrize(("setting", "emitted"), [("function", "FUNCTION"), ("anonymous", "ANONYMOUS")])
def test_the_auth_level_is_a_setting(monkeypatch: pytest.MonkeyPatch, setting: str, emitted: str) -> None:
    bindings = indexed(monkeypatch, {"HTTP_AUTH_LEVEL": setting})
    assert bindings["CreateAssistant"][1]["authLevel"] == emitted
    assert bindings["Health"][0]["authLevel"] == "ANONYMOUS"


def test_with_wrong_settings_health_alone_is_served_and_answers_and_logs_all_problems(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    current.cache_clear()
    monkeypatch.setenv("CHAT_MODEL_TEMPERATURE", "0,5")
    monkeypatch.setenv("EXPOSE_INSTRUCTIONS", "yes")
    try:
        app: func.FunctionApp = runpy.run_path(str(APP / "function_app.py"))["app"]
    finally:
        current.cache_clear()
    (function,) = app.get_functions()
    assert function.get_function_name() == "Health"

    caplog.clear()
    response = function.get_user_function()(func.HttpRequest("GET", "/api/health", body=b""))

    body = json.loads(response.get_body())
    assert (response.status_code, response.mimetype) == (500, "application/problem+json")
    assert body["package"] == "unpackaged"
    for problem, name in zip(
        body["problems"], ("CHAT_MODEL_TEMPERATURE", "EXPOSE_INSTRUCTIONS"), strict=True
    ):
        assert name in problem
        assert problem in body["detail"]
        assert [problem in record.getMessage() for record in caplog.records] == [True]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    document = openapi.document(Settings())
    documented = document["paths"]["/health"]["get"]["responses"]["500"]
    content = documented["content"]["application/problem+json"]
    validator: Any = Draft202012Validator({**content["schema"], "components": document["components"]})
    validator.validate(body)


def answer(app_root: Path) -> tuple[int, dict[str, str]]:
    app = func.FunctionApp()
    app.register_functions(health.blueprint(app_root))
    (function,) = app.get_functions()
    response = function.get_user_function()(func.HttpRequest("GET", "/api/health", body=b""))
    return response.status_code, json.loads(response.get_body())


def test_health_returns_the_hash_in_the_package(tmp_path: Path) -> None:
    (tmp_path / "package_hash.txt").write_text("abc123\n")
    assert answer(tmp_path) == (200, {"status": "ok", "package": "abc123"})


def test_health_returns_unpackaged_in_the_source_folder(tmp_path: Path) -> None:
    assert answer(tmp_path) == (200, {"status": "ok", "package": "unpackaged"})


def test_host_json_has_the_preview_bundle_pinned_below_its_next_breaking_release() -> None:
    host = json.loads((APP / "host.json").read_text())
    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle.Preview",
        "version": "[4.45.0, 4.48.0)",
    }
    assert host["extensions"]["http"]["routePrefix"] == "api"


def test_host_json_limits_no_requests() -> None:
    """A post calls the app itself and waits: at a limit of requests the fronts hold every place, the calls
    that they wait for get none, and all requests, also those for health, hang until the posts time out."""
    http = json.loads((APP / "host.json").read_text())["extensions"]["http"]
    limits = {"maxConcurrentRequests", "maxOutstandingRequests", "dynamicThrottlesEnabled"}
    assert not limits & http.keys()


def test_prompts_stay_out_of_the_logs() -> None:
    levels = json.loads((APP / "host.json").read_text())["logging"]["logLevel"]
    assert levels["Microsoft.Azure.WebJobs.Extensions.OpenAI"] in ("Warning", "Error", "Critical", "None")


def test_only_the_settings_module_reads_the_environment() -> None:
    readers = {path.name for path in APP.rglob("*.py") if "environ" in path.read_text()}
    assert readers == {"settings.py"}


def test_an_import_brings_no_library_but_azure_functions() -> None:
    extra = _modules("import function_app") - _modules("import azure.functions")
    outside = {name.partition(".")[0] for name in extra} - sys.stdlib_module_names
    assert outside == {"function_app", "assistants", "skills"}


def _modules(statement: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print('\\n'.join(sys.modules))"],
        cwd=APP,
        env={"PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())
