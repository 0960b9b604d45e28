"""Microsoft.ManagedIdentity: user-assigned identities and their federated credentials."""

import re
import uuid

from local_azure.core import ids
from local_azure.core.access import IDENTITY_TYPE
from local_azure.core.change import Change, Rule, refusing
from local_azure.core.known_types import known
from local_azure.core.resource import Behaviour
from local_azure.core.store import TENANT_ID
from local_azure.services.children import provision_alone

FEDERATED_TYPE = f"{IDENTITY_TYPE}/federatedIdentityCredentials"
MAX_FEDERATED = 20
"""Federated credentials of one identity (Docs: Workload identity federation, important considerations)."""


def _siblings(credential: Change) -> list[Change]:
    own = credential.parent.resource["id"]
    return [
        other for other in credential.others(FEDERATED_TYPE) if ids.is_at_or_below(other.resource["id"], own)
    ]


def _wrong_length(credential: Change) -> str | None:
    texts = [("issuer", credential.at("issuer")), ("subject", credential.at("subject"))]
    texts += [("audiences", audience) for audience in credential.at("audiences")]
    wrong = (f"'{name}' has {len(text)} characters" for name, text in texts if not 1 <= len(text) <= 600)
    return next(wrong, None)


def _is_taken(credential: Change) -> bool:
    # The comparison is case-sensitive, as that of a token's claims.
    pair = credential.at("issuer"), credential.at("subject")
    return pair in [(other.at("issuer"), other.at("subject")) for other in _siblings(credential)]


# fmt: off
_RULES: tuple[Rule, ...] = (
    ("409 ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        lambda credential: ids.key(credential.parent.resource["id"]) in credential.azure.busy,
        "Too many Federated Identity Credentials are written concurrently for the managed identity "
        "'{change.parent.resource[id]}'. Concurrent Federated Identity Credentials writes under the same "
        "managed identity are not supported."),
    ("BadRequest", _wrong_length, "{value}; it takes 1 to 600."),
    ("BadRequest",
        lambda credential: not re.fullmatch(r"https://[^\s/?#]+(/[^\s?#]*)?", credential.at("issuer")),
        "Issuer '{change.resource[properties][issuer]}' is not valid: it is an https URL without a query."),
    ("BadRequest", lambda credential: len(credential.at("audiences")) != 1,
        "Exactly one audience is supported; they are {change.resource[properties][audiences]}."),
    ("409 Conflict", _is_taken,
        "Issuer and subject combination already exists for this Managed Identity."),
    ("TooManyFederatedIdentityCredentials", lambda credential: len(_siblings(credential)) >= MAX_FEDERATED,
        "The managed identity '{change.parent.resource[id]}' has as many federated identity credentials as "
        f"it can have: {MAX_FEDERATED}."),
)
# fmt: on


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
            validate=refusing(*_RULES),
            apply=lambda azure, credential: provision_alone(azure, credential["id"]),
        ),
    ),
)
