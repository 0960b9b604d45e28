"""A change of a resource, and rules for it as data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.regions import normal_location
from local_azure.core.resource import Azure
from local_azure.core.store import Resource, Store
from local_azure.quotas import DEFAULTS


@dataclass(frozen=True)
class Change:
    """A request to write or delete `resource`; `before` is the stored one."""

    azure: Azure
    resource: Resource
    before: Resource | None = None

    def at(self, path: str, default: Any = None) -> Any:
        """The member of `properties` at a path."""
        value: Any = self.resource.get("properties")
        for name in path.split("."):
            value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
        return default if value is None else value

    @property
    def store(self) -> Store:
        return self.azure.store

    @property
    def was(self) -> "Change":
        return Change(self.azure, self.before or self.resource)

    @property
    def parent(self) -> "Change":
        return Change(self.azure, self.azure.store.require(ids.parent_of(self.resource["id"])))

    @property
    def kind(self) -> str:
        return self.resource.get("kind", "")

    @property
    def sku(self) -> str:
        return self.sku_member("name", "")

    @property
    def capacity(self) -> int:
        return self.sku_member("capacity", 1)

    @property
    def region(self) -> str:
        return normal_location(self.resource.get("location", ""))

    @property
    def name(self) -> str:
        return self.resource["name"]

    @property
    def type(self) -> str:
        return self.resource["type"]

    def others(self, resource_type: str) -> "list[Change]":
        """The stored resources of a type, without this one."""
        stored = self.azure.store.list(resource_type)
        return [
            Change(self.azure, other) for other in stored if not ids.same(other["id"], self.resource["id"])
        ]

    def sku_member(self, name: str, default: Any = None) -> Any:
        return (self.resource.get("sku") or self.at("sku", {})).get(name, default)


def quota(azure: Azure, name: str, region: str) -> int:
    """The limit that is set for the region, or else for all regions, or else the default."""
    quotas = azure.quotas()
    return quotas.get(f"{region}/{name}", quotas.get(name, DEFAULTS[name]))


Rule: TypeAlias = tuple[str, Callable[[Change], object], str]
"""Code, condition, text. A true value of the condition is an offence; the text has it as `{value}`.

The code has its HTTP status before it (`409 Conflict`) where that is not 400.
"""


def refusing(*rules: Rule) -> Callable[[Azure, Resource, Resource | None], None]:
    """A `Behaviour.validate` that raises ArmError for the first rule that a change breaks."""

    def validate(azure: Azure, resource: Resource, before: Resource | None) -> None:
        refuse(rules, Change(azure, resource, before))

    return validate


def refuse(rules: Iterable[Rule], change: Change) -> None:
    """Raises ArmError for the first rule that the change breaks."""
    for code, condition, text in rules:
        if value := condition(change):
            status, _, name = code.rpartition(" ")
            raise ArmError(int(status or 400), name, text.format(change=change, value=value))
