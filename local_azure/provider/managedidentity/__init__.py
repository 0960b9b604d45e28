"""Microsoft.ManagedIdentity: user-assigned identities, and what other resources do with them."""

import uuid

from local_azure.arm.access import IDENTITY_TYPE
from local_azure.arm.errors import ArmError
from local_azure.arm.store import TENANT_ID, Resource, Store
from local_azure.provider.naming import AutoName
from local_azure.provider.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.provider.schema import Problem

_name = string_rule(
    "resourceName",
    r"[A-Za-z0-9][A-Za-z0-9_-]*",
    "an identity's name takes 3 to 128 letters, digits, - and _ and starts with a letter or digit",
    minimum=3,
    maximum=128,
)


def assign(store: Store, resource: Resource, previous: Resource | None) -> None:
    """Fills the resource's `identity` with the ids that Azure gives.

    Raises ArmError 400 for a user-assigned identity that does not exist, or a type
    that does not fit the list.
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
    filled: dict[str, dict[str, str]] = {}
    for identity_id in assigned:
        found = store.get(identity_id)
        if found is None or found["type"] != IDENTITY_TYPE:
            raise ArmError(
                400,
                "FailedIdentityOperation",
                f"Identity operation for resource '{resource['id']}' failed with error 'Failed to perform "
                f"resource identity operation. Status: 'BadRequest'. Response: 'Resource '{identity_id}' "
                f"was not found.''",
            )
        properties = found.get("properties", {})
        filled[found["id"]] = {name: properties[name] for name in ("clientId", "principalId")}
    if filled:
        identity["userAssignedIdentities"] = filled
    if "SystemAssigned" in kinds:
        before = (previous or {}).get("identity", {})
        identity["principalId"] = before.get("principalId") or str(uuid.uuid4())
        identity["tenantId"] = TENANT_ID


def _check(inputs: Inputs) -> list[Problem]:
    return list(_name(inputs))


def _complete(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before = (previous or {}).get("properties", {})
    resource["properties"] = {
        "tenantId": TENANT_ID,
        "principalId": before.get("principalId") or str(uuid.uuid4()),
        "clientId": before.get("clientId") or str(uuid.uuid4()),
    }


TYPES = (
    ResourceType(
        pulumi_type="azure-native:managedidentity:UserAssignedIdentity",
        api_version="2023-01-31",
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        f"/providers/{IDENTITY_TYPE}/{{resourceName}}",
        autoname=AutoName.RANDOM,
        check=_check,
        complete=_complete,
    ),
)
