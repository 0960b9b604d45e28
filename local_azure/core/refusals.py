"""What Azure refuses when a resource is written or deleted: a table of type, code, condition and text.

The texts are Azure's own where the report in the comment (repository#number) quotes one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from local_azure.core import access, ids
from local_azure.core.change import Change, Rule, quota, refuse
from local_azure.core.naming import is_reserved
from local_azure.core.regions import FLEX_CONSUMPTION, UNPAIRED, ZONED, regions_of
from local_azure.core.resource import Azure
from local_azure.core.schema import nearest
from local_azure.core.store import Resource
from local_azure.quotas import FLEX_MEMORY
from local_azure.services.cognitiveservices import models

GROUP, ROLE, ANY = ids.RESOURCE_GROUP_TYPE, access.ROLE_ASSIGNMENT_TYPE, ""
STORAGE = "Microsoft.Storage/storageAccounts"
TABLE, CONTAINER = f"{STORAGE}/tableServices/tables", f"{STORAGE}/blobServices/containers"
ACCOUNT = "Microsoft.CognitiveServices/accounts"
DEPLOYMENT = f"{ACCOUNT}/deployments"
PLAN, SITE, VAULT = "Microsoft.Web/serverfarms", "Microsoft.Web/sites", "Microsoft.KeyVault/vaults"
WORKSPACE, COMPONENT = "Microsoft.OperationalInsights/workspaces", "Microsoft.Insights/components"

_PREMIUM = ("Premium_LRS", "Premium_ZRS")
_STANDARD = ("Standard_LRS", "Standard_GRS", "Standard_RAGRS")
_ZONAL = ("Standard_ZRS", "Standard_GZRS", "Standard_RAGZRS")
_PROVISIONED = tuple(f"StandardV2_{name}" for name in ("LRS", "GRS", "ZRS", "GZRS"))
KIND_SKUS = {
    "StorageV2": (*_STANDARD, *_ZONAL, "Premium_LRS"),
    "Storage": (*_STANDARD, "Premium_LRS"),
    "BlobStorage": _STANDARD,
    "BlockBlobStorage": _PREMIUM,
    "FileStorage": (*_PREMIUM, "PremiumV2_LRS", "PremiumV2_ZRS", *_PROVISIONED),
}
_WITH_ENDPOINT = {SITE, STORAGE, ACCOUNT, VAULT}
_ENCRYPTED = "encryption.requireInfrastructureEncryption"
_UPGRADES = {("Storage", "StorageV2"), ("BlobStorage", "StorageV2")}
_RETIRED_PRICING = {"Free", "Standard", "Premium", "PerNode", "Standalone"}
_RESERVATIONS_GB = (100, 200, 300, 400, 500, 1000, 2000, 5000, 10_000, 25_000, 50_000)
_SUBNET = r"(?i)(/[^/]+){4}/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+"
_DELEGATION = "Microsoft.App/environments"

TypeRule: TypeAlias = tuple[str, *Rule]
"""A rule for the type before it."""


def refuse_write(azure: Azure, resource: Resource, before: Resource | None) -> None:
    """Raises ArmError for the first rule that a write breaks."""
    _apply(WRITES, Change(azure, resource, before))


def refuse_delete(azure: Azure, resource: Resource) -> None:
    """Raises ArmError where the resource cannot be deleted by itself; its group can be."""
    _apply(DELETES, Change(azure, resource))


def _apply(rules: Iterable[TypeRule], change: Change) -> None:
    refuse((rule[1:] for rule in rules if rule[0] in (ANY, change.type)), change)


def _unavailable(change: Change) -> str | None:
    regions = regions_of(change.type)
    if "location" not in change.resource or change.region in regions:
        return None
    return f"{nearest(change.region, regions)} List of available regions is '{','.join(sorted(regions))}'."


def _moved(change: Change) -> bool:
    return "" not in (change.region, change.was.region) and change.region != change.was.region


def _lacks_redundancy(change: Change) -> bool:
    _, _, redundancy = change.sku.partition("_")
    no_zones = redundancy.endswith("ZRS") and change.region not in ZONED
    return no_zones or ("G" in redundancy and change.region in UNPAIRED)


def _encryption(change: Change) -> str | None:
    wanted = change.at(_ENCRYPTED)
    return str(wanted) if change.before and wanted not in (None, change.was.at(_ENCRYPTED, False)) else None


def _model(change: Change) -> models.Model | None:
    return models.find_model(change.at("model.name", ""), change.at("model.version"))


def _not_offered(change: Change) -> str | None:
    model, region = _model(change), change.parent.region
    regions = models.offers(model.name).get(change.sku, ()) if model else ()
    if model is None or region in regions:
        return None
    name, version = model.name, model.version
    if not regions:
        return f"of account deployment is not supported by the model '{name}' version: '{version}'"
    return f"for model '{name} {version}' is not supported in this region '{region}'"


def _capacity_range(change: Change) -> str | None:
    model = _model(change)
    least, step = models.capacity_step(model.name, change.sku) if model else (1, 1)
    if change.capacity >= least and (change.capacity - least) % step == 0:
        return None
    return f"{least} and no more than 100000, in steps of {step}"


def _over_quota(change: Change) -> str | None:
    model, region = _model(change), change.parent.region
    if model is None:
        return None
    name = models.quota_name(model.name, change.sku)
    limit = quota(change.azure, name, region)
    counted = [
        other
        for other in change.others(DEPLOYMENT)
        if other.parent.region == region and models.quota_name(other.at("model.name", ""), other.sku) == name
    ]
    own = change.was.capacity if change.before and change.was.sku == change.sku else 0
    used, new = own + sum(other.capacity for other in counted), change.capacity - own
    if new <= max(0, limit - used):
        return None
    return (
        f"This operation require {new} new capacity in quota {name}, which is bigger than the current "
        f"available capacity {max(0, limit - used)}. The current quota usage is {used} and the quota limit "
        f"is {limit} for quota {name}. `python -m local_azure quota {name} LIMIT` changes it."
    )


def _nested(change: Change) -> str:
    children = change.store.list(DEPLOYMENT, under=change.resource["id"])
    return ", ".join(f"'{ACCOUNT}/{change.name}/deployments/{child['name']}'" for child in children)


def _principal_type(change: Change) -> str | None:
    actual = access.principal_type(change.store, change.at("principalId"))
    return actual if actual and change.at("principalType", actual) != actual else None


def _setting_names(change: Change) -> str:
    names = [str(setting.get("name", "")) for setting in change.at("siteConfig.appSettings", [])]
    # A colon has Flex Consumption's own refusal.
    return ", ".join(f"'{name}'" for name in names if re.search(r"[^A-Za-z0-9_.:]", name))


def _unassigned_identity(change: Change) -> str | None:
    identity = str(change.at("keyVaultReferenceIdentity", "SystemAssigned"))
    assigned = change.resource.get("identity", {}).get("userAssignedIdentities", {})
    return None if ids.key(identity) in ("systemassigned", *map(ids.key, assigned)) else identity


def _subnet(change: Change) -> str | None:
    subnet_id: str = change.at("virtualNetworkSubnetId", "")
    if not subnet_id:
        return None
    if not re.fullmatch(_SUBNET, subnet_id):
        return f"'{subnet_id}' is not the id of a subnet (…/virtualNetworks/NAME/subnets/NAME)."
    store, name, network = change.store, ids.name_of(subnet_id), ids.parent_of(subnet_id)
    inline: Any = (store.get(network) or {}).get("properties", {}).get("subnets", [])
    subnet: Any = store.get(subnet_id) or next((one for one in inline if one.get("name") == name), None)
    if subnet is None:
        return f"The subnet '{subnet_id}' was not found."
    delegations: list[Any] = subnet.get("properties", subnet).get("delegations", [])
    if all(one.get("properties", one).get("serviceName") != _DELEGATION for one in delegations):
        return f"Subnet {name} in VNET {ids.name_of(network)} is missing a delegation to {_DELEGATION}."
    return f"The name of subnet '{name}' has an underscore." if "_" in name else None


def _ready_memory(change: Change) -> int:
    scale: Mapping[str, Any] = change.at("functionAppConfig.scaleAndConcurrency", {})
    counts = [group.get("instanceCount", 0) for group in scale.get("alwaysReady", [])]
    return sum(counts) * scale.get("instanceMemoryMB", 2048)


def _over_memory(change: Change) -> str | None:
    used = sum(_ready_memory(site) for site in change.others(SITE) if site.region == change.region)
    own, before = _ready_memory(change), _ready_memory(change.was) if change.before else 0
    limit = quota(change.azure, FLEX_MEMORY, change.region)
    if own <= before or own + used <= limit:
        return None
    return f"{own} MB beside {used} MB of other apps, and the quota is {limit} MB"


# fmt: off
WRITES: tuple[TypeRule, ...] = (
    # every type
    (GROUP, "LocationNotAvailableForResourceGroup", _unavailable,
        "The provided location '{change.resource[location]}' is not available for resource group.{value}"),
    (ANY, "LocationNotAvailableForResourceType", _unavailable,
        "The provided location '{change.resource[location]}' is not available for resource type "
        "'{change.type}'.{value}"),
    (GROUP, "409 InvalidResourceGroupLocation", _moved,
        "Invalid resource group location '{change.region}'. The Resource group already exists in location "
        "'{change.was.region}'."),
    (ANY, "409 InvalidResourceLocation", _moved,
        "The resource '{change.name}' already exists in location '{change.was.region}'. A resource with the "
        "same name cannot be created in location '{change.region}'. Please select a new resource name."),
    (ANY, "ReservedResourceName",  # azure-dev#7745
        lambda change: not change.before and change.type in _WITH_ENDPOINT and is_reserved(change.name),
        "The resource name '{change.name}' or a part of the name is a trademarked or reserved word."),

    # storage: terraform-provider-azurerm#8089, Esri/arcgis-gitops#160, azure-docs#47207
    (STORAGE, "InvalidValuesForRequestParameters",
        lambda change: change.sku not in (skus := KIND_SKUS[change.kind]) and ", ".join(skus),
        "Values for request parameters are invalid: kind, sku. For more information, see - "
        "https://aka.ms/storageaccounttypes (kind {change.kind}: {value})"),
    (STORAGE, "RedundancyConfigurationNotAvailableInRegion", _lacks_redundancy,
        "The storage account failed to create due to redundancy configuration - Sku: {change.sku}, Kind: "
        "{change.kind} - not available in selected Region - {change.region}. Please make sure the redundancy "
        "configuration selected is available in your region."),
    (STORAGE, "InvalidValuesForRequestParameters",
        lambda change: change.kind != change.was.kind and (change.was.kind, change.kind) not in _UPGRADES,
        "Values for request parameters are invalid: kind ({change.was.kind} cannot become {change.kind})."),
    (STORAGE, "409 StorageAccountTypeCannotBeChanged",
        lambda change: change.sku.partition("_")[0] != change.was.sku.partition("_")[0],
        "The storage account's SKU cannot change from {change.was.sku} to {change.sku} performance."),
    (STORAGE, "InvalidValuesForRequestParameters",
        lambda change: ("ZRS" in change.sku) != ("ZRS" in change.was.sku),
        "Values for request parameters are invalid: sku (from {change.was.sku} to {change.sku} it takes a "
        "conversion, `az storage account migration start`)."),
    (STORAGE, "InvalidRequestPropertyValue", _encryption,
        f"The value '{{value}}' is not allowed for property {_ENCRYPTED}."),
    (STORAGE, "FeatureNotSupportedForAccount",
        lambda change: change.kind in ("Storage", "BlobStorage") and change.at(_ENCRYPTED),
        "Infrastructure encryption is not supported for the account."),
    (STORAGE, "AccountPropertyIsInvalid",
        lambda change: change.kind == "BlobStorage" and change.at("accessTier") is None,
        "Account property accessTier is required for the request: BlobStorage has no default."),
    (TABLE, "FeatureNotSupportedForAccount", lambda change: not change.parent.sku.startswith("Standard_"),
        "Table is not supported for the account."),
    (CONTAINER, "FeatureNotSupportedForAccount", lambda change: change.parent.kind == "FileStorage",
        "Blob is not supported for the account."),

    # models: microsoft-foundry-for-vscode#145, #331; bicep#16642, azure-search-openai-demo#1840
    (ACCOUNT, "InvalidApiSetId",
        lambda change: change.region not in models.ACCOUNT_REGIONS.get(change.kind, [change.region]),
        "The account type '{change.kind}' is either invalid or unavailable in given region."),
    (ACCOUNT, "BadRequest",
        lambda change: change.was.at("customSubDomainName", change.at("customSubDomainName", "")).lower()
        != change.at("customSubDomainName", "").lower(),
        "The custom subdomain name of account '{change.name}' cannot be changed or removed."),
    (DEPLOYMENT, "InvalidResourceProperties", _not_offered, "The specified SKU '{change.sku}' {value}."),
    (DEPLOYMENT, "InvalidCapacity", _capacity_range,
        "The specified capacity '{change.capacity}' of account deployment should be at least {value}."),
    (DEPLOYMENT, "InsufficientQuota", _over_quota, "{value}"),  # business-process-automation#276

    # roles: modern-web-app-pattern-dotnet#129 (the spelling is Azure's), graphrag-accelerator#168
    (ROLE, "UnmatchedPrincipalType", _principal_type,
        "The PrincipalId '{change.resource[properties][principalId]}' has type '{value}' , which is "
        "different from specified PrinciaplType '{change.resource[properties][principalType]}'."),
    (ROLE, "RoleAssignmentUpdateNotPermitted",
        lambda change: change.name.lower() in (other.name.lower() for other in change.others(ROLE)),
        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."),

    # function apps: Azure-Functions#1851, terraform-azurerm-avm-res-web-serverfarm#134
    (PLAN, "BadRequest",
        lambda change: change.at("zoneRedundant") and change.region not in FLEX_CONSUMPTION & ZONED,
        "Availability zones are not supported for Flex Consumption in region '{change.region}'."),
    (SITE, "BadRequest", _setting_names,
        "AppSetting with name(s) {value} is not allowed: names have letters, digits, '.' and '_'."),
    (SITE, "BadRequest",
        lambda change: change.at("siteConfig.cors.supportCredentials")
        and "*" in change.at("siteConfig.cors.allowedOrigins", []),
        "siteConfig.cors.supportCredentials cannot be true when allowedOrigins includes '*'."),
    (SITE, "BadRequest", _unassigned_identity,
        "keyVaultReferenceIdentity is '{value}', which is not assigned to the app."),
    (SITE, "BadRequest", _subnet, "Site.VirtualNetworkSubnetId is invalid.  {value}"),
    (SITE, "BadRequest", _over_memory,
        "The always-ready instances in '{change.region}' need {value}; `python -m local_azure quota "
        "FlexConsumption.MemoryMB LIMIT` changes it."),

    # monitoring: terraform-provider-azurerm#26410
    (WORKSPACE, "BadRequest", lambda change: change.sku in _RETIRED_PRICING,
        "Pricing tier doesn't match the subscription's billing model. Read http://aka.ms/PricingTierWarning "
        "for more details. ({change.sku})"),
    (WORKSPACE, "BadRequest",
        lambda change: change.sku == "CapacityReservation"
        and change.sku_member("capacityReservationLevel") not in _RESERVATIONS_GB,
        f"sku.capacityReservationLevel is one of {_RESERVATIONS_GB} (GB a day) with CapacityReservation."),
    (COMPONENT, "BadRequest", lambda change: change.at("IngestionMode", "LogAnalytics") != "LogAnalytics",
        "IngestionMode is '{change.resource[properties][IngestionMode]}', which is retired; it is "
        "'LogAnalytics'."),
)

DELETES: tuple[TypeRule, ...] = (
    (ACCOUNT, "409 CannotDeleteResource", _nested,  # terraform-provider-azapi#894
        "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
        "{value}. Please delete all nested resources before deleting this resource."),
)
