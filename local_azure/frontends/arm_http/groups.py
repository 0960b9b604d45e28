"""Resource groups: what differs from other resources."""

from aiohttp import web

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.operations import delete, put, refuse_delete
from local_azure.frontends.arm_http.call import (
    Call,
    accepted,
    action_of,
    body_of,
    kind_of,
    page,
    public,
    response,
)
from local_azure.frontends.arm_http.filters import read_filter
from local_azure.services.catalogue import BY_ARM_TYPE

TYPE = ids.RESOURCE_GROUP_TYPE
_READ = action_of(TYPE, "read")


async def list_all(call: Call) -> web.Response:
    """The groups that the caller may read: a role on a group is enough to list it."""
    matches = read_filter(call.query.get("$filter"), ())
    groups = [group for group in call.azure.store.list(TYPE) if matches(group)]
    return page(call, [public(call, group) for group in groups if call.may(_READ, group["id"])])


async def create_or_update(call: Call) -> web.Response:
    group = ids.resource_group(call.names["subscription"], call.names["group"])
    before = call.azure.store.get(group)
    if not call.body.get("location"):
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    resource = await put(call.azure, kind_of(TYPE), body_of(call, group, TYPE))
    return response(public(call, resource), 200 if before else 201)


async def begin_delete(call: Call) -> web.Response:
    """Deletes the group with its resources; a lock on any of them refuses it before the first deletion."""
    group = call.azure.store.require(call.path)
    if not call.operations.has(group["id"]):
        refuse_delete(call.azure, group, BY_ARM_TYPE)
    return accepted(call, group["id"], lambda: delete(call.azure, group["id"], BY_ARM_TYPE))
