import re

import pytest
from azure.data.tables import EdmType

from local_azure.services.sites.bindings import rows
from local_azure.services.sites.bindings.errors import BindingError
from local_azure.services.sites.bindings.rows import Message, ToolCall


def test_a_new_assistant_has_the_rows_of_the_extension_in_its_order() -> None:
    message, state = rows.created("a", "Be nice")
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
    (state,) = rows.created("a", instructions)
    assert state["RowKey"] == "state"
    assert state["TotalMessages"] == 0


def test_dates_go_out_as_dates_with_seven_digits() -> None:
    (state,) = rows.created("a", None)
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


@pytest.mark.parametrize("arguments", ["", '{"note": "cut of', "{} {}", "{'a': 1}", '{"a": NaN}'])
def test_stored_arguments_that_are_no_json_cannot_be_read(arguments: str) -> None:
    with pytest.raises(BindingError, match="stays unreadable until it is created anew"):
        rows.parse_tool_calls(rows.tool_calls_text([ToolCall("c1", "AddNote", arguments)]))


@pytest.mark.parametrize(("number", "key"), [(1, "msg-0001"), (27, "msg-001B"), (65_536, "msg-10000")])
def test_message_row_keys_are_hexadecimal(number: int, key: str) -> None:
    assert rows.message_row_key(number) == key
