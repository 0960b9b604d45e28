from typing import Any

import pytest

from local_azure.frontends.pulumi.diff import Change, Difference, differences
from local_azure.frontends.pulumi.values import UNKNOWN

REPLACING = ("name", "location", "properties.customSubDomainName", "kind")


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            {"a": [1, {"b": True}], "location": "West US 2"},
            {"a": [1, {"b": True}], "location": "westus2"},
            {},
        ),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1, "c": 3}]}, {"a[0].c": Change.UPDATE}),
        (
            {"a": 1, "l": [1, 2]},
            {"b": 1, "l": [1]},
            {"a": Change.DELETE, "l[1]": Change.DELETE, "b": Change.ADD},
        ),
        ({"l": [1]}, {"l": [1, 2]}, {"l[1]": Change.ADD}),
        ({"properties": {"x": 1}}, {"properties": {"x": 2}}, {"properties.x": Change.UPDATE}),
        ({"a": True}, {"a": 1}, {"a": Change.UPDATE}),
        ({"userAssignedIdentities": ["/a/B", "/c"]}, {"userAssignedIdentities": ["/c", "/a/b"]}, {}),
        (
            {"userAssignedIdentities": ["/a", "/c"]},
            {"userAssignedIdentities": ["/a"]},
            {"userAssignedIdentities[1]": Change.DELETE},
        ),
    ],
)
def test_the_changed_leaves_are_named(
    old: dict[str, Any], new: dict[str, Any], changes: dict[str, Change]
) -> None:
    expected = {path: Difference(change, replaces=False) for path, change in changes.items()}
    assert differences(old, new, REPLACING) == expected


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"name": "a"}, {"name": "b"}, "name"),
        ({"name": "a"}, {"name": UNKNOWN}, "name"),
        ({"location": "westus"}, {"location": "eastus"}, "location"),
        ({}, {"kind": "x"}, "kind"),
        (
            {"properties": {"customSubDomainName": "a"}},
            {"properties": {"customSubDomainName": "b"}},
            "properties.customSubDomainName",
        ),
        ({"kind": [{"a": 1}]}, {"kind": [{"a": 2}]}, "kind[0].a"),
    ],
)
def test_a_change_at_or_below_a_replacing_path_replaces(
    old: dict[str, Any], new: dict[str, Any], path: str
) -> None:
    changes = differences(old, new, REPLACING)
    assert {path: difference.replaces for path, difference in changes.items()} == {path: True}
