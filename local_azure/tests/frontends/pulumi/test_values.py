from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

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


plain_values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), plain_values, max_size=5))
def test_an_encoded_value_is_decoded_to_itself(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == properties
