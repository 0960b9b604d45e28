"""Microsoft.ManagedIdentity: user-assigned identities and their federated credentials."""

import re
import uuid

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour
from local_azure.core.store import TENANT_ID, Resource
from local_azure.services.children import parent_of, provision_alone

FEDERATED_TYPE = f"{IDENTITY_TYPE}/federatedIdentityCredentials"
MAX_FEDERATED = 20
"""Federated credentials of one identity (Docs: Workload identity federation, important considerations)."""


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
    known(
        "managedidentity:UserAssignedIdentity",
        Behaviour(
            defaults={"tenantId": TENANT_ID},
            once={"principalId": lambda: str(uuid.uuid4()), "clientId": lambda: str(uuid.uuid4())},
        ),
    ),
    known(
        "managedidentity:FederatedIdentityCredential",
        Behaviour(
            validate=_validate_federated,
            apply=lambda azure, credential: provision_alone(azure, credential["id"]),
        ),
    ),
)
