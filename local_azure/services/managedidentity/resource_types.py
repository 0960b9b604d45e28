"""Microsoft.ManagedIdentity: user-assigned identities and their federated credentials; `identity` members."""

import re
import uuid

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.core.schema import Problem
from local_azure.core.store import TENANT_ID, Resource, Store
from local_azure.services.children import parent_of, provision_alone

FEDERATED_TYPE = f"{IDENTITY_TYPE}/federatedIdentityCredentials"
MAX_FEDERATED = 20
"""Federated credentials of one identity (Docs: Workload identity federation, important considerations)."""

_IDENTITY = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
    f"/providers/{IDENTITY_TYPE}/{{resourceName}}"
)
_name = string_rule(
    "resourceName",
    r"[A-Za-z0-9][A-Za-z0-9_-]*",
    "an identity's name takes 3 to 128 letters, digits, - and _ and starts with a letter or digit",
    minimum=3,
    maximum=128,
)


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


def _complete(_azure: Azure, resource: Resource, previous: Resource | None) -> None:
    before = (previous or {}).get("properties", {})
    resource["properties"] = {
        "tenantId": TENANT_ID,
        "principalId": before.get("principalId") or str(uuid.uuid4()),
        "clientId": before.get("clientId") or str(uuid.uuid4()),
    }


_federated_name = string_rule(
    "federatedIdentityCredentialResourceName",
    r"[A-Za-z0-9][A-Za-z0-9_-]*",
    "a federated credential's name takes 3 to 120 letters, digits, - and _ and starts with a letter or digit",
    minimum=3,
    maximum=120,
)


def _check_federated(inputs: Inputs) -> list[Problem]:
    return [*_name(inputs), *_federated_name(inputs)]


def _validate_federated(azure: Azure, credential: Resource, _previous: Resource | None) -> None:
    identity = parent_of(credential["id"])
    if ids.key(identity) in azure.busy:
        raise ArmError(
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
            "Too many Federated Identity Credentials are written concurrently for the managed identity "
            f"'{identity}'. Concurrent Federated Identity Credentials writes under the same managed identity "
            "are not supported.",
        )
    properties = credential.get("properties", {})
    issuer, subject, audiences = (properties[name] for name in ("issuer", "subject", "audiences"))
    for name, value in (
        ("issuer", issuer),
        ("subject", subject),
        *(("audiences", text) for text in audiences),
    ):
        if not 1 <= len(value) <= 600:
            raise ArmError(400, "BadRequest", f"'{name}' has {len(value)} characters; it takes 1 to 600.")
    if not re.fullmatch(r"https://[^\s/?#]+(/[^\s?#]*)?", issuer):
        text = f"Issuer '{issuer}' is not valid: it is an https URL without a query."
        raise ArmError(400, "BadRequest", text)
    if len(audiences) != 1:
        raise ArmError(400, "BadRequest", f"Exactly one audience is supported; there are {len(audiences)}.")
    others = [
        other.get("properties", {})
        for other in azure.store.list(FEDERATED_TYPE, under=identity)
        if not ids.same(other["id"], credential["id"])
    ]
    # The comparison is case-sensitive, as that of a token's claims.
    if any((other["issuer"], other["subject"]) == (issuer, subject) for other in others):
        text = "Issuer and subject combination already exists for this Managed Identity."
        raise ArmError(409, "Conflict", text)
    if len(others) >= MAX_FEDERATED:
        raise ArmError(
            400,
            "TooManyFederatedIdentityCredentials",
            f"The managed identity '{identity}' has {len(others)} federated identity credentials; at most "
            f"{MAX_FEDERATED}.",
        )


TYPES = (
    ResourceType(
        pulumi_type="azure-native:managedidentity:UserAssignedIdentity",
        api_version="2023-01-31",
        path=_IDENTITY,
        autoname=AutoName.RANDOM,
        check=_name,
        complete=_complete,
    ),
    ResourceType(
        pulumi_type="azure-native:managedidentity:FederatedIdentityCredential",
        api_version="2023-01-31",
        path=f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
        autoname=AutoName.COPY,
        check=_check_federated,
        validate=_validate_federated,
        apply=lambda azure, credential: provision_alone(azure, credential["id"]),
    ),
)
