"""Microsoft.Web: App Service plans, function apps, and their publishing policies."""

from typing import Any

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.regions import normal_location
from local_azure.core.resource import Azure, Behaviour, Inputs
from local_azure.core.store import Resource, Store
from local_azure.services.storage.resource_types import find_container
from local_azure.services.web import flex

PLAN_TYPE = "Microsoft.Web/serverfarms"
SITE_TYPE = "Microsoft.Web/sites"
_FLEX_SKU = "FC1"
_FLEX_TIER = "FlexConsumption"


def _validate_plan(_azure: Azure, plan: Resource, _previous: Resource | None) -> None:
    sku = plan.get("sku", {})
    name, tier = sku.get("name"), sku.get("tier", _FLEX_TIER)
    if name != _FLEX_SKU:
        raise ArmError(
            400,
            "NotSupportedByLocalAzure",
            f"sku.name is {name!r}; local Azure runs Flex Consumption plans only: name '{_FLEX_SKU}', "
            f"tier '{_FLEX_TIER}'.",
        )
    if tier != _FLEX_TIER:
        text = f"sku.tier is {tier!r}; with sku.name '{_FLEX_SKU}' it is '{_FLEX_TIER}'."
        raise ArmError(400, "BadRequest", text)
    if plan.get("properties", {}).get("reserved") is not True:
        text = "reserved is not true; a Flex Consumption plan runs on Linux, which `reserved=True` means."
        raise ArmError(400, "BadRequest", text)


def _complete_plan(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    sku = resource.get("sku", {})
    resource["sku"] = {"tier": _FLEX_TIER, "size": _FLEX_SKU, "family": "FC", "capacity": 0, **sku}
    resource["kind"] = resource.get("kind", "functionapp")
    resource.setdefault("properties", {}).update(
        {
            "geoRegion": resource.get("location", ""),
            "resourceGroup": _group_name(resource),
            "subscription": resource["id"].split("/")[2],
        }
    )


def _sites_on(store: Store, plan_id: str) -> list[Resource]:
    return [
        site
        for site in store.list(SITE_TYPE)
        if ids.same(site.get("properties", {}).get("serverFarmId", ""), plan_id)
    ]


async def _remove_plan(azure: Azure, resource: Resource) -> None:
    sites = [site["name"] for site in _sites_on(azure.store, resource["id"])]
    if sites:
        raise ArmError(
            409,
            "Conflict",
            f"Server farm '{resource['name']}' cannot be deleted because it has web app(s) "
            f"{', '.join(sites)} assigned to it.",
        )


def _validate_site(azure: Azure, site: Resource, _previous: Resource | None) -> None:
    properties = site.get("properties", {})
    for other in azure.store.list(SITE_TYPE):
        if other["name"].lower() == site["name"].lower() and not ids.same(other["id"], site["id"]):
            raise ArmError(409, "Conflict", f"Website with given name {site['name']} already exists.")
    kind = str(site.get("kind", ""))
    if not {"functionapp", "linux"} <= set(kind.lower().split(",")):
        raise ArmError(
            400,
            "NotSupportedByLocalAzure",
            f"kind is {kind!r}; local Azure runs Linux function apps only: 'functionapp,linux'.",
        )
    _validate_plan_of(azure.store, site)
    flex.refuse(properties)
    runtime = properties["functionAppConfig"]["runtime"]["name"]
    if runtime != "python":
        text = f"runtime.name is {runtime!r}; local Azure runs python only."
        raise ArmError(400, "NotSupportedByLocalAzure", text)
    _validate_deployment_storage(azure.store, site)


def _validate_plan_of(store: Store, site: Resource) -> None:
    plan_id = site.get("properties", {}).get("serverFarmId")
    plan = store.get(plan_id) if plan_id else None
    if plan is None:
        raise ArmError(404, "NotFound", f"Cannot find ServerFarm with name {plan_id}.")
    if normal_location(plan.get("location", "")) != normal_location(site.get("location", "")):
        raise ArmError(
            400,
            "BadRequest",
            f"The app is in '{site.get('location')}', its plan '{plan['name']}' in '{plan.get('location')}'; "
            f"they are in one region.",
        )
    others = [
        other["name"] for other in _sites_on(store, plan["id"]) if not ids.same(other["id"], site["id"])
    ]
    if others:
        raise ArmError(
            409,
            "Conflict",
            f"Flex Consumption plan '{plan['name']}' already has the app {', '.join(others)}; "
            f"such a plan takes one app.",
        )


def _validate_deployment_storage(store: Store, site: Resource) -> None:
    """The container exists, and the site can authenticate to it."""
    storage = site.get("properties", {})["functionAppConfig"]["deployment"]["storage"]
    authentication = storage["authentication"]
    container = find_container(store, storage["value"])
    if container is None:
        raise ArmError(
            400,
            "BadRequest",
            f"deployment.storage.value is '{storage['value']}'; there is no such container. It is a storage "
            f"account's blob endpoint (primaryEndpoints.blob) followed by the container's name.",
        )
    identity = site.get("identity", {})
    if authentication["type"] == "UserAssignedIdentity":
        identity_id = authentication["userAssignedIdentityResourceId"]
        if not any(
            ids.same(identity_id, assigned) for assigned in identity.get("userAssignedIdentities", {})
        ):
            raise ArmError(
                400,
                "BadRequest",
                f"deployment.storage.authentication names the identity '{identity_id}', which is not "
                f"assigned to the app (identity.userAssignedIdentities).",
            )
    elif authentication["type"] == "SystemAssignedIdentity":
        if "SystemAssigned" not in identity.get("type", ""):
            text = "deployment.storage.authentication is SystemAssignedIdentity, but identity.type lacks it."
            raise ArmError(400, "BadRequest", text)
    else:
        raise ArmError(
            400,
            "NotSupportedByLocalAzure",
            "deployment.storage.authentication is StorageAccountConnectionString; local Azure's storage "
            "takes no keys. Use an identity.",
        )


def _complete_site(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before: dict[str, Any] = (previous or {}).get("properties", {})
    properties = resource.setdefault("properties", {})
    properties |= {
        "reserved": True,
        "lastModifiedTimeUtc": clock.now(),
        "repositorySiteName": resource["name"],
        "resourceGroup": _group_name(resource),
        "state": "Running" if properties["enabled"] else "Stopped",
        **{name: before[name] for name in _HOST_MEMBERS if name in before},
    }


_HOST_MEMBERS = ("defaultHostName", "hostNames", "enabledHostNames", "hostNameSslStates")


async def _open_site(azure: Azure, resource: Resource) -> None:
    hosts = await azure.services.sites.open_site(resource["id"])
    resource.setdefault("properties", {}).update(
        {
            "defaultHostName": hosts.default,
            "hostNames": [hosts.default],
            "enabledHostNames": [hosts.default, hosts.scm],
            "hostNameSslStates": [
                {"name": hosts.default, "hostType": "Standard", "sslState": "Disabled"},
                {"name": hosts.scm, "hostType": "Repository", "sslState": "Disabled"},
            ],
        }
    )


def _shape_site(_resource: Resource, outputs: Inputs) -> None:
    # GET on a site never returns these; they have their own list operations (an#3279, an#4263).
    for name in ("appSettings", "connectionStrings", "azureStorageAccounts", "metadata"):
        outputs.get("siteConfig", {}).pop(name, None)


def _group_name(resource: Resource) -> str:
    return ids.name_of(ids.resource_group_of(resource["id"]) or "")


TYPES = (
    known(
        "web:AppServicePlan",
        Behaviour(
            validate=_validate_plan,
            defaults={
                "hyperV": False,
                "isSpot": False,
                "isXenon": False,
                "perSiteScaling": False,
                "zoneRedundant": False,
                "elasticScaleEnabled": False,
                "status": "Ready",
            },
            complete=_complete_plan,
            remove=_remove_plan,
        ),
    ),
    known(
        "web:WebApp",
        Behaviour(
            validate=_validate_site,
            defaults={
                "enabled": True,
                "httpsOnly": False,
                "keyVaultReferenceIdentity": "SystemAssigned",
                "publicNetworkAccess": "Enabled",
                "functionAppConfig": {
                    "scaleAndConcurrency": {"instanceMemoryMB": 2048, "maximumInstanceCount": 100},
                },
                "siteConfig": {"minTlsVersion": "1.2", "http20Enabled": False},
                "availabilityState": "Normal",
                "sku": _FLEX_TIER,
                "usageState": "Normal",
            },
            complete=_complete_site,
            apply=_open_site,
            start=lambda azure, site: azure.services.sites.configure_site(site["id"]),
            remove=lambda azure, site: azure.services.sites.delete_site(site["id"]),
            shape=_shape_site,
        ),
    ),
    known("web:WebAppScmAllowed", Behaviour()),
    known("web:WebAppFtpAllowed", Behaviour()),
)
