"""`$filter` of the lists of groups and resources: comparisons with `eq` and `ne`, joined by `and`."""

import re
from collections.abc import Callable

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.regions import normal_location
from local_azure.core.store import Resource

_COMPARISON = r"\s*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*"
_FILTER = re.compile(rf"{_COMPARISON}(?:and\b{_COMPARISON})*", re.IGNORECASE)

_MEMBERS: dict[str, Callable[[Resource], str]] = {
    "resourcetype": lambda resource: resource["type"],
    "resourcegroup": lambda resource: (ids.resource_group_of(resource["id"]) or "").rpartition("/")[2],
    "location": lambda resource: normal_location(resource.get("location", "")),
    "name": lambda resource: resource["name"],
}
_ALLOWED = "resourceType, resourceGroup, location, name, tagName, tagValue"


def read_filter(text: str | None, *, groups: bool = False) -> Callable[[Resource], bool]:
    """A predicate. Groups are compared by a tag only. Raises ArmError 400 for an invalid filter."""
    if not text:
        return lambda _resource: True
    comparisons: list[tuple[str, str, str]] = re.findall(_COMPARISON, text, re.IGNORECASE)
    terms = [
        (name.lower(), operator.lower(), value.replace("''", "'")) for name, operator, value in comparisons
    ]
    names = [name for name, _, _ in terms]
    by_tag = sorted(names) in (["tagname"], ["tagname", "tagvalue"]) and {term[1] for term in terms} == {"eq"}
    # Docs: Resources - List: "you can't combine" the filter for a tag with others.
    if not _FILTER.fullmatch(text) or not (by_tag or (not groups and {*names} <= _MEMBERS.keys())):
        allowed = "tagName, tagValue" if groups else _ALLOWED
        raise ArmError(
            400,
            "InvalidFilterInQueryString",
            f"Invalid $filter '{text}' specified: it is NAME eq 'VALUE', joined by `and`; NAME is one of "
            f"{allowed}. A tag is tagName eq 'NAME', alone or with tagValue eq 'VALUE'.",
        )
    if by_tag:
        wanted = {name: value for name, _, value in terms}
        return lambda resource: _has_tag(resource, wanted["tagname"], wanted.get("tagvalue"))
    return lambda resource: all(
        (
            _MEMBERS[name](resource).lower()
            == (normal_location(value) if name == "location" else value.lower())
        )
        == (operator == "eq")
        for name, operator, value in terms
    )


def _has_tag(resource: Resource, name: str, value: str | None) -> bool:
    """Names of tags are compared without case, values with it."""
    tags = {given.lower(): text for given, text in resource.get("tags", {}).items()}
    return name.lower() in tags and value in (None, tags[name.lower()])
