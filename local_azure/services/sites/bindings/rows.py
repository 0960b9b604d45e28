"""The rows of one assistant in table storage, with the types and the order of the extension's classes."""

import time
from datetime import UTC, datetime

from azure.data.tables import EdmType

Value = str | int | bool | tuple[str, EdmType]
Row = dict[str, Value]

STATE_ROW_KEY = "state"


def message_row_key(number: int) -> str:
    """`msg-001B` for the 27th message: at least four digits, hexadecimal, upper case."""
    return f"msg-{number:04X}"


def timestamp(nanoseconds: int | None = None) -> tuple[str, EdmType]:
    """A UTC clock reading with the seven digits of .NET; a datetime object would be written with six."""
    now = time.time_ns() if nanoseconds is None else nanoseconds
    seconds, rest = divmod(now, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 100:07d}Z", EdmType.DATETIME


def system_message(partition_key: str, content: str) -> Row:
    return {
        "PartitionKey": partition_key,
        "RowKey": message_row_key(1),
        "Content": content,
        "Role": "System",
        "CreatedAt": timestamp(),
        "ToolCalls": "",
    }


def state(partition_key: str, total_messages: int) -> Row:
    created, updated = timestamp(), timestamp()
    return {
        "PartitionKey": partition_key,
        "RowKey": STATE_ROW_KEY,
        "Exists": True,
        "CreatedAt": created,
        "LastUpdatedAt": updated,
        "TotalMessages": total_messages,
        "TotalTokens": 0,
    }


def created(partition_key: str, instructions: str | None) -> list[Row]:
    """What one insert transaction writes: the system message, unless it is blank, then the state."""
    messages = [system_message(partition_key, instructions)] if instructions and instructions.strip() else []
    return [*messages, state(partition_key, len(messages))]
