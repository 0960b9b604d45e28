"""Model accounts that were deleted and not purged (Docs: Recover or purge deleted Azure AI resources).

Azure keeps one for 48 hours. So long, its name is taken in its group and region, its subdomain everywhere.
It belongs to the subscription: it outlives its resource group.
"""

from datetime import timedelta
from typing import cast

from local_azure.core import clock, ids
from local_azure.core.errors import ArmError
from local_azure.core.resource import Azure
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.frontends.pulumi.diff import normal_location

TYPE = "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts"
RETENTION = timedelta(hours=48)

_DATES = ("deletionDate", "scheduledPurgeDate")


def id_of(account: Resource) -> str:
    """`/subscriptions/…/providers/Microsoft.CognitiveServices/locations/L/resourceGroups/G/deletedAccounts/N`."""
    group = ids.name_of(ids.resource_group_of(account["id"]) or "")
    location = normal_location(account.get("location", ""))
    return ids.build(ids.subscription(SUBSCRIPTION_ID), TYPE, location, group, account["name"])


def keep(azure: Azure, account: Resource) -> None:
    """Notes an account that is being deleted."""
    now = azure.now()
    dates = {"deletionDate": clock.text(now), "scheduledPurgeDate": clock.text(now + RETENTION)}
    properties = {**account.get("properties", {}), **dates, "provisioningState": "Deleted"}
    kept = {**account, "id": id_of(account), "type": TYPE, "properties": properties}
    azure.store.put(cast("Resource", kept))


def remaining(azure: Azure) -> list[Resource]:
    """The deleted accounts whose 48 hours are not over; those whose are, are gone for good."""
    now = clock.text(azure.now())
    kept: list[Resource] = []
    for one in azure.store.list(TYPE):
        if one.get("properties", {})["scheduledPurgeDate"] > now:
            kept.append(one)
        else:
            azure.store.forget(one["id"])
    return kept


def find(azure: Azure, deleted_id: str) -> Resource | None:
    return next((one for one in remaining(azure) if ids.same(one["id"], deleted_id)), None)


def require(azure: Azure, deleted_id: str) -> Resource:
    """Raises ArmError 404."""
    found = find(azure, deleted_id)
    if found is None:
        raise ArmError(404, "ResourceNotFound", f"There is no deleted account '{deleted_id}'.")
    return found


def purge(azure: Azure, deleted: Resource) -> None:
    azure.store.forget(deleted["id"])


def restored(azure: Azure, account: Resource) -> Resource | None:
    """The deleted account that a request with `restore` brings back, None where it asks for none.

    Raises ArmError 409 where nothing is to restore, or where the name is taken by a deleted account.
    """
    found = find(azure, id_of(account))
    asked = bool(account.get("properties", {}).get("restore"))
    if asked and found is None:
        raise ArmError(
            409,
            "CanNotRestoreANonExistingResource",
            f"Could not locate a resource to restore: properties.restore is true, but there is no "
            f"soft-deleted account '{account['name']}'.",
        )
    if found is not None and not asked:
        raise ArmError(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{account['id']}' has been soft-deleted. To restore the resource, "
            f"you must specify 'restore' to be 'true' in the property. If you don't want to restore existing "
            f"resource, please purge it first.",
        )
    return found


def filled(account: Resource, found: Resource) -> Resource:
    """The restored account: what the request says, and for all else what the deleted one was."""
    before = {name: value for name, value in found.get("properties", {}).items() if name not in _DATES}
    properties = {**before, **account.get("properties", {})}
    return cast("Resource", {**found, **account, "properties": properties})
