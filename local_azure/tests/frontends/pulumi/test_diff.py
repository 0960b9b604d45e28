from typing import Any

import pytest

from local_azure.frontends.pulumi.diff import Change, Difference, differences
from local_azure.frontends.pulumi.values import UNKNOWN

REPLACING = ("name", "location", "properties.customSubDomainName", "kind")


def paths(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Difference]:
    return differences(old, new, REPLACING)


def test_equal_inputs_have_no_difference() -> None:
    inputs = {"a": [1, {"b": True}], "location": "West US 2"}
    assert paths(inputs, {"a": [1, {"b": True}], "location": "westus2"}) == {}


def test_the_changed_leaf_is_named() -> None:
    found = paths({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1, "c": 3}]})
    assert found == {"a[0].c": Difference(Change.UPDATE, replaces=False)}


def test_added_and_removed_members_and_items() -> None:
    found = paths({"a": 1, "l": [1, 2]}, {"b": 1, "l": [1]})
    assert {path: one.change for path, one in found.items()} == {
        "a": Change.DELETE,
        "b": Change.ADD,
        "l[1]": Change.DELETE,
    }


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"name": "a"}, {"name": "b"}, "name"),
        ({"name": "a"}, {"name": UNKNOWN}, "name"),
        ({"location": "westus"}, {"location": "eastus"}, "location"),
        ({}, {"kind": "x"}, "kind"),
        ({"properties": {"customSubDomainName": "a"}}, {"properties": {"customSubDomainName": "b"}}, None),
    ],
)
def test_some_paths_replace(old: dict[str, Any], new: dict[str, Any], path: str | None) -> None:
    found = paths(old, new)
    assert [one.replaces for one in found.values()] == [True]
    assert path is None or list(found) == [path]


def test_a_neighbour_of_a_replacing_path_updates() -> None:
    found = paths({"properties": {"x": 1}}, {"properties": {"x": 2}})
    assert found == {"properties.x": Difference(Change.UPDATE, replaces=False)}


def test_the_order_and_case_of_identities_say_nothing() -> None:
    old = {"identity": {"userAssignedIdentities": ["/a/B", "/c"]}}
    assert paths(old, {"identity": {"userAssignedIdentities": ["/c", "/a/b"]}}) == {}
    assert paths(old, {"identity": {"userAssignedIdentities": ["/c"]}}) != {}


def test_one_is_not_true() -> None:
    assert paths({"a": True}, {"a": 1}) == {"a": Difference(Change.UPDATE, replaces=False)}
