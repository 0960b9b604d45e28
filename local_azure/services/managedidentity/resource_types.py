"""Microsoft.ManagedIdentity: user-assigned identities, their federated credentials, and who uses them."""

import asyncio
import re
import uuid

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName
from local_azure.core.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.core.schema import Problem
from local_azure.core.store import TENANT_ID, Resource, Store

FEDERATED_TYPE = f"{IDENTITY_TYPE}/federatedIdentityCredentials"
MOST_FEDERATED = 20
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


_federated_name = string_rule(
    "federatedIdentityCredentialResourceName",
    r"[A-Za-z0-9][A-Za-z0-9_-]*",
    "a federated credential's name takes 3 to 120 letters, digits, - and _ and starts with a letter or digit",
    minimum=3,
    maximum=120,
)


def _check_federated(inputs: Inputs) -> list[Problem]:
    return [*_name(inputs), *_federated_name(inputs)]


def refuse_federated(store: Store, credential: Resource) -> None:
    """ArmError for what Azure refuses in a federated credential."""
    properties = credential.get("properties", {})
    issuer, subject, audiences = (properties[name] for name in ("issuer", "subject", "audiences"))
    for name, value in (("issuer", issuer), ("subject", subject), *(("audiences", one) for one in audiences)):
        if not 1 <= len(value) <= 600:
            raise ArmError(400, "BadRequest", f"'{name}' has {len(value)} characters; it takes 1 to 600.")
    if not re.fullmatch(r"https://[^\s/?#]+(/[^\s?#]*)?", issuer):
        raise ArmError(
            400, "BadRequest", f"Issuer '{issuer}' is not valid: it is an https URL without a query."
        )
    if len(audiences) != 1:
        raise ArmError(400, "BadRequest", f"Exactly one audience is supported; there are {len(audiences)}.")
    others = [
        one.get("properties", {})
        for one in store.list(FEDERATED_TYPE, under=identity_of(credential["id"]))
        if not ids.same(one["id"], credential["id"])
    ]
    # Both in the case they are written in: a token's claims are compared letter by letter.
    if any((one["issuer"], one["subject"]) == (issuer, subject) for one in others):
        raise ArmError(
            409, "Conflict", "Issuer and subject combination already exists for this Managed Identity."
        )
    if len(others) >= MOST_FEDERATED:
        raise ArmError(
            400,
            "TooManyFederatedIdentityCredentials",
            f"The managed identity '{identity_of(credential['id'])}' has {len(others)} federated identity "
            f"credentials; at most {MOST_FEDERATED}.",
        )


def identity_of(credential_id: str) -> str:
    scope, _, names = ids.parse(credential_id)
    return ids.build(scope, IDENTITY_TYPE, names[0])


def _validate_federated(azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    identity = identity_of(resource["id"])
    if ids.key(identity) in azure.busy:
        raise ArmError(
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
            "Too many Federated Identity Credentials are written concurrently for the managed identity "
            f"'{identity}'. Concurrent Federated Identity Credentials writes under the same managed identity "
            "are not supported.",
        )
    refuse_federated(azure.store, resource)


async def _write_federated(azure: Azure, resource: Resource) -> None:
    identity = ids.key(identity_of(resource["id"]))
    azure.busy.add(identity)
    try:
        await asyncio.sleep(azure.provisioning_seconds)
    finally:
        azure.busy.discard(identity)


TYPES = (
    ResourceType(
        pulumi_type="azure-native:managedidentity:UserAssignedIdentity",
        api_version="2023-01-31",
        path=_IDENTITY,
        autoname=AutoName.RANDOM,
        check=_check,
        complete=_complete,
    ),
    ResourceType(
        pulumi_type="azure-native:managedidentity:FederatedIdentityCredential",
        api_version="2023-01-31",
        path=f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}",
        autoname=AutoName.COPY,
        check=_check_federated,
        validate=_validate_federated,
        apply=_write_federated,
    ),
)
