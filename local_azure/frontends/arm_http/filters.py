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

Wanted = Callable[[Resource], bool]


def read_filter(text: str | None, members: tuple[str, ...]) -> Wanted:
    """Raises ArmError 400 for what is no such filter; `members` may be compared, tags always."""
    if not text:
        return lambda _resource: True
    terms = _terms(text, members)
    tags = [(name, value) for name, operator, value in terms if name.startswith("tag") and operator == "eq"]
    others = [term for term in terms if not term[0].startswith("tag")]
    # Docs: Resources - List. "you can't combine" the filter for a tag with others.
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
        found = _TERM.match(rest)
        if found is None or found[1].lower() not in known:
            raise _invalid(
                text, f"a comparison is NAME eq 'VALUE'; NAME is one of {', '.join(known.values())}"
            )
        terms.append((known[found[1].lower()], found[2].lower(), found[3].replace("''", "'")))
        rest = rest[found.end() :]
        if not rest:
            return terms
        joined = _AND.match(rest)
        if joined is None:
            raise _invalid(text, "local Azure joins comparisons by `and` only")
        rest = rest[joined.end() :]


def _tag_filter(text: str, tags: list[tuple[str, str]]) -> Wanted:
    names = [value for name, value in tags if name == "tagName"]
    values = [value for name, value in tags if name == "tagValue"]
    if len(names) != 1 or len(values) > 1:
        raise _invalid(text, "a tag is tagName eq 'NAME', or tagName eq 'NAME' and tagValue eq 'VALUE'")

    def wanted(resource: Resource) -> bool:
        # Names of tags are the same without regard to case; values are not.
        found = [
            value for name, value in resource.get("tags", {}).items() if name.lower() == names[0].lower()
        ]
        return bool(found) and (not values or found[0] == values[0])

    return wanted


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
