"""The tags resource of any scope (Docs: Tags - Update At Scope)."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from aiohttp import web

from local_azure.core.errors import ArmError
from local_azure.core.operations import set_tags
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, kind_of, response


async def get(call: Call) -> web.Response:
    return _response(_tagged(call))


async def create_or_update(call: Call) -> web.Response:
    resource = _tagged(call)
    return _response(set_tags(call.azure, resource, _given(call)))


async def update(call: Call) -> web.Response:
    resource, given, operation = _tagged(call), _given(call), str(call.body.get("operation"))
    change = _OPERATIONS.get(operation)
    if change is None:
        text = f"The operation is '{operation}'; it is one of {', '.join(_OPERATIONS)}."
        raise ArmError(400, "InvalidRequestContent", text)
    return _response(set_tags(call.azure, resource, change(resource.get("tags", {}), given)))


async def remove(call: Call) -> web.Response:
    set_tags(call.azure, _tagged(call), {})
    return response()


def _tagged(call: Call) -> Resource:
    resource = call.azure.store.require(call.names["scope"])
    if "tags" not in kind_of(resource["type"]).schema.inputs:
        raise ArmError(
            400, "TagsNotSupported", f"The resource type {resource['type']} does not support tags."
        )
    return resource


def _given(call: Call) -> dict[str, str]:
    properties: Any = call.body.get("properties")
    tags: Any = cast("dict[str, Any]", properties).get("tags") if isinstance(properties, dict) else None
    if not isinstance(tags, dict) or not all(
        isinstance(value, str | None) for value in cast("dict[str, Any]", tags).values()
    ):
        raise ArmError(400, "InvalidRequestContent", "properties.tags is not an object of strings.")
    return {name: value or "" for name, value in cast("dict[str, str | None]", tags).items()}


def _merged(tags: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Names of tags are compared without case."""
    replaced = {name.lower() for name in given}
    return {**{name: value for name, value in tags.items() if name.lower() not in replaced}, **given}


def _without(tags: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Removes the tags whose name is given, with the same value or with an empty one."""
    folded = {name.lower(): value for name, value in given.items()}
    return {
        name: value
        for name, value in tags.items()
        if name.lower() not in folded or folded[name.lower()] not in {"", value}
    }


_OPERATIONS: dict[str, Callable[[Mapping[str, str], dict[str, str]], dict[str, str]]] = {
    "Merge": _merged,
    "Replace": lambda _tags, given: given,
    "Delete": _without,
}


def _response(resource: Resource) -> web.Response:
    return response(
        {
            "id": f"{resource['id']}/providers/Microsoft.Resources/tags/default",
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": {"tags": resource.get("tags", {})},
        }
    )
