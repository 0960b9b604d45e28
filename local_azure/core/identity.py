"""The `identity` of a resource: the managed identities that it acts with."""

import uuid

from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.errors import ArmError
from local_azure.core.store import TENANT_ID, Resource, Store


def complete_identity(store: Store, resource: Resource, previous: Resource | None) -> None:
    """Adds the ids that Azure gives to the resource's `identity`.

    Raises ArmError 400 for a user-assigned identity that does not exist, or a type that contradicts the list.
    """
    identity = resource.get("identity")
    if identity is None:
        return
    kinds = {part.strip() for part in identity.get("type", "None").split(",")}
    assigned = identity.get("userAssignedIdentities", {})
    if ("UserAssigned" in kinds) != bool(assigned):
        raise ArmError(
            400,
            "InvalidIdentityValues" if assigned else "UserAssignedIdentityRequired",
            f"identity.type is '{identity.get('type')}' and userAssignedIdentities has {len(assigned)} "
            f"members; UserAssigned goes with at least one of them, and only UserAssigned does.",
        )
    completed: dict[str, dict[str, str]] = {}
    for identity_id in assigned:
        user_assigned = store.get(identity_id)
        if user_assigned is None or user_assigned["type"] != IDENTITY_TYPE:
            raise ArmError(
                400,
                "FailedIdentityOperation",
                f"Identity operation for resource '{resource['id']}' failed with error 'Failed to perform "
                f"resource identity operation. Status: 'BadRequest'. Response: 'Resource '{identity_id}' "
                f"was not found.''",
            )
        properties = user_assigned.get("properties", {})
        completed[user_assigned["id"]] = {name: properties[name] for name in ("clientId", "principalId")}
    if completed:
        identity["userAssignedIdentities"] = completed
    if "SystemAssigned" in kinds:
        before = (previous or {}).get("identity", {})
        identity["principalId"] = before.get("principalId") or str(uuid.uuid4())
        identity["tenantId"] = TENANT_ID
