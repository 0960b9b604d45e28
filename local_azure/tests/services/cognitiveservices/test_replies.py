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


def ask(text: str, tools: list[dict[str, Any]] | None = None, **members: Any) -> Any:
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
    (call,) = ask(text).calls
    assert (call.name, json.loads(call.arguments)) == (name, arguments)


@pytest.mark.parametrize("text", ["hello", "add milk", "sometimes", ""])
def test_any_other_message_is_repeated_by_the_stand_in(text: str) -> None:
    answer = ask(text)
    assert answer.calls == ()
    assert "local Azure's stand-in for gpt-5.4-mini-2026-03-17" in answer.content
    assert f"Message 1: {text}" in answer.content
    assert "add todo" in answer.content


def test_tool_choice_is_obeyed() -> None:
    assert ask("add a todo: x", tool_choice="none").calls == ()
    assert ask("hello", tool_choice="required").calls[0].name == "GetTodos"
    chosen = {"type": "function", "function": {"name": "AddTodo"}}
    assert ask("hello", tool_choice=chosen).calls[0].name == "AddTodo"


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("set value: 3", {"type": "integer"}, 3),
        ("set value: 3.5 kg", {"type": "number"}, 3.5),
        ("set value: fahrenheit please", {"type": "string", "enum": ["C", "Fahrenheit"]}, "Fahrenheit"),
        ("set value", {"type": ["boolean", "null"]}, True),
        ("set value: a, b", {"type": "array"}, ["a", "b"]),
        ("set value", {"type": "object"}, {}),
    ],
)
def test_arguments_have_the_types_of_the_schema(text: str, schema: object, value: object) -> None:
    assert json.loads(ask(text, [tool("SetValue", value=schema)]).calls[0].arguments) == {"value": value}


def test_results_of_tools_are_repeated() -> None:
    messages = [
        {"role": "user", "content": "add a todo: x"},
        {"role": "assistant", "content": None},
        {"role": "tool", "tool_call_id": "a", "content": "first"},
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": "Function Name: 'X' and Function Result: '\"second\"'",
        },
        {"role": "tool", "tool_call_id": "c", "content": "Function Name: 'X' and Function Result: '{}'"},
    ]
    assert reply({"messages": messages, "tools": TOOLS}, "m").content == "first\nsecond\n{}"


def test_a_long_message_is_repeated_in_part() -> None:
    assert len(ask("x" * 100_000).content) < 3000
