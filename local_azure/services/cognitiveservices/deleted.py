"""Soft-deleted Azure AI accounts (Docs: Recover or purge deleted Azure AI resources).

Azure keeps them for 48 hours, in which their name is taken in their group and region, their subdomain
everywhere. They belong to the subscription: they outlive their resource group.
"""

from datetime import timedelta
from typing import cast

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.regions import normal_location
from local_azure.core.resource import Azure
from local_azure.core.store import SUBSCRIPTION_ID, Resource

TYPE = "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts"
RETENTION = timedelta(hours=48)

_DATES = ("deletionDate", "scheduledPurgeDate")


def id_of(account: Resource) -> str:
    """`/subscriptions/…/providers/Microsoft.CognitiveServices/locations/L/resourceGroups/G/deletedAccounts/N`."""
    group = ids.name_of(ids.resource_group_of(account["id"]) or "")
    location = normal_location(account.get("location", ""))
    return ids.build(ids.subscription(SUBSCRIPTION_ID), TYPE, location, group, account["name"])


def keep(azure: Azure, account: Resource) -> None:
    """Puts an account that is being deleted among the soft-deleted ones."""
    now = azure.now()
    dates = {"deletionDate": clock.text(now), "scheduledPurgeDate": clock.text(now + RETENTION)}
    properties = {**account.get("properties", {}), **dates, "provisioningState": "Deleted"}
    kept = {**account, "id": id_of(account), "type": TYPE, "properties": properties}
    azure.store.put(cast("Resource", kept))


def remaining(azure: Azure) -> list[Resource]:
    """The soft-deleted accounts. Those whose purge date is over leave the store."""
    now = clock.text(azure.now())
    kept: list[Resource] = []
    for account in azure.store.list(TYPE):
        if account.get("properties", {})["scheduledPurgeDate"] > now:
            kept.append(account)
        else:
            azure.store.forget(account["id"])
    return kept


def find(azure: Azure, deleted_id: str) -> Resource | None:
    return next((account for account in remaining(azure) if ids.same(account["id"], deleted_id)), None)


def require(azure: Azure, deleted_id: str) -> Resource:
    """Raises ArmError 404."""
    account = find(azure, deleted_id)
    if account is None:
        raise ArmError(404, "ResourceNotFound", f"There is no deleted account '{deleted_id}'.")
    return account


def purge(azure: Azure, deleted: Resource) -> None:
    azure.store.forget(deleted["id"])


def to_restore(azure: Azure, account: Resource) -> Resource | None:
    """The soft-deleted account that a request with `restore` brings back; None for one without.

    Raises ArmError 409 where there is none to restore, or where a soft-deleted account has the name.
    """
    soft_deleted = find(azure, id_of(account))
    restore = bool(account.get("properties", {}).get("restore"))
    if restore and soft_deleted is None:
        raise ArmError(
            409,
            "CanNotRestoreANonExistingResource",
            f"Could not locate a resource to restore: properties.restore is true, but there is no "
            f"soft-deleted account '{account['name']}'.",
        )
    if soft_deleted is not None and not restore:
        raise ArmError(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{account['id']}' has been soft-deleted. To restore the resource, "
            f"you must specify 'restore' to be 'true' in the property. If you don't want to restore existing "
            f"resource, please purge it first.",
        )
    return soft_deleted


def restored(request: Resource, soft_deleted: Resource) -> Resource:
    """The soft-deleted account with the members of the request."""
    before = {name: value for name, value in soft_deleted.get("properties", {}).items() if name not in _DATES}
    properties = {**before, **request.get("properties", {})}
    return cast("Resource", {**soft_deleted, **request, "properties": properties})
