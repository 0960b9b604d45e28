"""Property values as protocol buffers, in and out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct
from google.protobuf.struct_pb2 import Value as WireValue

from local_azure.engine.values import (
    OUTPUT,
    RESOURCE,
    SECRET,
    SIG,
    TYPED_UNKNOWNS,
    UNKNOWN,
    Properties,
    Value,
    secret,
)

_EXACT_INTEGERS = float(2**53)


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value


def _decode(wire: WireValue) -> Value:
    kind = wire.WhichOneof("kind")
    if kind == "string_value":
        text = wire.string_value
        return UNKNOWN if text in TYPED_UNKNOWNS else text
    if kind == "struct_value":
        return _decode_object({key: _decode(item) for key, item in wire.struct_value.fields.items()})
    if kind == "list_value":
        return [_decode(item) for item in wire.list_value.values]
    if kind == "number_value":
        return _number(wire.number_value)
    if kind == "bool_value":
        return wire.bool_value
    return None


def _decode_object(fields: Properties) -> Value:
    """An output value becomes what the state and providers know: an unknown, a secret or the plain value."""
    if fields.get(SIG) != OUTPUT:
        return fields
    value = fields.get("value", UNKNOWN)
    return secret(value) if fields.get("secret") else value


def decode(struct: Struct) -> Properties:
    return {key: _decode(value) for key, value in struct.fields.items()}


def dependencies(struct: Struct) -> dict[str, list[str]]:
    """The URNs that output values inside each property name as their dependencies."""

    def urns(wire: WireValue) -> Iterator[str]:
        kind = wire.WhichOneof("kind")
        if kind == "list_value":
            for item in wire.list_value.values:
                yield from urns(item)
        elif kind == "struct_value":
            fields = wire.struct_value.fields
            if SIG in fields and fields[SIG].string_value == OUTPUT and "dependencies" in fields:
                yield from (item.string_value for item in fields["dependencies"].list_value.values)
            for item in fields.values():
                yield from urns(item)

    found = {key: list(dict.fromkeys(urns(value))) for key, value in struct.fields.items()}
    return {key: value for key, value in found.items() if value}


@dataclass(frozen=True)
class Accepts:
    """What the receiver of a property map understands; the rest is sent in its plain form or left out."""

    secrets: bool = False
    unknowns: bool = False
    resources: bool = False


def _encode(value: Value, accepts: Accepts) -> WireValue | None:
    """None: the value is left out."""
    if value is None:
        return WireValue(null_value=NullValue.NULL_VALUE)
    if isinstance(value, bool):
        return WireValue(bool_value=value)
    if isinstance(value, str):
        return None if value == UNKNOWN and not accepts.unknowns else WireValue(string_value=value)
    if isinstance(value, int | float):
        return WireValue(number_value=value)
    if isinstance(value, list):
        items = [item for item in (_encode(item, accepts) for item in value) if item is not None]
        return WireValue(list_value=ListValue(values=items))
    kind = value.get(SIG)
    if kind == SECRET and not accepts.secrets:
        return _encode(value.get("value"), accepts)
    if kind == RESOURCE and not accepts.resources:
        return _encode(value["id"] if "id" in value else value.get("urn"), accepts)
    return WireValue(struct_value=encode(value, accepts))


def encode(properties: Mapping[str, Value], accepts: Accepts) -> Struct:
    fields = {key: _encode(value, accepts) for key, value in properties.items()}
    return Struct(fields={key: value for key, value in fields.items() if value is not None})
