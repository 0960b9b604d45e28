from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from local_azure.core.schema import UNKNOWN
from local_azure.frontends.pulumi.values import decode, encode

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (2, 2),
        (2.5, 2.5),
        (True, True),
        ({"c": None}, {}),
        ({SIGNATURE: SECRET, "value": {"x": UNKNOWN_TEXT}}, {"x": UNKNOWN}),
        ({SIGNATURE: OUTPUT, "value": "x", "secret": True}, "x"),
        ({SIGNATURE: OUTPUT, "dependencies": ["urn"]}, UNKNOWN),
        ({SIGNATURE: RESOURCE, "urn": "u", "id": "i"}, "i"),
        ({SIGNATURE: RESOURCE, "urn": "u"}, UNKNOWN),
        (UNKNOWN_TEXT, UNKNOWN),
    ],
)
def test_a_value_is_decoded_to_what_it_wraps(value: Any, plain: Any) -> None:
    struct = Struct()
    struct.update({"a": [value], "null": None})
    decoded = decode(struct)
    assert decoded == {"a": [plain]}
    assert type(decoded["a"][0]) is type(plain)  # whole numbers are integers, and booleans stay booleans


def test_unknown_is_encoded_as_the_engine_writes_it() -> None:
    assert encode({"a": {"b": UNKNOWN}}).fields["a"].struct_value.fields["b"].string_value == UNKNOWN_TEXT


def test_an_encoded_value_is_decoded_to_itself() -> None:
    properties: dict[str, Any] = {
        "": "",
        "a": [True, -(2**40), 2.5, "ä", UNKNOWN, [], {}, [[1]]],
        "b": {"c": {"d": False}},
    }
    assert decode(encode(properties)) == properties
    assert decode(encode({"a": (1, {"b": None}), "c": None})) == {"a": [1, {}]}
