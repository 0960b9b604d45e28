import json
from typing import Any

import pytest

from local_azure.functions_host import function_table, routes
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.function_table import FunctionTable
from local_azure.functions_host.routes import Route
from local_azure.functions_host.skills import Skills, SkillTrigger
from local_azure.functions_host.worker_process import FunctionMetadata

POST = {"direction": "IN", "type": "assistantPost", "name": "state", "id": "{id}", "userMessage": "x"}
CREATE = {"direction": "OUT", "type": "assistantCreate", "name": "requests"}


def function(name: str = "Create", *more: dict[str, Any], **trigger: Any) -> FunctionMetadata:
    http = {"direction": "OUT", "type": "http", "name": "$return"}
    request = {"direction": "IN", "type": "httpTrigger", "name": "req", "methods": ["PUT"], "route": "a/{id}"}
    return FunctionMetadata(name, (http, *more, {**request, "authLevel": "FUNCTION", **trigger}))


def skill(name: str, **properties: Any) -> FunctionMetadata:
    trigger = {"direction": "IN", "type": "assistantSkillTrigger", "name": "task", **properties}
    return FunctionMetadata(name, (trigger,))


def build(
    *indexed: FunctionMetadata, prefix: str = "api", has_openai: bool = True, **settings: str
) -> FunctionTable:
    configuration = Configuration(settings)
    return function_table.build(indexed, prefix, has_openai=has_openai, configuration=configuration)


def test_a_function_in_error_leaves_the_others_alone() -> None:
    table = build(function("1st"), function("Good", CREATE))
    assert len(table.errors) == 1
    assert list(table.functions) == ["Good"]
    assert table.functions["Good"].outputs == ("requests",)
    assert table.routes == (Route("Good", routes.parse("api/a/{id}"), frozenset({"PUT"}), "function"),)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (function("1st"), "not a valid function name"),
        (function("Host"), "not a valid function name"),
        (function("Create", {**CREATE, "name": "my__requests"}), "my__requests is invalid"),
        (function(route="/a"), "is not valid"),
        (function(route="admin/x"), "conflicts with one or more built in routes"),
        (function("Post", {**POST, "id": "{assistantId"}), "Missing closing bracket at position 1"),
        (function("Post", {**POST, "id": "{a b}"}), "The parameter name 'a b' is invalid"),
        (function("Post", {**POST, "isReasoningModel": "%CHAT%"}), "'%CHAT%' does not resolve"),
        (function("Post", {**POST, "isReasoningModel": "maybe"}), "Could not convert string to boolean"),
        (function("Q", {"direction": "OUT", "type": "queue", "name": "m"}), "'queue' are not registered"),
        (FunctionMetadata("None", (CREATE,)), "no trigger"),
        (skill("Mute"), "(Parameter 'functionDescription')"),
    ],
)
def test_a_function_that_the_host_refuses_says_why(metadata: FunctionMetadata, message: str) -> None:
    table = build(metadata)
    assert message in " ".join(table.errors)
    assert table.functions == {}


def test_without_the_openai_extension_the_function_is_in_error() -> None:
    (error,) = build(function("Create", CREATE), has_openai=False).errors
    assert "'assistantCreate' are not registered" in error


@pytest.mark.parametrize(("prefix", "route"), [("api", "api/Hello"), ("/v1/", "v1/Hello"), ("", "Hello")])
def test_an_empty_route_is_the_function_name_after_the_prefix(prefix: str, route: str) -> None:
    table = build(function("Hello", route=""), prefix=prefix)
    assert table.routes[0].template == routes.parse(route)


def test_enabled_skills_are_tools_of_the_model() -> None:
    schema = json.dumps({"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]})
    table = build(
        skill("Remember", functionName="AddTodo", functionDescription="Create a to-do"),
        skill("Give", functionDescription="Give back", parameterDescriptionJson=schema),
        skill("Off", functionName="AddTodo", functionDescription="Never"),
        skill("Duplicate", functionName="ADDTODO", functionDescription="Again"),
        AzureWebJobs_Off_Disabled="true",
    )
    (duplicate,) = table.errors
    assert "Key: ADDTODO (the skill of function 'Remember')" in duplicate
    skills = Skills(never)
    skills.register(table.enabled(SkillTrigger, Configuration({"AzureWebJobs_Off_Disabled": "true"})))
    default_schema = {"type": "object", "properties": {"task": {"type": "string"}}}
    tools = [("AddTodo", "Create a to-do", default_schema), ("Give", "Give back", schema)]
    assert skills.tools() == [
        {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
        for name, description, parameters in tools
    ]
    skills.register({"Broken": SkillTrigger("task", "Broken", "Adds", "{broken")})
    with pytest.raises(BindingError, match="parameterDescriptionJson of the skill 'Broken' is not JSON"):
        skills.tools()


async def never(_function: str, _argument: str | None) -> str | None:
    raise AssertionError
