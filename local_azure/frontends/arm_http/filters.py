"""`$filter` of the lists of groups and resources: comparisons with `eq` and `ne`, joined by `and`."""

import re
from collections.abc import Callable
from typing import Any

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.frontends.pulumi.diff import normal_location

_COMPARISON = r"\s*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*"
_FILTER = re.compile(rf"{_COMPARISON}(?:and\b{_COMPARISON})*", re.IGNORECASE)

Filter = Callable[[Resource], bool]


def read_filter(text: str | None, members: tuple[str, ...]) -> Filter:
    """A predicate; `members` and tags may be compared. Raises ArmError 400 for an invalid filter."""
    if not text:
        return lambda _resource: True
    terms = _terms(text, members)
    tags = [(name, value) for name, operator, value in terms if name.startswith("tag") and operator == "eq"]
    others = [term for term in terms if not term[0].startswith("tag")]
    # Docs: Resources - List: "you can't combine" the filter for a tag with others.
    if (tags and others) or len(tags) + len(others) != len(terms):
        raise _invalid(text, "a tag is compared with `eq`, and not together with anything else")
    if tags:
        return _tag_filter(text, tags)
    return lambda resource: all(
        (_member(resource, name) == _normal(name, value)) == (operator == "eq")
        for name, operator, value in others
    )


def _terms(text: str, members: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """The name, the operator and the value of each comparison."""
    known = {name.lower(): name for name in (*members, "tagName", "tagValue")}
    comparisons: list[tuple[str, str, str]] = re.findall(_COMPARISON, text, re.IGNORECASE)
    if not _FILTER.fullmatch(text) or not {name.lower() for name, _, _ in comparisons} <= known.keys():
        names = ", ".join(known.values())
        raise _invalid(text, f"it is NAME eq 'VALUE', joined by `and` only; NAME is one of {names}")
    return [
        (known[name.lower()], operator.lower(), value.replace("''", "'"))
        for name, operator, value in comparisons
    ]


def _tag_filter(text: str, tags: list[tuple[str, str]]) -> Filter:
    names = [value for name, value in tags if name == "tagName"]
    values = [value for name, value in tags if name == "tagValue"]
    if len(names) != 1 or len(values) > 1:
        raise _invalid(text, "a tag is tagName eq 'NAME', or tagName eq 'NAME' and tagValue eq 'VALUE'")

    def has_tag(resource: Resource) -> bool:
        # Names of tags are compared without case, values with it.
        tags = {name.lower(): value for name, value in resource.get("tags", {}).items()}
        return names[0].lower() in tags and (not values or tags[names[0].lower()] == values[0])

    return has_tag


def _member(resource: Resource, name: str) -> str:
    group = ids.resource_group_of(resource["id"])
    values: dict[str, Any] = {
        "resourceType": resource["type"],
        "resourceGroup": ids.name_of(group) if group else "",
        "location": resource.get("location", ""),
        "name": resource["name"],
    }
    return _normal(name, str(values[name]))


def _normal(name: str, value: str) -> str:
    return normal_location(value) if name == "location" else value.lower()


def _invalid(text: str, reason: str) -> ArmError:
    return ArmError(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified: {reason}.")
