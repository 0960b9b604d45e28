import re
from types import SimpleNamespace

import pytest
from azure.data.tables import EdmType

from local_azure.functions_host.bindings import assistant_post, rows
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message, ToolCall


def test_a_new_assistant_has_the_rows_of_the_extension_in_its_order() -> None:
    message, state = rows.initial_rows("a", "Be nice")
    assert list(message) == ["PartitionKey", "RowKey", "Content", "Role", "CreatedAt", "ToolCalls"]
    assert [message[name] for name in ("PartitionKey", "RowKey", "Content", "Role", "ToolCalls")] == [
        "a",
        "msg-0001",
        "Be nice",
        "System",
        "",
    ]
    assert list(state) == [
        "PartitionKey",
        "RowKey",
        "Exists",
        "CreatedAt",
        "LastUpdatedAt",
        "TotalMessages",
        "TotalTokens",
    ]
    assert [state[name] for name in ("RowKey", "Exists", "TotalMessages", "TotalTokens")] == [
        "state",
        True,
        1,
        0,
    ]


@pytest.mark.parametrize("instructions", [None, "", " \n\t"])
def test_blank_instructions_leave_only_the_state(instructions: str | None) -> None:
    (state,) = rows.initial_rows("a", instructions)
    assert state["RowKey"] == "state"
    assert state["TotalMessages"] == 0


def test_dates_go_out_as_dates_with_seven_digits() -> None:
    (state,) = rows.initial_rows("a", None)
    created = state["CreatedAt"]
    assert isinstance(created, tuple)
    assert created[1] is EdmType.DATETIME
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", created[0])


def test_a_tools_answer_has_its_name_between_content_and_role() -> None:
    row = rows.message_row(
        "a", 300, Message("Function Name: …", "Tool", "2026-01-01T00:00:00.0000000Z", "c1")
    )
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


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("", id="tool-call-rows/arguments-empty"),
        pytest.param("hello", id="tool-call-rows/arguments-text"),
        pytest.param("NaN", id="tool-call-rows/arguments-nan"),
        pytest.param('{"city": -Infinity}', id="infinity"),
        pytest.param('{"note": "cut of', id="tools/arguments-cut"),
        pytest.param('{"city":"a"}{"city":"b"}', id="tools/arguments-two"),
        pytest.param("{'city':'Paris'}", id="tools/arguments-single-quotes"),
        pytest.param('{"city":"Paris"/*x*/}', id="tools/arguments-comment"),
        pytest.param('{"city":"Paris",}', id="tools/arguments-trailing-comma"),
        pytest.param('{"city":"a\nb"}', id="tools/arguments-raw-newline"),
        pytest.param('{"city":0x10}', id="tools/arguments-hex"),
        pytest.param(f'{{"city":"x","d":{deep(70)}}}', id="tools/arguments-deep"),
        pytest.param(f'{{"d":{deep(64)}}}', id="65 levels"),
        pytest.param(f'{{"d":{deep(64)},"d":1}}', id="65 levels in a member that another one replaces"),
        pytest.param(deep(100_000), id="deeper than Python reads"),
    ],
)
def test_stored_arguments_that_are_no_json_cannot_be_read(arguments: str) -> None:
    with pytest.raises(BindingError, match="cannot be read until it is created again"):
        rows.parse_tool_calls(rows.tool_calls_text([ToolCall("c1", "AddNote", arguments)]))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("5", id="tool-call-rows/arguments-number"),
        pytest.param("null", id="tools/arguments-null"),
        pytest.param('"Paris"', id="tools/arguments-text"),
        pytest.param('{"a":1,"a":2}', id="tool-call-rows/arguments-duplicates"),
        pytest.param('{"city":12345678901234567890123}', id="tools/arguments-value-big"),
        pytest.param("9" * 5000, id="a number of more digits than Python reads"),
        pytest.param('{"city":"\\ud800 [[{\\"[["}', id="half a surrogate pair"),
        pytest.param(f'{{"d":{deep(63)}}}', id="64 levels"),
    ],
)
def test_stored_arguments_that_are_json_are_read(arguments: str) -> None:
    call = ToolCall("c1", "AddNote", arguments)
    assert rows.parse_tool_calls(rows.tool_calls_text([call])) == (call,)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" ", id="tool-call-rows/blank"),
        pytest.param('{"id":"call_1"}', id="tool-call-rows/object"),
        pytest.param("[null]", id="tool-call-rows/null-item"),
        pytest.param("[{}]", id="tool-call-rows/empty-item"),
        pytest.param(
            '[{"id":"c","functionName":"F","functionArguments":{"a":1}}]',
            id="tool-call-rows/arguments-object",
        ),
        pytest.param(
            '[{"id":"c","functionName":"F","functionArguments":null}]', id="tool-call-rows/arguments-null"
        ),
        pytest.param(
            '[{"id":null,"functionName":"F","functionArguments":"{}"}]', id="tool-call-rows/id-null"
        ),
        pytest.param(
            '[{"id":"c","functionName":"","functionArguments":"{}"}]', id="tool-call-rows/name-empty"
        ),
        pytest.param(
            '[{"id":"c","functionName":null,"functionArguments":"{}"}]', id="tool-call-rows/name-null"
        ),
        pytest.param(
            '[{"Id":"c","FunctionName":"F","FunctionArguments":"{}"}]',
            id="tool-call-rows/names-in-other-case",
        ),
        pytest.param("[/*x*/]", id="tool-call-rows/comment"),
        pytest.param(
            '[{"id":"c","functionName":"F","functionArguments":"{}"},]', id="tool-call-rows/trailing-comma"
        ),
    ],
)
def test_a_column_of_another_shape_cannot_be_read(text: str) -> None:
    with pytest.raises(BindingError, match="cannot be read until it is created again"):
        rows.parse_tool_calls(text)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param("[]", (), id="tool-call-rows/empty-array"),
        pytest.param(
            '[{"id":"c0","id":"c1","functionName":"F","functionArguments":" { } \\n","kind":"Other","a":1}]',
            (ToolCall("c1", "F", "{ }"),),
            id="tool-call-rows/unknown-member, duplicate-member and spaces",
        ),
    ],
)
def test_a_column_of_more_or_less_is_read(text: str, calls: tuple[ToolCall, ...]) -> None:
    assert rows.parse_tool_calls(text) == calls


def test_rows_that_versions_up_to_0_18_wrote_are_read() -> None:
    """Lower-case roles and no ToolCalls."""
    date = SimpleNamespace(tables_service_value="2024-01-01T00:00:00.5Z")
    message = rows.read_message({"RowKey": "msg-0001", "Content": "old", "Role": "system", "CreatedAt": date})
    assert message == Message("old", "system", "2024-01-01T00:00:00.5000000Z")
    assert assistant_post.chat_message(message) == {"role": "system", "content": "old"}


@pytest.mark.parametrize(("number", "key"), [(1, "msg-0001"), (27, "msg-001B"), (65_536, "msg-10000")])
def test_message_row_keys_are_hexadecimal(number: int, key: str) -> None:
    assert rows.message_row_key(number) == key
