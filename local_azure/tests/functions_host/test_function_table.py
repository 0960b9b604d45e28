import json
from typing import Any

import pytest

from local_azure.functions_host import bundle, function_table, routes
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.routes import Route
from local_azure.functions_host.skills import Skills, SkillTrigger
from local_azure.functions_host.worker_process import FunctionMetadata

PREVIEW = bundle.resolve(bundle.PREVIEW, "[4.45.0, 4.46.0)")
GENERAL = bundle.resolve(bundle.GENERAL, "[4.*, 5.0.0)")


def function(name: str = "Create", *more: dict[str, Any], **trigger: Any) -> FunctionMetadata:
    bindings: list[dict[str, Any]] = [
        {"direction": "OUT", "type": "http", "name": "$return"},
        *more,
        {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": ["PUT"],
            "authLevel": "FUNCTION",
            "route": "a/{id}",
            **trigger,
        },
    ]
    return FunctionMetadata(name, tuple(bindings))


POST = {"direction": "IN", "type": "assistantPost", "name": "state", "id": "{id}", "userMessage": "x"}
CREATE = {"direction": "OUT", "type": "assistantCreate", "name": "requests"}


def errors_of(metadata: FunctionMetadata, loaded: bundle.Bundle | None = PREVIEW) -> str:
    table = function_table.build([metadata], "api", loaded, Configuration({}))
    assert bool(table.errors) is not bool(table.functions)
    assert len(table.routes) == len(table.functions)
    return " ".join(table.errors)


def test_a_function_of_the_preview_bundle_serves() -> None:
    table = function_table.build([function("Create", CREATE)], "api", PREVIEW, Configuration({}))
    assert table.errors == ()
    assert table.functions["Create"].outputs == ("requests",)
    assert table.routes == (Route("Create", routes.parse("api/a/{id}"), frozenset({"PUT"}), "function"),)


@pytest.mark.parametrize("loaded", [GENERAL, None])
def test_without_the_openai_extension_the_function_is_in_error(loaded: bundle.Bundle | None) -> None:
    assert "'assistantCreate' are not registered" in errors_of(function("Create", CREATE), loaded)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (function("1st"), "not a valid function name"),
        (function("host"), "not a valid function name"),
        (function("Create", {**CREATE, "name": "my__requests"}), "my__requests is invalid"),
        (function(route="/a"), "cannot start with '/'"),
        (function(route="a/{id"), "incomplete parameter"),
        (function(route="admin/x"), "conflicts with one or more built in routes"),
        (function("Read", {"direction": "IN", "type": "textCompletion", "name": "t"}), "does not support"),
        (function("Post", {**POST, "id": "{assistantId"}), "Missing closing bracket at position 1"),
        (function("Post", {**POST, "id": "{a b}"}), "The parameter name 'a b' is invalid"),
        (function("Post", {**POST, "isReasoningModel": "%CHAT%"}), "'%CHAT%' does not resolve"),
        (function("Post", {**POST, "isReasoningModel": "maybe"}), "Could not convert string to boolean"),
        (function("Q", {"direction": "OUT", "type": "queue", "name": "m"}), "'queue' are not registered"),
        (function("Create", {**CREATE, "model": "%CHAT%"}), "'%CHAT%' does not resolve"),
    ],
)
def test_a_function_that_the_host_refuses_says_why(metadata: FunctionMetadata, message: str) -> None:
    assert message in errors_of(metadata)


def skill(name: str, **properties: Any) -> FunctionMetadata:
    trigger = {"direction": "IN", "type": "assistantSkillTrigger", "name": "task", **properties}
    return FunctionMetadata(name, (trigger,))


def test_enabled_skills_are_tools_of_the_model() -> None:
    schema = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}
    settings = Configuration({"AzureWebJobs_Off_Disabled": "true"})
    indexed = [
        skill("Remember", functionName="AddTodo", functionDescription="Create a to-do"),
        skill("Give", functionDescription="Give back", parameterDescriptionJson=json.dumps(schema)),
        skill("Off", functionName="AddTodo", functionDescription="Never"),
        skill("Duplicate", functionName="ADDTODO", functionDescription="Again"),
        skill("Mute"),
    ]
    table = function_table.build(indexed, "api", PREVIEW, settings)
    duplicate, mute = table.errors
    assert "Key: ADDTODO (the skill of function 'Remember')" in duplicate
    assert "(Parameter 'functionDescription')" in mute
    skills = Skills(never)
    skills.register(table.enabled(SkillTrigger, settings))
    default_schema = {"type": "object", "properties": {"task": {"type": "string"}}}
    tools = [("AddTodo", "Create a to-do", default_schema), ("Give", "Give back", json.dumps(schema))]
    assert skills.tools() == [
        {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
        for name, description, parameters in tools
    ]


async def never(_function: str, _parameter: str, _argument: str | None) -> str | None:
    raise AssertionError


def test_a_skill_with_a_schema_that_is_no_json_fails_every_post() -> None:
    skills = Skills(never)
    skills.register({"AddTodo": SkillTrigger("task", "AddTodo", "Adds", "{broken")})
    with pytest.raises(BindingError, match="parameterDescriptionJson of the skill 'AddTodo' is not JSON"):
        skills.tools()


def test_a_function_in_error_leaves_the_others_alone() -> None:
    table = function_table.build([function("1st"), function("Good")], "", PREVIEW, Configuration({}))
    assert list(table.functions) == ["Good"]
    assert len(table.errors) == 1


@pytest.mark.parametrize(("prefix", "route"), [("api", "api/Hello"), ("/v1/", "v1/Hello"), ("", "Hello")])
def test_an_empty_route_is_the_function_name_after_the_prefix(prefix: str, route: str) -> None:
    table = function_table.build([function("Hello", route="")], prefix, PREVIEW, Configuration({}))
    assert table.routes[0].template == routes.parse(route)
