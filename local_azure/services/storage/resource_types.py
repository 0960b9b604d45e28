"""Microsoft.Storage: accounts with their containers, queues, tables, service properties, lifecycle rules."""

import re
from dataclasses import asdict, replace
from typing import Any

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import Resource, Store
from local_azure.dataplane import StorageChild
from local_azure.services.children import parent_of

ACCOUNT_TYPE = "Microsoft.Storage/storageAccounts"
CONTAINER_TYPE = f"{ACCOUNT_TYPE}/blobServices/containers"
_NONE = Behaviour()


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


def _complete_account(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    resource.setdefault("sku", {})["tier"] = _tier(resource)
    properties = resource.setdefault("properties", {})
    properties["primaryLocation"] = resource.get("location", "")
    if endpoints := (previous or {}).get("properties", {}).get("primaryEndpoints"):
        properties["primaryEndpoints"] = endpoints


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


_CONTAINER = Behaviour(
    validate=_validate_container,
    defaults={
        "publicAccess": "None",
        "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": False,
        "deleted": False,
        "hasImmutabilityPolicy": False,
        "hasLegalHold": False,
        "leaseState": "Available",
        "leaseStatus": "Unlocked",
        "remainingRetentionDays": 0,
    },
    once={"lastModifiedTime": clock.now},
)


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


def _kept_in(kind: StorageChild, behaviour: Behaviour = _NONE) -> Behaviour:
    """Creates and deletes a child of an account in the account's data plane, too."""

    async def create(azure: Azure, child: Resource) -> None:
        await azure.services.storage.create(parent_of(child["id"]), kind, child["name"])

    async def delete(azure: Azure, child: Resource) -> None:
        await azure.services.storage.delete(parent_of(child["id"]), kind, child["name"])

    return replace(behaviour, apply=create, remove=delete)


TYPES = (
    known(
        "storage:StorageAccount",
        Behaviour(
            renames={
                "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
                "enableNfsV3": "isNfsV3Enabled",
                "networkRuleSet": "networkAcls",
            },
            validate=_validate_account,
            defaults={
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
                "privateEndpointConnections": [],
                "statusOfPrimary": "available",
            },
            once={"creationTime": clock.now},
            complete=_complete_account,
            apply=_open_account,
            remove=lambda azure, account: azure.services.storage.delete_account(account["id"]),
        ),
    ),
    known("storage:BlobContainer", _kept_in("container", _CONTAINER)),
    known("storage:Queue", _kept_in("queue")),
    known("storage:Table", _kept_in("table", Behaviour(complete=_complete_table))),
    known("storage:BlobServiceProperties", Behaviour(validate=_validate_blob_service)),
    known("storage:ManagementPolicy", Behaviour(validate=_validate_management_policy)),
)
