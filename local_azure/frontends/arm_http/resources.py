"""GET, HEAD, PUT, PATCH and DELETE on the id of any resource or group, and lists of them."""

import asyncio

from aiohttp import web

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.operations import delete, patch, put, refuse_delete
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import (
    Call,
    accepted,
    action_of,
    body_of,
    kind_of,
    page,
    public,
    response,
    stored,
    summary,
)
from local_azure.frontends.arm_http.filters import read_filter
from local_azure.services.catalogue import BY_ARM_TYPE
from local_azure.services.cognitiveservices.resource_types import ACCOUNT_TYPE

_DELETED_LATER = frozenset({ids.RESOURCE_GROUP_TYPE.lower(), ACCOUNT_TYPE.lower()})
"""Types whose deletion Azure accepts with 202."""


async def list_groups(call: Call) -> web.Response:
    """The groups that the caller may read: a role on a group is enough to list it."""
    matches = read_filter(call.query.get("$filter"), groups=True)
    read = action_of(ids.RESOURCE_GROUP_TYPE, "read")
    groups = [group for group in call.azure.store.list(ids.RESOURCE_GROUP_TYPE) if matches(group)]
    return page(call, [public(call, group) for group in groups if call.may(read, group["id"])])


async def list_all(call: Call) -> web.Response:
    """The resources of the subscription or of a group that the caller may read."""
    under = ids.subscription(call.names["subscription"])
    if "group" in call.names:
        under = call.azure.store.require(call.path.rpartition("/")[0])["id"]
    matches = read_filter(call.query.get("$filter"))
    return page(
        call,
        [
            summary(resource)
            for resource in call.azure.store.list(under=under)
            if _is_listed(resource)
            and matches(resource)
            and call.may(action_of(resource["type"], "read"), resource["id"])
        ],
    )


def _is_listed(resource: Resource) -> bool:
    """Lists of resources contain no groups, children, locks and role assignments."""
    return resource["type"] != ids.RESOURCE_GROUP_TYPE and ids.is_tracked(resource["id"])


async def get(call: Call) -> web.Response:
    """A resource, or the list of a type in a subscription, in a group, at a scope or below a parent."""
    if listed := ids.collection(call.path):
        return await _list(call, *listed)
    call.require(action_of(_type(call), "read"), call.path)
    return response(public(call, _implied(call) or call.azure.store.require(call.path)))


async def _list(call: Call, container: str, resource_type: str) -> web.Response:
    kind = await asyncio.to_thread(kind_of, resource_type)
    parent = container.rpartition("/")[0].rpartition("/")[0] if container.endswith("/default") else container
    if ids.type_of(parent) != ids.SUBSCRIPTION_TYPE:
        call.azure.store.require(parent)
    read = action_of(kind.arm_type, "read")
    resources = call.azure.store.list(kind.arm_type, under=container)
    return page(call, [public(call, resource) for resource in resources if call.may(read, resource["id"])])


def _implied(call: Call) -> Resource | None:
    """A resource that exists with its parent, with Azure's defaults where nothing was written to it."""
    scope, resource_type, (*parents, name) = ids.parse(call.path)
    kind = BY_ARM_TYPE.get(resource_type.lower())
    exists = parents and (name == "default" or (kind is not None and kind.singleton))
    if not exists or call.azure.store.get(call.path):
        return None
    call.azure.store.require(ids.build(scope, resource_type.rpartition("/")[0], *parents))
    properties = dict(kind.defaults) if kind else {}
    return Resource(id=call.path, name=name, type=resource_type, properties=properties)


async def check_existence(call: Call) -> web.Response:
    call.require(action_of(_type(call), "read"), call.path)
    exists = call.azure.store.get(call.path) or _implied(call)
    return response(status=204 if exists else 404)


async def create_or_update(call: Call) -> web.Response:
    kind = await asyncio.to_thread(kind_of, _type(call))
    call.require(action_of(kind.arm_type, "write"), call.path)
    if kind.arm_type == ids.RESOURCE_GROUP_TYPE and not call.body.get("location"):
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    before = call.azure.store.get(call.path)
    # An existing resource keeps the case of its id.
    body = body_of(call, before["id"] if before else call.path, kind.arm_type)
    resource = await stored(put(call.azure, kind, body))
    return response(public(call, resource), 200 if before else 201)


async def update(call: Call) -> web.Response:
    kind = await asyncio.to_thread(kind_of, _type(call))
    call.require(action_of(kind.arm_type, "write"), call.path)
    body_of(call, call.path, kind.arm_type)
    return response(public(call, await stored(patch(call.azure, kind, call.path, call.body))))


async def remove(call: Call) -> web.Response:
    """A lock at the resource, or below it, refuses before the first deletion."""
    resource_type = _type(call)
    call.require(action_of(resource_type, "delete"), call.path)
    resource = call.azure.store.get(call.path)
    if resource is None:
        if group := ids.resource_group_of(call.path):
            call.azure.store.require(group)
        return response(status=204)
    if resource_type.lower() not in _DELETED_LATER:
        await delete(call.azure, call.path, BY_ARM_TYPE)
        return response()
    if not call.operations.has(resource["id"]):
        refuse_delete(call.azure, resource, BY_ARM_TYPE)
    return accepted(call, resource["id"], lambda: delete(call.azure, resource["id"], BY_ARM_TYPE))


def _type(call: Call) -> str:
    try:
        return ids.type_of(call.path)
    except ValueError as error:
        raise ArmError(404, "InvalidResourceId", f"'{call.path}' is not a resource id: {error}") from error
