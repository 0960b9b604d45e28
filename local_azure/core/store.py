"""Local Azure's resources, in ARM's JSON shape, kept in one file."""

import json
from pathlib import Path
from typing import Any, Required, TypedDict

from local_azure import whole_file
from local_azure.core import ids
from local_azure.core.errors import ArmError, DamagedStoreError

SUBSCRIPTION_ID = "00000000-0000-4000-8000-000000000001"
TENANT_ID = "00000000-0000-4000-8000-000000000002"
DEVELOPER_PRINCIPAL_ID = "00000000-0000-4000-8000-000000000003"

FORMAT_VERSION = 1


class Resource(TypedDict, total=False):
    """A resource in the shape of ARM's response to `GET` on its id."""

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
    """Owned by one event loop. Every change is written to disk before the call returns.

    Resources go in and out as copies. They are kept as JSON text, so that a change serialises one resource:
    with ten stacks, serialising all of them blocked the event loop for 50 ms.
    """

    def __init__(self, path: Path) -> None:
        """Raises DamagedStoreError when the file exists but cannot be read."""
        self._path = path
        self._texts: dict[str, str] = {}
        self._types: dict[str, str] = {}
        try:
            content: Any = json.loads(path.read_bytes())
            if content["version"] != FORMAT_VERSION:
                raise ValueError(f"its version is {content['version']!r}, expected {FORMAT_VERSION}")
            for resource in content["resources"]:
                self._keep(resource)
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedStoreError(
                f"{path}, which holds local Azure's resources, cannot be read: {type(error).__name__}: "
                f"{error}. `python -m local_azure reset` removes all of local Azure, resources and data."
            ) from error

    def get(self, resource_id: str) -> Resource | None:
        text = self._texts.get(ids.key(resource_id))
        return None if text is None else json.loads(text)

    def require(self, resource_id: str) -> Resource:
        """The resource, or ArmError 404: ResourceGroupNotFound, ParentResourceNotFound, ResourceNotFound."""
        resource = self.get(resource_id)
        if resource is None:
            raise self._not_found(resource_id)
        return resource

    def put(self, resource: Resource) -> None:
        """Adds the resource, or replaces the one with the same id."""
        self._keep(resource)
        self._save()

    def delete(self, resource_id: str) -> None:
        """Removes the resource and everything below it, locks and role assignments included."""
        deleted = [key for key in self._texts if ids.is_at_or_below(key, resource_id)]
        for key in deleted:
            del self._texts[key], self._types[key]
        if deleted:
            self._save()

    def forget(self, resource_id: str) -> None:
        """Removes the resource and nothing below it: service properties, whose children stay."""
        if self._texts.pop(ids.key(resource_id), None) is not None:
            del self._types[ids.key(resource_id)]
            self._save()

    def list(self, resource_type: str | None = None, under: str | None = None) -> list[Resource]:
        """Resources in the order of creation, of a type where given, below (not at) an id where given."""
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
        scope, resource_type, names = ids.parse(resource_id)
        if len(names) > 1:
            namespace, parent_type, *_ = resource_type.split("/")
            parent = ids.build(scope, f"{namespace}/{parent_type}", names[0])
            if ids.key(parent) not in self._texts:
                return ArmError(
                    404,
                    "ParentResourceNotFound",
                    f"Can not perform requested operation on nested resource. Parent resource "
                    f"'{names[0]}' not found.",
                )
        short = f"{resource_type}/{'/'.join(names)}"
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
        resources = ",\n".join(self._texts.values())
        content = f'{{"version": {FORMAT_VERSION}, "resources": [\n{resources}\n]}}\n'
        whole_file.write(self._path, content.encode(), 0o600)
