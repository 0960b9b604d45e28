"""Resource groups."""

from aiohttp import web

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.operations import delete, patch, put, refuse_delete
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, accepted, action_of, answer, body_of, kind_of, page
from local_azure.frontends.arm_http.filters import read_filter
from local_azure.services.catalogue import BY_ARM_TYPE

TYPE = ids.RESOURCE_GROUP_TYPE
_READ = action_of(TYPE, "read")


async def list_all(call: Call) -> web.Response:
    """Those that the caller may read: a role on one group is enough to list it."""
    wanted = read_filter(call.query.get("$filter"), ())
    groups = [one for one in call.azure.store.list(TYPE) if wanted(one) and call.may(_READ, one["id"])]
    return page(call, [_shown(call, one) for one in groups])


async def get(call: Call) -> web.Response:
    return answer(_shown(call, call.azure.store.require(call.path)))


async def create_or_update(call: Call) -> web.Response:
    group = ids.resource_group(call.names["subscription"], call.names["group"])
    before = call.azure.store.get(group)
    if not call.body.get("location"):
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    made = await put(call.azure, kind_of(TYPE), body_of(call, group, TYPE))
    return answer(_shown(call, made), 200 if before else 201)


async def update(call: Call) -> web.Response:
    body_of(call, call.path, TYPE)
    return answer(_shown(call, await patch(call.azure, kind_of(TYPE), call.path, call.body)))


async def begin_delete(call: Call) -> web.Response:
    """All that is in it goes along. A lock on it, or on anything in it, refuses before anything is gone."""
    group = call.azure.store.require(call.path)
    if not call.running.has(group["id"]):
        refuse_delete(call.azure, group, BY_ARM_TYPE)
    return accepted(call, group["id"], lambda: delete(call.azure, group["id"], BY_ARM_TYPE))


def _shown(call: Call, group: Resource) -> dict[str, object]:
    state = "Deleting" if ids.key(group["id"]) in call.azure.deleting else "Succeeded"
    return {**group, "properties": {"provisioningState": state}}
