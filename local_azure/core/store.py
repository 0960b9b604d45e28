"""The resources that local Azure holds, in ARM's own JSON shape, in one file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Required, TypedDict, cast

from local_azure.core import ids
from local_azure.core.errors import ArmError, DamagedStoreError

SUBSCRIPTION_ID = "00000000-0000-4000-8000-000000000001"
TENANT_ID = "00000000-0000-4000-8000-000000000002"
DEVELOPER_PRINCIPAL_ID = "00000000-0000-4000-8000-000000000003"

FORMAT_VERSION = 1


class Resource(TypedDict, total=False):
    """A resource as `GET` on its id answers it."""

    id: Required[str]
    name: Required[str]
    type: Required[str]
    location: str
    tags: dict[str, str]
    sku: dict[str, Any]
    kind: str
    identity: dict[str, Any]
    properties: dict[str, Any]


class Store:
    """Owned by one event loop. Every change is on disk, whole, before the call returns.

    Resources go in and out as copies: changing what `get` returned changes nothing here. They are kept as
    the JSON text of the file, so that a change costs one resource and not all of them: with ten stacks,
    writing all anew took 50 ms, and nothing else went on meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Raises DamagedStoreError when the file is there but cannot be read."""
        self._path = path
        self._texts: dict[str, str] = {}
        self._types: dict[str, str] = {}
        for resource in _load(path):
            self._keep(resource)

    def get(self, resource_id: str) -> Resource | None:
        text = self._texts.get(ids.key(resource_id))
        return None if text is None else json.loads(text)

    def require(self, resource_id: str) -> Resource:
        """The resource, or ArmError 404: ResourceGroupNotFound, ParentResourceNotFound, ResourceNotFound."""
        found = self.get(resource_id)
        if found is None:
            raise self._not_found(resource_id)
        return found

    def put(self, resource: Resource) -> None:
        """Adds the resource, or replaces the one with the same id."""
        self._keep(resource)
        self._save()

    def delete(self, resource_id: str) -> None:
        """Removes the resource and everything below it, locks and role assignments included."""
        gone = [one for one in self._texts if ids.is_at_or_below(one, resource_id)]
        for one in gone:
            del self._texts[one], self._types[one]
        if gone:
            self._save()

    def forget(self, resource_id: str) -> None:
        """Removes this one record and nothing below it: the properties of a service that has children."""
        if self._texts.pop(ids.key(resource_id), None) is not None:
            del self._types[ids.key(resource_id)]
            self._save()

    def list(self, resource_type: str | None = None, under: str | None = None) -> list[Resource]:
        """Resources in the order of their creation: of a type, and below (not at) an id."""
        return [
            json.loads(text)
            for key, text in self._texts.items()
            if (resource_type is None or self._types[key] == resource_type.lower())
            and (under is None or (ids.is_at_or_below(key, under) and key != ids.key(under)))
        ]

    def _not_found(self, resource_id: str) -> ArmError:
        group = ids.resource_group_of(resource_id)
        if group is not None and ids.key(group) not in self._texts:
            return ArmError(
                404, "ResourceGroupNotFound", f"Resource group '{ids.name_of(group)}' could not be found."
            )
        scope, kind, names = ids.parse(resource_id)
        if len(names) > 1:
            namespace, first, *_ = kind.split("/")
            top = ids.build(scope, f"{namespace}/{first}", names[0])
            if ids.key(top) not in self._texts:
                return ArmError(
                    404,
                    "ParentResourceNotFound",
                    f"Can not perform requested operation on nested resource. Parent resource "
                    f"'{names[0]}' not found.",
                )
        short = f"{kind}/{'/'.join(names)}"
        where = f" under resource group '{ids.name_of(group)}'" if group else ""
        return ArmError(
            404,
            "ResourceNotFound",
            f"The Resource '{short}'{where} was not found. "
            f"For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )

    def _keep(self, resource: Resource) -> None:
        key = ids.key(resource["id"])
        self._texts[key] = json.dumps(resource)
        self._types[key] = resource["type"].lower()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = (
            f'{{"version": {FORMAT_VERSION}, "resources": [\n' + ",\n".join(self._texts.values()) + "\n]}\n"
        )
        temporary = self._path.with_name(self._path.name + ".tmp")
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(self._path)


def _load(path: Path) -> Iterable[Resource]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    return _resources_of(content, path)


def _resources_of(content: object, path: Path) -> list[Resource]:
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no JSON object")
    whole = cast("dict[str, Any]", content)
    if whole.get("version") != FORMAT_VERSION:
        raise _damaged(path, f"its version is {whole.get('version')!r}, expected {FORMAT_VERSION}")
    resources = whole.get("resources")
    if not isinstance(resources, list):
        raise _damaged(path, "`resources` is no list")
    found: list[Resource] = []
    for number, item in enumerate(cast("list[Any]", resources)):
        members = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        missing = [name for name in ("id", "type") if not isinstance(members.get(name), str)]
        if missing:
            raise _damaged(path, f"resource {number} has no {' and no '.join(missing)}")
        found.append(cast("Resource", members))
    return found


def _damaged(path: Path, reason: str) -> DamagedStoreError:
    return DamagedStoreError(
        f"local Azure's resources in {path} cannot be read: {reason}. "
        f"`python -m local_azure reset` removes all of local Azure and starts afresh."
    )
