"""Under which former URNs a resource may stand in the state. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local_azure.engine.state import STACK_TYPE, make_urn, qualified_type, urn_name, urn_type


@dataclass(frozen=True)
class Alias:
    """An alias as a program gives it: a whole URN, or what differed (empty: as now)."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True)
class Identity:
    """What the URN of a resource is made of."""

    stack: str
    project: str
    parent: str
    type: str
    name: str


def _urn(identity: Identity, alias: Alias, renamed: Mapping[str, str]) -> str:
    if alias.urn:
        return alias.urn
    # Where the parent itself was found under an alias, the child stood below that one.
    parent = renamed.get(alias.parent, alias.parent) if alias.parent else identity.parent
    if alias.no_parent or (parent and qualified_type(parent) == STACK_TYPE):
        parent = ""
    return make_urn(
        alias.stack or identity.stack,
        alias.project or identity.project,
        parent,
        alias.type or identity.type,
        alias.name or identity.name,
    )


def _below_alias(identity: Identity, parent_alias: str, kind: str, name: str) -> str:
    """A child named `<parent>-something` was named after the parent's former name."""
    parent_name = urn_name(identity.parent)
    if name.startswith(parent_name):
        name = urn_name(parent_alias) + name.removeprefix(parent_name)
    return make_urn(identity.stack, identity.project, parent_alias, kind, name)


def alias_urns(identity: Identity, aliases: Iterable[Alias], renamed: Mapping[str, str]) -> list[str]:
    """Every URN to look under, best first. `renamed`: URN of this run to the alias it was found under."""
    given = [_urn(identity, alias, renamed) for alias in aliases]
    found = list(given)
    if parent_alias := renamed.get(identity.parent):
        found.append(_below_alias(identity, parent_alias, identity.type, identity.name))
        found += [_below_alias(identity, parent_alias, urn_type(urn), urn_name(urn)) for urn in given]
    return list(dict.fromkeys(found))
