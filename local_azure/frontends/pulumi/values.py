"""Converts Pulumi property values (a protobuf Struct) to plain Python values and back.

Plain values are str, bool, int, float, list, dict and `UNKNOWN`. A secret or output value becomes the value
that it wraps: the provider accepts neither, and the engine marks an output as secret where the input of the
same name is.
"""

from typing import Any, cast

from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc

from local_azure.core.schema import UNKNOWN

# P:sdk/go/common/resource/sig/sig.go; the SDK has the same constants, apart from the output value's.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a type tag of the protocol
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"


def decode(struct: Struct) -> dict[str, Any]:
    """Without members that are null, as in the real provider (SkipNulls)."""
    decoded = {key: _decode(value) for key, value in struct.fields.items()}
    return {key: value for key, value in decoded.items() if value is not None}


def encode(properties: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(_encode(properties))
    return struct


def _decode(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(element) for element in value.list_value.values]
    if kind == "struct_value":
        return _decode_special(value.struct_value)
    return None


def type_of(urn: str) -> str:
    """The type token in a URN, such as `azure-native:storage:Table`."""
    return urn.split("::")[2].rpartition("$")[2]


def _decode_special(struct: Struct) -> Any:
    signature = struct.fields[_SIGNATURE].string_value if _SIGNATURE in struct.fields else None
    if signature == _SECRET:
        return _decode(struct.fields["value"])
    if signature == _OUTPUT:
        return _decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
    if signature == _RESOURCE:
        return _decode(struct.fields["id"]) if "id" in struct.fields else UNKNOWN
    return decode(struct)


def _encode(value: object) -> Any:
    if value is UNKNOWN:
        return rpc.UNKNOWN
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _encode(member) for key, member in members.items() if member is not None}
    if isinstance(value, list | tuple):
        return [_encode(element) for element in cast("list[Any]", value)]
    return value
