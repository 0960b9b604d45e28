"""`$filter` of the lists of groups and resources: comparisons with `eq` and `ne`, joined by `and`."""

import re
from collections.abc import Callable
from typing import Any

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.frontends.pulumi.diff import normal_location

_TERM = re.compile(r"\s*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*", re.IGNORECASE)
_AND = re.compile(r"and\b", re.IGNORECASE)

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
    known = {name.lower(): name for name in (*members, "tagName", "tagValue")}
    terms: list[tuple[str, str, str]] = []
    rest = text
    while True:
        term = _TERM.match(rest)
        if term is None or term[1].lower() not in known:
            raise _invalid(
                text, f"a comparison is NAME eq 'VALUE'; NAME is one of {', '.join(known.values())}"
            )
        terms.append((known[term[1].lower()], term[2].lower(), term[3].replace("''", "'")))
        rest = rest[term.end() :]
        if not rest:
            return terms
        conjunction = _AND.match(rest)
        if conjunction is None:
            raise _invalid(text, "local Azure joins comparisons by `and` only")
        rest = rest[conjunction.end() :]


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
