"""The role assignments, as data: nothing is granted that is not in `GRANTS`. Pure.

Role ids: "Azure built-in roles" on Microsoft Learn. A test compares this list with the role assignments
of the stack.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from infra.roles import APP_ROLES, RETIRED_ROLE_IDS


class Who(Enum):
    READER = "reader"
    """Previews and drift detection: reads everything, changes nothing."""
    DEPLOYER = "deployer"
    """Deployments, test stacks and sweeps."""
    OPERATOR = "operator"
    """A person who runs Pulumi by hand. The role Owner does not grant access to containers and vaults."""


class Scope(Enum):
    """The resource on which a role is granted."""

    SUBSCRIPTION = "subscription"
    STATE = "state container"
    PACKAGES = "packages container"
    KEY = "state key"


@dataclass(frozen=True)
class CustomRole:
    """A role with fewer permissions than any built-in one. `key` is its logical name."""

    key: str
    name: str
    description: str
    actions: Sequence[str] = ()
    data_actions: Sequence[str] = ()


@dataclass(frozen=True)
class BuiltIn:
    name: str
    id: str


@dataclass(frozen=True)
class Grant:
    """`key` is the assignment's logical name: if it changes, Pulumi replaces the assignment."""

    key: str
    who: Who
    role: BuiltIn | CustomRole
    scope: Scope
    condition: str = ""


# `sites/config/list` also grants access to connection strings, authentication settings and publishing
# credentials of every site of the subscription. The sites of this project have no secret in the first two,
# and basic authentication is disabled, so the credentials do not work (infra/components/function_host.py).
# Do not have sites of other projects in the subscription.
SETTINGS_READER = CustomRole(
    key="settings-reader",
    name="Assistant settings reader",
    description="Reads app settings, which a refresh does not see: nightly drift.",
    actions=("Microsoft.Web/sites/config/list/action",),
)

# Pulumi encrypts and decrypts each stack's own key with this key, and uses no other operation on it, not even
# reading it (gocloud.dev secrets/azurekeyvault). Key Vault Crypto User could also sign, wrap, change and back
# up the key.
STATE_OPENER = CustomRole(
    key="state-opener",
    name="Assistant state opener",
    description="Opens what the state key has sealed: previews of stacks that are there.",
    data_actions=("Microsoft.KeyVault/vaults/keys/decrypt/action",),
)
STATE_SEALER = CustomRole(
    key="state-sealer",
    name="Assistant state sealer",
    description="Seals and opens with the state key: deploys, and stacks that are new.",
    data_actions=(
        "Microsoft.KeyVault/vaults/keys/encrypt/action",
        "Microsoft.KeyVault/vaults/keys/decrypt/action",
    ),
)
CUSTOM_ROLES = (SETTINGS_READER, STATE_OPENER, STATE_SEALER)

READER = BuiltIn("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
CONTRIBUTOR = BuiltIn("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c")
RBAC_ADMINISTRATOR = BuiltIn(
    "Role Based Access Control Administrator", "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
)
LOCKS_CONTRIBUTOR = BuiltIn("Locks Contributor", "28bf596f-4eb7-45ce-b5bc-6cf482fec137")
BLOB_READER = BuiltIn("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")
BLOB_CONTRIBUTOR = BuiltIn("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")


def only_app_roles() -> str:
    """The condition on what the deployer may grant and remove: only the app's roles, only for identities.

    It may also remove roles of earlier versions of the app, which the next `up` of such a stack does.
    Without the condition, a role administrator could make itself Owner. Form: "Delegate Azure access
    management to others" and "Authorization actions and attributes" on Microsoft Learn.
    """
    assignments = "Microsoft.Authorization/roleAssignments"
    app_roles = [role.id for role in APP_ROLES]

    def only(action: str, source: str, role_ids: Sequence[str]) -> str:
        roles = ", ".join(sorted(role_ids))
        return (
            f"((!(ActionMatches{{'{assignments}/{action}'}})) OR "
            f"(@{source}[{assignments}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{roles}}} AND "
            f"@{source}[{assignments}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase "
            f"{{'ServicePrincipal'}}))"
        )

    removable = [*app_roles, *RETIRED_ROLE_IDS]
    return f"{only('write', 'Request', app_roles)} AND {only('delete', 'Resource', removable)}"


GRANTS = (
    # Previews read every environment's group, also one that does not exist yet.
    Grant("reader-resources", Who.READER, READER, Scope.SUBSCRIPTION),
    # Drift compares app settings, which Reader does not see.
    Grant("reader-settings", Who.READER, SETTINGS_READER, Scope.SUBSCRIPTION),
    # A preview reads the state and writes nothing, not even a lock; it opens the stack's key.
    Grant("reader-state", Who.READER, BLOB_READER, Scope.STATE),
    Grant("reader-key", Who.READER, STATE_OPENER, Scope.KEY),
    # Makes and deletes resource groups; purges model accounts, a right on the subscription.
    Grant("deployer-resources", Who.DEPLOYER, CONTRIBUTOR, Scope.SUBSCRIPTION),
    # Gives each app its roles, in groups that do not exist yet; Contributor may not.
    Grant("deployer-roles", Who.DEPLOYER, RBAC_ADMINISTRATOR, Scope.SUBSCRIPTION, only_app_roles()),
    # The CanNotDelete lock of protected stacks; Contributor may not.
    Grant("deployer-locks", Who.DEPLOYER, LOCKS_CONTRIBUTOR, Scope.SUBSCRIPTION),
    # Writes state and locks; seals the key of a new stack, opens that of an old one.
    Grant("deployer-state", Who.DEPLOYER, BLOB_CONTRIBUTOR, Scope.STATE),
    Grant("deployer-key", Who.DEPLOYER, STATE_SEALER, Scope.KEY),
    # Keeps each package that it deploys, and finds the one to go back to.
    Grant("deployer-packages", Who.DEPLOYER, BLOB_CONTRIBUTOR, Scope.PACKAGES),
    # Moves the bootstrap's own state to the container; runs Pulumi by hand when pipelines cannot.
    Grant("operator-state", Who.OPERATOR, BLOB_CONTRIBUTOR, Scope.STATE),
    Grant("operator-key", Who.OPERATOR, STATE_SEALER, Scope.KEY),
    # Goes back to an earlier package by hand.
    Grant("operator-packages", Who.OPERATOR, BLOB_CONTRIBUTOR, Scope.PACKAGES),
)


def custom_role_id(subscription_id: str, digest: str, role: CustomRole) -> str:
    """A GUID that depends only on the arguments."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{subscription_id}|{digest}|{role.key}".lower()))
