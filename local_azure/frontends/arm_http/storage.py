"""Microsoft.Storage: operations of storage accounts beyond GET, PUT and DELETE."""

from aiohttp import web

from local_azure.core.locks import refuse_locked_write
from local_azure.frontends.arm_http.call import Call, response, secret


async def list_keys(call: Call) -> web.Response:
    """Azure lists keys also where allowSharedKeyAccess forbids their use, which no data plane here takes."""
    account = call.azure.store.require(call.path.rpartition("/")[0])
    refuse_locked_write(call.azure.store, account["id"])
    keys = [
        {"keyName": f"key{number}", "value": secret(account["id"], number), "permissions": "FULL"}
        for number in (1, 2)
    ]
    return response({"keys": keys})
