import json
from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.replies import reply


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TEXT = {"type": "string"}
TOOLS = [
    tool("GetTodos", about=TEXT),
    tool("AddTodo", taskDescription=TEXT, priority=TEXT),
    tool("GetCurrentTime", zone=TEXT),
    tool("ping"),
]


def ask(text: str) -> Any:
    body = {"messages": [{"role": "user", "content": text}], "tools": TOOLS}
    return reply(body, "gpt-5.4-mini-2026-03-17")


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("add a todo: buy milk", "AddTodo", {"taskDescription": "buy milk"}),
        ("Please ADD a to-do: call Bob: today", "AddTodo", {"taskDescription": "call Bob: today"}),
        ("show my todos", "GetTodos", {"about": "show my todos"}),
        ("what time is it?", "GetCurrentTime", {"zone": "what time is it?"}),
        ('add todo: {"taskDescription": "x", "more": 1}', "AddTodo", {"taskDescription": "x", "more": 1}),
        ("ping", "ping", {}),
    ],
)
def test_a_message_with_a_tool_s_words_calls_it(text: str, name: str, arguments: dict[str, Any]) -> None:
    (call,) = ask(text).calls
    assert (call.name, json.loads(call.arguments)) == (name, arguments)


@pytest.mark.parametrize("text", ["hello", "add milk", "sometimes", ""])
def test_any_other_message_is_repeated_by_the_stand_in(text: str) -> None:
    answer = ask(text)
    assert answer.calls == ()
    assert answer.content == (
        "This is local Azure's stand-in for gpt-5.4-mini-2026-03-17: no model runs.\n"
        f"Message 1: {text}\n"
        "A message with the words of a tool's name calls the tool: "
        "get todos; add todo; get current time; ping."
    )


def test_the_required_argument_is_given() -> None:
    function = {"name": "AddTodo", "parameters": {"properties": {"a": TEXT, "b": TEXT}, "required": ["b"]}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "add todo: "}, {"type": "text", "text": "x"}]}
    ]
    (call,) = reply({"messages": messages, "tools": [{"function": function}]}, "m").calls
    assert call.arguments == '{"b": "x"}'


def test_results_of_tools_are_repeated() -> None:
    results = ["first", "Function Name: 'X' and Function Result: '\"second\"'"]
    results += ["Function Name: 'X' and Function Result: '{}'", "Function Name: 'X' and Function Result: 'x'"]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "add a todo: x"},
        {"role": "assistant", "content": None},
        *({"role": "tool", "tool_call_id": "a", "content": result} for result in results),
    ]
    assert reply({"messages": messages, "tools": TOOLS}, "m").content == "first\nsecond\n{}\nx"


def test_a_long_message_is_repeated_in_part() -> None:
    content = ask("x" * 2001).content
    assert "x" * 2000 + "…\n" in content
    assert "x" * 2001 not in content
