"""Microsoft.CognitiveServices: deleting model accounts, and soft-deleted accounts."""

from aiohttp import web

from local_azure.core import ids
from local_azure.core.operations import delete, refuse_delete
from local_azure.frontends.arm_http.call import Call, accepted, page, response
from local_azure.services.catalogue import BY_ARM_TYPE
from local_azure.services.cognitiveservices import deleted


async def begin_delete(call: Call) -> web.Response:
    account = call.azure.store.get(call.path)
    if account is None:
        call.azure.store.require(ids.resource_group_of(call.path) or call.path)
        return response(status=204)
    refuse_delete(call.azure, account, BY_ARM_TYPE)
    return accepted(call, account["id"], lambda: delete(call.azure, account["id"], BY_ARM_TYPE))


async def list_deleted(call: Call) -> web.Response:
    return page(call, deleted.remaining(call.azure))


async def get_deleted(call: Call) -> web.Response:
    return response(deleted.require(call.azure, call.path))


async def begin_purge(call: Call) -> web.Response:
    """Deletes the account for good: its name, subdomain and quota are free again."""
    account = deleted.find(call.azure, call.path)
    if account is None:
        return response(status=204)

    async def purge() -> None:
        deleted.purge(call.azure, account)

    return accepted(call, account["id"], purge)
