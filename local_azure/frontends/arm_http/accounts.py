"""Models, usages and soft-deleted accounts of Microsoft.CognitiveServices; keys, also of storage accounts."""

from base64 import b64encode
from collections import Counter
from hashlib import sha512

from aiohttp import web

from local_azure.core import ids
from local_azure.core.change import Change, quota
from local_azure.core.errors import ArmError
from local_azure.core.locks import refuse_locked_write
from local_azure.core.regions import normal_location
from local_azure.core.store import Resource
from local_azure.frontends.arm_http.call import Call, accepted, page, response
from local_azure.services.cognitiveservices import deleted
from local_azure.services.cognitiveservices.models import (
    MODELS,
    capacity_step,
    default_quota,
    offers,
    quota_name,
)
from local_azure.services.cognitiveservices.resource_types import ACCOUNT_TYPE

_DEPLOYMENT_TYPE = f"{ACCOUNT_TYPE}/deployments"


async def list_models(call: Call) -> web.Response:
    """The models of a region, or without their envelope those of an account."""
    region = _region(call)
    today = call.azure.now().date().isoformat()
    models = [
        {
            "format": "OpenAI",
            "name": model.name,
            "version": model.version,
            "lifecycleStatus": {"GA": "GenerallyAvailable"}.get(model.stage, model.stage),
            "capabilities": {"chatCompletion": "true"},
            "deprecation": {"inference": f"{model.retires}T00:00:00Z"},
            "maxCapacity": max(default_quota(model.name, sku) for sku in skus),
            "skus": [
                {
                    "name": sku,
                    "usageName": quota_name(model.name, sku),
                    "capacity": {
                        "default": capacity_step(model.name, sku)[0],
                        "minimum": capacity_step(model.name, sku)[0],
                        "maximum": default_quota(model.name, sku),
                    },
                }
                for sku in skus
            ],
        }
        for model in MODELS
        if model.stage_on(today) != "Retired"
        and (skus := [sku for sku, regions in offers(model.name).items() if region in regions])
    ]
    if "account" in call.names:
        return page(call, models)
    return page(call, [{"kind": "OpenAI", "skuName": "S0", "model": model} for model in models])


async def list_usages(call: Call) -> web.Response:
    """The quotas of a region, with the capacity of the deployments that use them."""
    region, used = _region(call), Counter[str]()
    for resource in call.azure.store.list(_DEPLOYMENT_TYPE):
        deployment = Change(call.azure, resource)
        if deployment.parent.region == region:
            used[quota_name(deployment.at("model.name"), deployment.sku)] += deployment.capacity
    offered = dict.fromkeys(
        quota_name(model.name, sku)
        for model in MODELS
        for sku, regions in offers(model.name).items()
        if region in regions
    )
    usages = [
        {
            "name": {"value": name, "localizedValue": name},
            "currentValue": used[name],
            "limit": quota(call.azure, name, region),
            "unit": "Count",
        }
        for name in offered
    ]
    return page(call, usages)


def _region(call: Call) -> str:
    if "location" in call.names:
        return normal_location(call.names["location"])
    return normal_location(call.azure.store.require(call.path.rpartition("/")[0]).get("location", ""))


def _account_with_keys(call: Call) -> Resource:
    """Listing keys is a POST, which a ReadOnly lock refuses (Docs: Lock your resources)."""
    account = call.azure.store.require(call.path.rpartition("/")[0])
    refuse_locked_write(call.azure.store, account["id"])
    return account


def _key(account: Resource, number: int) -> str:
    """A key in the form of Azure's, which opens nothing."""
    return b64encode(sha512(f"{ids.key(account['id'])} {number}".encode()).digest()).decode()


async def list_model_keys(call: Call) -> web.Response:
    account = _account_with_keys(call)
    if account.get("properties", {}).get("disableLocalAuth"):
        raise ArmError(400, "BadRequest", "Failed to list key. disableLocalAuth is set to be true")
    return response({f"key{number}": _key(account, number) for number in (1, 2)})


async def list_storage_keys(call: Call) -> web.Response:
    """Azure lists keys also where allowSharedKeyAccess forbids their use, which no data plane here takes."""
    account = _account_with_keys(call)
    keys = [
        {"keyName": f"key{number}", "value": _key(account, number), "permissions": "FULL"}
        for number in (1, 2)
    ]
    return response({"keys": keys})


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
