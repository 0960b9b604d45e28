import re

import pytest
from azure.data.tables import EdmType

from local_azure.services.sites.bindings import rows


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


def test_a_clock_reading_has_seven_digits() -> None:
    assert rows.timestamp(1_700_000_000_123_456_789) == ("2023-11-14T22:13:20.1234567Z", EdmType.DATETIME)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", rows.timestamp()[0])


@pytest.mark.parametrize(("number", "key"), [(1, "msg-0001"), (27, "msg-001B"), (65_536, "msg-10000")])
def test_message_row_keys_are_hexadecimal(number: int, key: str) -> None:
    assert rows.message_row_key(number) == key
