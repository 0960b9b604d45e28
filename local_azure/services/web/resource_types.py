"""Microsoft.Web: App Service plans, function apps, and their publishing policies."""

from typing import Any

from local_azure.core import clock, ids
from local_azure.core.change import Change, Rule, refusing
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour, Inputs
from local_azure.core.store import Resource, Store
from local_azure.services.storage.resource_types import find_container
from local_azure.services.web import flex

PLAN_TYPE = "Microsoft.Web/serverfarms"
SITE_TYPE = "Microsoft.Web/sites"
_FLEX_SKU = "FC1"
_FLEX_TIER = "FlexConsumption"


# fmt: off
_PLAN_RULES: tuple[Rule, ...] = (
    ("NotSupportedByLocalAzure", lambda plan: plan.sku != _FLEX_SKU,
        "sku.name is '{change.sku}'; local Azure runs Flex Consumption plans only: name 'FC1', tier "
        "'FlexConsumption'."),
    ("BadRequest", lambda plan: plan.sku_member("tier", _FLEX_TIER) != _FLEX_TIER,
        "sku.tier is '{change.resource[sku][tier]}'; with sku.name 'FC1' it is 'FlexConsumption'."),
    ("BadRequest", lambda plan: plan.at("reserved") is not True,
        "reserved is not true; a Flex Consumption plan runs on Linux, which `reserved=True` means."),
)
# fmt: on


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


def _plan(site: Change) -> Change | None:
    plan = site.store.get(site.at("serverFarmId", ""))
    return plan and Change(site.azure, plan)


def _other_apps(site: Change) -> str:
    plan_id = site.at("serverFarmId")
    return ", ".join(
        app["name"] for app in _sites_on(site.store, plan_id) if not ids.same(app["id"], site.resource["id"])
    )


def _authentication(site: Change) -> str:
    return site.at("functionAppConfig.deployment.storage.authentication.type")


def _unassigned_identity(site: Change) -> str | None:
    identity = site.at("functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId")
    assigned = site.resource.get("identity", {}).get("userAssignedIdentities", {})
    is_needed = _authentication(site) == "UserAssignedIdentity"
    return identity if is_needed and ids.key(identity) not in map(ids.key, assigned) else None


def _missing_container(site: Change) -> str | None:
    url = site.at("functionAppConfig.deployment.storage.value")
    return None if find_container(site.store, url) else url


# fmt: off
_SITE_RULES: tuple[Rule, ...] = (
    ("409 Conflict",
        lambda site: site.name.lower() in (other.name.lower() for other in site.others(SITE_TYPE)),
        "Website with given name {change.name} already exists."),
    ("NotSupportedByLocalAzure", lambda site: not {"functionapp", "linux"} <= {*site.kind.lower().split(",")},
        "kind is '{change.kind}'; local Azure runs Linux function apps only: 'functionapp,linux'."),
    ("404 NotFound", lambda site: _plan(site) is None and site.at("serverFarmId", "None"),
        "Cannot find ServerFarm with name {value}."),
    ("BadRequest", lambda site: (plan := _plan(site)) and plan.region != site.region and plan,
        "The app is in '{change.region}', its plan '{value.name}' in '{value.region}'; they are in one "
        "region."),
    ("409 Conflict", _other_apps,
        "The Flex Consumption plan of '{change.name}' already has the app {value}; such a plan takes one "
        "app."),
    *flex.RULES,
    ("NotSupportedByLocalAzure",
        lambda site: (runtime := site.at("functionAppConfig.runtime.name")) != "python" and runtime,
        "runtime.name is '{value}'; local Azure runs python only."),
    ("BadRequest", _missing_container,
        "deployment.storage.value is '{value}'; there is no such container. It is a storage account's blob "
        "endpoint (primaryEndpoints.blob) followed by the container's name."),
    ("BadRequest", _unassigned_identity,
        "deployment.storage.authentication names the identity '{value}', which is not assigned to the app "
        "(identity.userAssignedIdentities)."),
    ("BadRequest",
        lambda site: _authentication(site) == "SystemAssignedIdentity"
        and "SystemAssigned" not in site.resource.get("identity", {}).get("type", ""),
        "deployment.storage.authentication is SystemAssignedIdentity, but identity.type lacks it."),
    ("NotSupportedByLocalAzure", lambda site: _authentication(site) == "StorageAccountConnectionString",
        "deployment.storage.authentication is StorageAccountConnectionString; local Azure's storage takes no "
        "keys. Use an identity."),
)
# fmt: on


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
            validate=refusing(*_PLAN_RULES),
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
            validate=refusing(*_SITE_RULES),
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
)
