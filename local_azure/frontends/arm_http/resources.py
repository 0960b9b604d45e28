"""What every resource has: GET, HEAD, PUT, PATCH and DELETE on its id, and the lists of them."""

from aiohttp import web

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.operations import StartFailedError, delete, patch, put
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import (
    Call,
    action_of,
    answer,
    body_of,
    kind_of,
    page,
    public,
    summary,
)
from local_azure.frontends.arm_http.filters import read_filter
from local_azure.services.catalogue import BY_ARM_TYPE

_MEMBERS = ("resourceType", "resourceGroup", "location", "name")


async def list_all(call: Call) -> web.Response:
    """What stands in the subscription, or in a group, and that the caller may read."""
    under = ids.subscription(call.names["subscription"])
    if "group" in call.names:
        under = call.azure.store.require(call.path.rpartition("/")[0])["id"]
    wanted = read_filter(call.query.get("$filter"), _MEMBERS)
    found = [one for one in call.azure.store.list(under=under) if _is_listed(one) and wanted(one)]
    return page(call, [summary(one) for one in found if call.may(action_of(one["type"], "read"), one["id"])])


def _is_listed(resource: Resource) -> bool:
    """Groups, children, locks and role assignments are in no list of resources."""
    return resource["type"] != ids.RESOURCE_GROUP_TYPE and ids.is_tracked(resource["id"])


async def list_of_type(call: Call) -> web.Response:
    """`…/providers/Microsoft.Web/sites` of the subscription or of a group."""
    kind = kind_of(f"{call.names['namespace']}/{call.names['type']}")
    scope = call.path[: call.path.lower().rindex(ids.PROVIDERS)]
    if "group" in call.names:
        call.azure.store.require(scope)
    read = action_of(kind.arm_type, "read")
    found = call.azure.store.list(kind.arm_type, under=scope)
    return page(call, [public(one) for one in found if call.may(read, one["id"])])


async def get(call: Call) -> web.Response:
    call.require(action_of(_type(call), "read"), call.path)
    return answer(public(call.azure.store.require(call.path)))


async def check_existence(call: Call) -> web.Response:
    call.require(action_of(_type(call), "read"), call.path)
    return answer(status=204 if call.azure.store.get(call.path) else 404)


async def create_or_update(call: Call) -> web.Response:
    kind = kind_of(_type(call))
    call.require(action_of(kind.arm_type, "write"), call.path)
    before = call.azure.store.get(call.path)
    # The id's own case stays with the resource that is there.
    body = body_of(call, before["id"] if before else call.path, kind.arm_type)
    try:
        made = await put(call.azure, kind, body)
    except StartFailedError as error:
        made = error.resource  # it is there; whether it runs, its own status says
    return answer(public(made), 200 if before else 201)


async def update(call: Call) -> web.Response:
    kind = kind_of(_type(call))
    call.require(action_of(kind.arm_type, "write"), call.path)
    body_of(call, call.path, kind.arm_type)
    try:
        changed = await patch(call.azure, kind, call.path, call.body)
    except StartFailedError as error:
        changed = error.resource
    return answer(public(changed))


async def remove(call: Call) -> web.Response:
    kind = _type(call)
    call.require(action_of(kind, "delete"), call.path)
    if call.azure.store.get(call.path) is None:
        group = ids.resource_group_of(call.path)
        if group is not None:
            call.azure.store.require(group)
        return answer(status=204)
    await delete(call.azure, call.path, BY_ARM_TYPE)
    return answer()


def _type(call: Call) -> str:
    try:
        return ids.type_of(call.path)
    except ValueError as error:
        raise ArmError(404, "InvalidResourceId", f"'{call.path}' is no resource id: {error}") from error
