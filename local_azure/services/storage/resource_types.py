"""Microsoft.Storage: accounts, tables, blob containers, the blob service's properties, lifecycle rules."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.core.schema import Problem
from local_azure.core.store import Resource, Store
from local_azure.services.children import parent_of
from local_azure.services.managedidentity.resource_types import complete_identity

ACCOUNT_TYPE = "Microsoft.Storage/storageAccounts"
CONTAINER_TYPE = f"{ACCOUNT_TYPE}/blobServices/containers"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ACCOUNT = f"{_GROUP}/providers/{ACCOUNT_TYPE}/{{accountName}}"
_API_VERSION = "2024-01-01"


def _in_account(resource: Resource) -> tuple[str, str]:
    """The id of its storage account, and its name."""
    return parent_of(resource["id"]), resource["name"]


def find_container(store: Store, url: str) -> Resource | None:
    """The blob container at a URL: a known account's blob endpoint followed by the container's name."""
    for container in store.list(CONTAINER_TYPE):
        account = store.require(parent_of(container["id"]))
        endpoint = account.get("properties", {}).get("primaryEndpoints", {}).get("blob", "")
        if url.rstrip("/") == f"{endpoint}{container['name']}":
            return container
    return None


def _validate_account(azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    for other in azure.store.list(ACCOUNT_TYPE):
        if other["name"].lower() == resource["name"].lower() and not ids.same(other["id"], resource["id"]):
            text = f"The storage account named {resource['name']} is already taken."
            raise ArmError(409, "StorageAccountAlreadyTaken", text)


def _tier(account: Resource) -> str:
    return str(account.get("sku", {}).get("name", "")).split("_", maxsplit=1)[0]


def _complete_account(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    complete_identity(azure.store, resource, previous)
    before: dict[str, Any] = (previous or {}).get("properties", {})
    resource.setdefault("sku", {})["tier"] = _tier(resource)
    resource["properties"] = {
        "accessTier": "Hot",
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_0",
        "networkAcls": {
            "bypass": "AzureServices",
            "defaultAction": "Allow",
            "ipRules": [],
            "virtualNetworkRules": [],
        },
        "encryption": {
            "keySource": "Microsoft.Storage",
            "services": {name: {"enabled": True, "keyType": "Account"} for name in ("blob", "file")},
        },
        **resource.get("properties", {}),
        "creationTime": before.get("creationTime") or clock.now(),
        "primaryLocation": resource.get("location", ""),
        "privateEndpointConnections": [],
        "provisioningState": "Succeeded",
        "statusOfPrimary": "available",
    }
    if "primaryEndpoints" in before:
        resource["properties"]["primaryEndpoints"] = before["primaryEndpoints"]


async def _open_account(azure: Azure, resource: Resource) -> None:
    endpoints = await azure.services.storage.open_account(resource["id"])
    resource.setdefault("properties", {})["primaryEndpoints"] = asdict(endpoints)


def _complete_table(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["tableName"] = resource["name"]


def _validate_container(azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    account = azure.store.require(parent_of(resource["id"])).get("properties", {})
    access = resource.get("properties", {}).get("publicAccess", "None")
    if access != "None" and not account.get("allowBlobPublicAccess"):
        text = "Public access is not permitted on this storage account."
        raise ArmError(409, "PublicAccessNotPermitted", text)


def _complete_container(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before: dict[str, Any] = (previous or {}).get("properties", {})
    resource["properties"] = {
        "publicAccess": "None",
        "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": False,
        **resource.get("properties", {}),
        "deleted": False,
        "hasImmutabilityPolicy": False,
        "hasLegalHold": False,
        "lastModifiedTime": before.get("lastModifiedTime") or clock.now(),
        "leaseState": "Available",
        "leaseStatus": "Unlocked",
        "remainingRetentionDays": 0,
    }


def _validate_blob_service(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    properties = resource.get("properties", {})
    for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        policy = properties.get(name, {})
        if policy.get("enabled") and not 1 <= policy.get("days", 0) <= 365:
            text = f"{name}.days is {policy.get('days')!r}; with enabled=true it is a number from 1 to 365."
            raise ArmError(400, "InvalidXmlNodeValue", text)
    version = properties.get("defaultServiceVersion")
    if version is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", version):
        text = f"defaultServiceVersion is {version!r}; it is a date, yyyy-mm-dd."
        raise ArmError(400, "InvalidXmlNodeValue", text)


def _validate_management_policy(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    rules: list[dict[str, Any]] = resource.get("properties", {})["policy"]["rules"]
    names = [str(rule["name"]) for rule in rules]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    without_action = [str(rule["name"]) for rule in rules if not rule["definition"].get("actions")]
    if not 1 <= len(rules) <= 100:
        reason = f"a policy has 1 to 100 rules, and this one has {len(rules)}"
    elif duplicates:
        reason = f"a policy uses the name of a rule once, and {', '.join(duplicates)} more often"
    elif without_action:
        reason = f"a rule has at least one action, and {', '.join(without_action)} none"
    else:
        return
    raise ArmError(400, "InvalidRequestPropertyValue", f"The management policy is not valid: {reason}.")


def _default_name(name: str) -> Callable[[Inputs], Iterable[Problem]]:
    return string_rule(name, "default", "its only value is 'default'")


TYPES = (
    ResourceType(
        pulumi_type="azure-native:storage:StorageAccount",
        api_version=_API_VERSION,
        path=_ACCOUNT,
        autoname=AutoName.RANDOM,
        replace_on=("isHnsEnabled",),
        renames={
            "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
            "enableNfsV3": "isNfsV3Enabled",
            "networkRuleSet": "networkAcls",
        },
        check=string_rule(
            "accountName",
            r"[a-z0-9]*",
            "a storage account's name takes 3 to 24 lower-case letters and digits",
            minimum=3,
            maximum=24,
        ),
        validate=_validate_account,
        complete=_complete_account,
        apply=_open_account,
        remove=lambda azure, account: azure.services.storage.delete_account(account["id"]),
    ),
    ResourceType(
        pulumi_type="azure-native:storage:Table",
        api_version=_API_VERSION,
        path=f"{_ACCOUNT}/tableServices/default/tables/{{tableName}}",
        autoname=AutoName.COPY,
        check=string_rule(
            "tableName",
            r"[A-Za-z][A-Za-z0-9]*",
            "a table's name takes 3 to 63 letters and digits and starts with a letter",
            minimum=3,
            maximum=63,
        ),
        complete=_complete_table,
        apply=lambda azure, table: azure.services.storage.create_table(*_in_account(table)),
        remove=lambda azure, table: azure.services.storage.delete_table(*_in_account(table)),
    ),
    ResourceType(
        pulumi_type="azure-native:storage:BlobContainer",
        api_version=_API_VERSION,
        path=f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
        autoname=AutoName.COPY,
        check=string_rule(
            "containerName",
            r"[a-z0-9]+(-[a-z0-9]+)*|\$root|\$web|\$logs",
            "a container's name takes 3 to 63 lower-case letters, digits and single hyphens between them",
            minimum=3,
            maximum=63,
        ),
        validate=_validate_container,
        complete=_complete_container,
        apply=lambda azure, container: azure.services.storage.create_container(*_in_account(container)),
        remove=lambda azure, container: azure.services.storage.delete_container(*_in_account(container)),
    ),
    ResourceType(
        pulumi_type="azure-native:storage:BlobServiceProperties",
        api_version=_API_VERSION,
        path=f"{_ACCOUNT}/blobServices/{{blobServicesName}}",
        autoname=AutoName.DEFAULT,
        singleton=True,
        check=_default_name("blobServicesName"),
        validate=_validate_blob_service,
    ),
    ResourceType(
        pulumi_type="azure-native:storage:ManagementPolicy",
        api_version=_API_VERSION,
        path=f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}",
        autoname=AutoName.DEFAULT,
        check=_default_name("managementPolicyName"),
        validate=_validate_management_policy,
    ),
)
