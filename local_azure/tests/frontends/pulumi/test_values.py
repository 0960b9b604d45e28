from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from local_azure.frontends.pulumi.values import UNKNOWN, decode, encode

SIGNATURE = "4dabf18193072939515e22adb298388d"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def struct(**members: Any) -> Struct:
    made = Struct()
    made.update(members)
    return made


def test_whole_numbers_are_integers_and_booleans_stay_booleans() -> None:
    decoded = decode(struct(a=2, b=2.5, c=True))
    assert decoded == {"a": 2, "b": 2.5, "c": True}
    assert isinstance(decoded["a"], int)
    assert decoded["c"] is True


def test_nulls_are_left_out() -> None:
    assert decode(struct(a=None, b={"c": None})) == {"b": {}}


@pytest.mark.parametrize(
    ("special", "plain"),
    [
        ({SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": {"x": UNKNOWN_TEXT}}, {"x": UNKNOWN}),
        ({SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": "x", "secret": True}, "x"),
        ({SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "dependencies": ["urn"]}, UNKNOWN),
        ({SIGNATURE: "5cf8f73096256a8f31e491e813e4eb8e", "urn": "u", "id": "i"}, "i"),
        ({SIGNATURE: "5cf8f73096256a8f31e491e813e4eb8e", "urn": "u"}, UNKNOWN),
        (UNKNOWN_TEXT, UNKNOWN),
    ],
)
def test_secrets_outputs_and_references_come_out_as_what_they_hold(special: Any, plain: Any) -> None:
    assert decode(struct(a=[special])) == {"a": [plain]}


def test_unknown_goes_out_as_the_engine_writes_it() -> None:
    assert encode({"a": {"b": UNKNOWN}}).fields["a"].struct_value.fields["b"].string_value == UNKNOWN_TEXT


plain_values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), plain_values, max_size=5))
def test_what_goes_out_comes_back(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == properties
