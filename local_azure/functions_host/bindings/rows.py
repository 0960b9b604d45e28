"""The rows of one assistant in table storage, with the types and the property order of the extension's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from azure.data.tables import EdmType

from local_azure.functions_host.bindings import dotnet
from local_azure.functions_host.bindings.dotnet import Instant
from local_azure.functions_host.bindings.errors import BindingError

Value = str | int | bool | tuple[str, EdmType] | None
Row = dict[str, Value]
T = TypeVar("T")

STATE_ROW_KEY = "state"
MESSAGE_PREFIX = "msg-"


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is the text of the model, which need not be valid JSON; None for what it left out."""

    id: str | None
    function_name: str | None
    arguments: str | None
    more: Mapping[str, object] = field(default_factory=dict[str, object])
    """Other members of the model's JSON, which go back to the model in this post and are not stored."""
    more_of_function: Mapping[str, object] | None = field(default_factory=dict[str, object])
    """None where the call has no function."""


@dataclass(frozen=True)
class Message:
    content: str | None
    role: str | None
    """`System`, `User`, `Assistant` or `Tool`; versions up to 0.18 write lower case."""
    created_at: Instant
    name: str | None = None
    """Of a Tool message: the id of the tool call."""
    tool_calls: tuple[ToolCall | None, ...] = ()


@dataclass
class State:
    partition_key: str | None
    exists: bool
    created_at: Instant
    last_updated_at: Instant
    total_messages: int
    total_tokens: int


def message_row(partition_key: str | None, number: int, message: Message) -> Row:
    return {
        "PartitionKey": partition_key,
        # `msg-001B` is the 27th message: at least four digits.
        "RowKey": f"{MESSAGE_PREFIX}{number & 0xFFFF_FFFF:04X}",
        "Content": message.content,
        "Name": message.name,
        "Role": message.role,
        "CreatedAt": _date(message.created_at),
        "ToolCalls": tool_calls_text(message.tool_calls),
    }


def state_row(state: State) -> Row:
    return {
        "PartitionKey": state.partition_key,
        "RowKey": STATE_ROW_KEY,
        "Exists": state.exists,
        "CreatedAt": _date(state.created_at),
        "LastUpdatedAt": _date(state.last_updated_at),
        "TotalMessages": state.total_messages,
        "TotalTokens": state.total_tokens,
    }


def initial_rows(partition_key: str | None, instructions: str | None) -> list[Row]:
    """The rows of a new assistant: the system message, unless it is blank, then the state."""
    messages: list[Row] = []
    if not dotnet.is_blank(instructions):
        messages.append(message_row(partition_key, 1, Message(instructions, "System", dotnet.now())))
    state = State(partition_key, True, dotnet.now(), dotnet.now(), len(messages), 0)
    return [*messages, state_row(state)]


def tool_calls_text(calls: Sequence[ToolCall | None]) -> str:
    """The ToolCalls property: empty, or JSON as System.Text.Json writes it. Raises BindingError."""
    quoted, elements = dotnet.system_text, list[str]()
    for call in calls:
        if call is None or call.arguments is None:
            raise BindingError("A tool call of the model is null or has no arguments: it cannot be stored.")
        elements.append(
            f'{{"id":{quoted(call.id)},"functionName":{quoted(call.function_name)},'
            f'"functionArguments":{quoted(call.arguments)},"kind":"Function"}}'
        )
    return f"[{','.join(elements)}]" if elements else ""


def parse_tool_calls(text: str | None) -> tuple[ToolCall, ...]:
    """Raises BindingError where the extension fails at every query and post until the next create."""
    if not text:
        return ()
    try:
        calls = dotnet.strict_json(text)
        if calls is None:
            return ()
        if not isinstance(calls, list):
            raise ValueError("it is not an array")
        return tuple(_tool_call(call) for call in cast("list[object]", calls))
    except ValueError as error:
        raise BindingError(
            f"The property ToolCalls with {text[:200]!r} cannot be read: {error}. "
            f"The conversation cannot be read until it is created again."
        ) from error


def _tool_call(element: object) -> ToolCall:
    """Names are case-sensitive; a missing member is the empty string. Raises ValueError."""
    if not isinstance(element, dict):
        raise ValueError("a tool call is not an object")
    members = cast("dict[str, object]", element)
    texts = [
        dotnet.utf8(members.get(name, "")) for name in ("id", "functionName", "functionArguments", "kind")
    ]
    if not all(texts[:3]):
        raise ValueError("'id', 'functionName' or 'functionArguments' of a tool call is null or empty")
    call = ToolCall(texts[0], texts[1], str(texts[2]).strip(" \t\r\n"))
    dotnet.strict_json(call.arguments or "")
    return call


def read_message(entity: Mapping[str, Any]) -> Message:
    return Message(
        content=_value(entity, "Content", str),
        role=_value(entity, "Role", str),
        created_at=_instant(entity, "CreatedAt"),
        name=_value(entity, "Name", str),
        tool_calls=parse_tool_calls(_value(entity, "ToolCalls", str)),
    )


def read_state(entity: Mapping[str, Any]) -> State:
    return State(
        partition_key=str(entity["PartitionKey"]),
        exists=_value(entity, "Exists", bool) or False,
        created_at=_instant(entity, "CreatedAt"),
        last_updated_at=_instant(entity, "LastUpdatedAt"),
        total_messages=_value(entity, "TotalMessages", int) or 0,
        total_tokens=_value(entity, "TotalTokens", int) or 0,
    )


def _date(moment: Instant) -> tuple[str, EdmType]:
    # A datetime object would be written with six digits.
    return moment, EdmType.DATETIME


def _instant(entity: Mapping[str, Any], name: str) -> Instant:
    value = entity.get(name)
    if value is None:
        return dotnet.NEVER
    text: object = getattr(value, "tables_service_value", None)
    if not isinstance(text, str):
        raise _wrong_type(entity, name, "DateTime")
    return dotnet.instant(text)


def _value(entity: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """An Int64 is no `int`: the SDK gives it as EntityProperty. Raises BindingError."""
    value: object = entity.get(name)
    if value is None or type(value) is kind:
        return value
    raise _wrong_type(entity, name, kind.__name__)


def _wrong_type(entity: Mapping[str, Any], name: str, expected: str) -> BindingError:
    return BindingError(
        f"Row {entity['RowKey']!r}: cannot return {type(entity[name]).__name__} {name} as {expected}."
    )
