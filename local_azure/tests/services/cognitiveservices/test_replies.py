import json
from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.replies import reply


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TEXT = {"type": "string"}
TOOLS = [
    tool("GetTodos", inputIgnored=TEXT),
    tool("AddTodo", taskDescription=TEXT),
    tool("GetCurrentTime", zone=TEXT),
]


def asked(text: str, tools: list[dict[str, Any]] | None = None, **members: Any) -> Any:
    body = {"messages": [{"role": "user", "content": text}], "tools": TOOLS if tools is None else tools}
    return reply({**body, **members}, "gpt-5.4-mini-2026-03-17")


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("add a todo: buy milk", "AddTodo", {"taskDescription": "buy milk"}),
        ("Please ADD a to-do: call Bob: today", "AddTodo", {"taskDescription": "call Bob: today"}),
        ("show my todos", "GetTodos", {"inputIgnored": "show my todos"}),
        ("what time is it?", "GetCurrentTime", {"zone": "what time is it?"}),
        ('add todo: {"taskDescription": "x", "more": 1}', "AddTodo", {"taskDescription": "x", "more": 1}),
    ],
)
def test_a_message_with_a_tool_s_words_calls_it(text: str, name: str, arguments: dict[str, Any]) -> None:
    (call,) = asked(text).calls
    assert (call.name, json.loads(call.arguments)) == (name, arguments)


@pytest.mark.parametrize("text", ["hello", "add milk", "sometimes", ""])
def test_any_other_message_is_repeated_by_what_says_that_it_is_a_stand_in(text: str) -> None:
    said = asked(text)
    assert said.calls == ()
    assert "local Azure's stand-in for gpt-5.4-mini-2026-03-17" in said.content
    assert f"Message 1: {text}" in said.content
    assert "add todo" in said.content


def test_tool_choice_is_obeyed() -> None:
    assert asked("add a todo: x", tool_choice="none").calls == ()
    assert asked("hello", tool_choice="required").calls[0].name == "GetTodos"
    chosen = {"type": "function", "function": {"name": "AddTodo"}}
    assert asked("hello", tool_choice=chosen).calls[0].name == "AddTodo"


def test_arguments_have_the_types_of_the_schema() -> None:
    done = tool("CompleteTodo", number={"type": "integer"})
    assert json.loads(asked("complete todo: 3", [done]).calls[0].arguments) == {"number": 3}
    unit = tool("SetUnit", unit={"type": "string", "enum": ["C", "Fahrenheit"]})
    assert json.loads(asked("set the unit: fahrenheit please", [unit]).calls[0].arguments) == {
        "unit": "Fahrenheit"
    }
    assert json.loads(asked("list todos", [tool("ListTodos")]).calls[0].arguments) == {}


def test_results_of_tools_are_repeated() -> None:
    calls = [{"id": one, "type": "function", "function": {"name": "X", "arguments": "{}"}} for one in "ab"]
    messages = [
        {"role": "user", "content": "add a todo: x"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "first"},
        {"role": "tool", "tool_call_id": "b", "content": "second"},
    ]
    assert reply({"messages": messages, "tools": TOOLS}, "m").content == "first\nsecond"


def test_a_long_message_is_repeated_in_part() -> None:
    assert len(asked("x" * 100_000).content) < 3000
