from typing import Any

import pytest

from local_azure.core.schema import UNKNOWN
from local_azure.frontends.pulumi.diff import differences

REPLACING = ("name", "location", "properties.customSubDomainName", "kind")


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            {"a": [1, {"b": True}], "location": "West US 2"},
            {"a": [1, {"b": True}], "location": "westus2"},
            {},
        ),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1, "c": 3}]}, {"a[0].c": "UPDATE"}),
        (
            {"a": 1, "l": [1, 2]},
            {"b": 1, "l": [1]},
            {"a": "DELETE", "l[1]": "DELETE", "b": "ADD"},
        ),
        ({"l": [1]}, {"l": [1, 2]}, {"l[1]": "ADD"}),
        ({"properties": {"x": 1}}, {"properties": {"x": 2}}, {"properties.x": "UPDATE"}),
        ({"a": True}, {"a": 1}, {"a": "UPDATE"}),
        ({"userAssignedIdentities": ["/a/B", "/c"]}, {"userAssignedIdentities": ["/c", "/a/b"]}, {}),
        (
            {"userAssignedIdentities": ["/a", "/c"]},
            {"userAssignedIdentities": ["/a"]},
            {"userAssignedIdentities[1]": "DELETE"},
        ),
        # At or below a path that replaces.
        ({"name": "a"}, {"name": "b"}, {"name": "UPDATE_REPLACE"}),
        ({"name": "a"}, {"name": UNKNOWN}, {"name": "UPDATE_REPLACE"}),
        ({"location": "westus"}, {"location": "eastus"}, {"location": "UPDATE_REPLACE"}),
        ({}, {"kind": "x"}, {"kind": "ADD_REPLACE"}),
        ({"kind": "x"}, {}, {"kind": "DELETE_REPLACE"}),
        (
            {"properties": {"customSubDomainName": "a"}},
            {"properties": {"customSubDomainName": "b"}},
            {"properties.customSubDomainName": "UPDATE_REPLACE"},
        ),
        ({"kind": [{"a": 1}]}, {"kind": [{"a": 2}]}, {"kind[0].a": "UPDATE_REPLACE"}),
    ],
)
def test_the_changed_leaves_and_their_kinds(
    old: dict[str, Any], new: dict[str, Any], changes: dict[str, str]
) -> None:
    assert differences(old, new, REPLACING) == changes
