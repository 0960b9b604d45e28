from types import SimpleNamespace

import pytest
from azure.data.tables import EdmType

from local_azure.functions_host.bindings import assistant_post, dotnet, rows
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message, ToolCall

NOW = "2026-01-01T00:00:00.1234567Z"
DATE = (NOW, EdmType.DATETIME)


def test_a_new_assistant_has_the_rows_of_the_extension_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dotnet, "now", lambda: NOW)
    message, state = rows.initial_rows("a", "Be nice")
    assert list(message.items()) == [
        ("PartitionKey", "a"),
        ("RowKey", "msg-0001"),
        ("Content", "Be nice"),
        ("Role", "System"),
        ("CreatedAt", DATE),
        ("ToolCalls", ""),
    ]
    assert list(state.items()) == [
        ("PartitionKey", "a"),
        ("RowKey", "state"),
        ("Exists", True),
        ("CreatedAt", DATE),
        ("LastUpdatedAt", DATE),
        ("TotalMessages", 1),
        ("TotalTokens", 0),
    ]


@pytest.mark.parametrize("instructions", [None, "", " \n\t"])
def test_blank_instructions_leave_only_the_state(instructions: str | None) -> None:
    (state,) = rows.initial_rows("a", instructions)
    assert (state["RowKey"], state["TotalMessages"]) == ("state", 0)


def test_a_tools_answer_has_its_name_between_content_and_role() -> None:
    row = rows.message_row("a", 300, Message("Function Name: …", "Tool", NOW, "c1"))
    assert list(row) == ["PartitionKey", "RowKey", "Content", "Name", "Role", "CreatedAt", "ToolCalls"]
    assert (row["RowKey"], row["Name"], row["ToolCalls"]) == ("msg-012C", "c1", "")


def test_tool_calls_are_the_json_of_system_text_json() -> None:
    calls = (ToolCall("c1", "AddNote", '{"note":"x"}'), ToolCall("c2", "ä<&'+`>\\", "{\n}\U0001f600\x7f"))
    assert rows.tool_calls_text(calls) == (
        r'[{"id":"c1","functionName":"AddNote","functionArguments":"{\u0022note\u0022:\u0022x\u0022}",'
        r'"kind":"Function"},{"id":"c2","functionName":"\u00E4\u003C\u0026\u0027\u002B\u0060\u003E\\",'
        r'"functionArguments":"{\n}\uD83D\uDE00\u007F","kind":"Function"}]'
    )
    assert rows.parse_tool_calls(rows.tool_calls_text(calls[:1])) == calls[:1]
    assert rows.tool_calls_text(()) == ""


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


# By the name of the recording, where there is one.
ARGUMENTS_THAT_ARE_NO_JSON = {
    "tool-call-rows/arguments-empty": "",
    "tool-call-rows/arguments-text": "hello",
    "tool-call-rows/arguments-nan": "NaN",
    "infinity": '{"city": -Infinity}',
    "tools/arguments-cut": '{"note": "cut of',
    "tools/arguments-two": '{"city":"a"}{"city":"b"}',
    "tools/arguments-single-quotes": "{'city':'Paris'}",
    "tools/arguments-comment": '{"city":"Paris"/*x*/}',
    "tools/arguments-trailing-comma": '{"city":"Paris",}',
    "tools/arguments-raw-newline": '{"city":"a\nb"}',
    "tools/arguments-hex": '{"city":0x10}',
    "tools/arguments-deep": f'{{"city":"x","d":{deep(70)}}}',
    "65 levels": f'{{"d":{deep(64)}}}',
    "65 levels in a member that another one replaces": f'{{"d":{deep(64)},"d":1}}',
    "deeper than Python reads": deep(100_000),
}
ARGUMENTS = {
    "tool-call-rows/arguments-number": "5",
    "tools/arguments-null": "null",
    "tools/arguments-text": '"Paris"',
    "tool-call-rows/arguments-duplicates": '{"a":1,"a":2}',
    "tools/arguments-value-big": '{"city":12345678901234567890123}',
    "a number of more digits than Python reads": "9" * 5000,
    "half a surrogate pair": '{"city":"\\ud800 [[{\\"[["}',
    "64 levels": f'{{"d":{deep(63)}}}',
}
COLUMNS_OF_ANOTHER_SHAPE = {
    "tool-call-rows/blank": " ",
    "tool-call-rows/object": '{"id":"call_1"}',
    "tool-call-rows/null-item": "[null]",
    "tool-call-rows/empty-item": "[{}]",
    "tool-call-rows/arguments-object": '[{"id":"c","functionName":"F","functionArguments":{"a":1}}]',
    "tool-call-rows/arguments-null": '[{"id":"c","functionName":"F","functionArguments":null}]',
    "tool-call-rows/id-null": '[{"id":null,"functionName":"F","functionArguments":"{}"}]',
    "tool-call-rows/name-empty": '[{"id":"c","functionName":"","functionArguments":"{}"}]',
    "tool-call-rows/name-null": '[{"id":"c","functionName":null,"functionArguments":"{}"}]',
    "tool-call-rows/names-in-other-case": '[{"Id":"c","FunctionName":"F","FunctionArguments":"{}"}]',
    "tool-call-rows/comment": "[/*x*/]",
    "tool-call-rows/trailing-comma": '[{"id":"c","functionName":"F","functionArguments":"{}"},]',
    **{
        name: rows.tool_calls_text([ToolCall("c1", "AddNote", arguments)])
        for name, arguments in ARGUMENTS_THAT_ARE_NO_JSON.items()
    },
}


@pytest.mark.parametrize("column", COLUMNS_OF_ANOTHER_SHAPE.values(), ids=COLUMNS_OF_ANOTHER_SHAPE)
def test_a_column_of_another_shape_cannot_be_read(column: str) -> None:
    with pytest.raises(BindingError, match="cannot be read until it is created again"):
        rows.parse_tool_calls(column)


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_stored_arguments_that_are_json_are_read(arguments: str) -> None:
    call = ToolCall("c1", "AddNote", arguments)
    assert rows.parse_tool_calls(rows.tool_calls_text([call])) == (call,)


def test_a_column_of_more_or_less_is_read() -> None:
    """Recordings tool-call-rows/empty-array, unknown-member, duplicate-member and spaces."""
    assert rows.parse_tool_calls("[]") == ()
    members = '"id":"c0","id":"c1","functionName":"F","functionArguments":" { } \\n","kind":"Other","a":1'
    assert rows.parse_tool_calls(f"[{{{members}}}]") == (ToolCall("c1", "F", "{ }"),)


def test_rows_that_versions_up_to_0_18_wrote_are_read() -> None:
    """Lower-case roles and no ToolCalls."""
    date = SimpleNamespace(tables_service_value="2024-01-01T00:00:00.5Z")
    message = rows.read_message({"RowKey": "msg-0001", "Content": "old", "Role": "system", "CreatedAt": date})
    assert message == Message("old", "system", "2024-01-01T00:00:00.5000000Z")
    assert assistant_post.chat_message(message) == {"role": "system", "content": "old"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Role": None}, "has no Role"),
        ({"Content": 5}, "cannot return int Content as String"),
        ({"CreatedAt": "2026-01-01"}, "cannot return str CreatedAt as DateTime"),
    ],
)
def test_a_message_row_of_other_types_cannot_be_read(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BindingError, match=message):
        rows.read_message({"RowKey": "msg-0001", "Content": "a", "Role": "User", **changes})


@pytest.mark.parametrize("value", [True, 1.5, "1", 2**31])
def test_a_number_of_a_state_row_is_an_int32(value: object) -> None:
    with pytest.raises(BindingError, match="TotalTokens as Int32"):
        rows.read_state({"PartitionKey": "a", "RowKey": "state", "TotalTokens": value})


@pytest.mark.parametrize(("number", "key"), [(1, "msg-0001"), (27, "msg-001B"), (65_536, "msg-10000")])
def test_message_row_keys_are_hexadecimal(number: int, key: str) -> None:
    assert rows.message_row_key(number) == key
