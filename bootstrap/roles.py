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
    reason: str
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
    Grant(
        key="reader-resources",
        who=Who.READER,
        role=READER,
        scope=Scope.SUBSCRIPTION,
        reason="previews read every environment's group, also one that is not there yet",
    ),
    Grant(
        key="reader-settings",
        who=Who.READER,
        role=SETTINGS_READER,
        scope=Scope.SUBSCRIPTION,
        reason="drift compares app settings, which Reader does not see",
    ),
    Grant(
        key="reader-state",
        who=Who.READER,
        role=BLOB_READER,
        scope=Scope.STATE,
        reason="a preview reads the state and writes nothing, not even a lock",
    ),
    Grant(
        key="reader-key",
        who=Who.READER,
        role=STATE_OPENER,
        scope=Scope.KEY,
        reason="a preview opens the stack's key",
    ),
    Grant(
        key="deployer-resources",
        who=Who.DEPLOYER,
        role=CONTRIBUTOR,
        scope=Scope.SUBSCRIPTION,
        reason="makes and deletes resource groups; purges model accounts, a right on the subscription",
    ),
    Grant(
        key="deployer-roles",
        who=Who.DEPLOYER,
        role=RBAC_ADMINISTRATOR,
        scope=Scope.SUBSCRIPTION,
        reason="gives each app its roles, in groups that are not there yet; Contributor may not",
        condition=only_app_roles(),
    ),
    Grant(
        key="deployer-locks",
        who=Who.DEPLOYER,
        role=LOCKS_CONTRIBUTOR,
        scope=Scope.SUBSCRIPTION,
        reason="the CanNotDelete lock of protected stacks; Contributor may not",
    ),
    Grant(
        key="deployer-state",
        who=Who.DEPLOYER,
        role=BLOB_CONTRIBUTOR,
        scope=Scope.STATE,
        reason="writes state and locks",
    ),
    Grant(
        key="deployer-packages",
        who=Who.DEPLOYER,
        role=BLOB_CONTRIBUTOR,
        scope=Scope.PACKAGES,
        reason="keeps each package that it deploys, and finds the one to go back to",
    ),
    Grant(
        key="deployer-key",
        who=Who.DEPLOYER,
        role=STATE_SEALER,
        scope=Scope.KEY,
        reason="seals the key of a new stack, opens that of an old one",
    ),
    Grant(
        key="operator-state",
        who=Who.OPERATOR,
        role=BLOB_CONTRIBUTOR,
        scope=Scope.STATE,
        reason="moves the bootstrap's own state here; runs Pulumi by hand when pipelines cannot",
    ),
    Grant(
        key="operator-packages",
        who=Who.OPERATOR,
        role=BLOB_CONTRIBUTOR,
        scope=Scope.PACKAGES,
        reason="goes back to an earlier package by hand",
    ),
    Grant(
        key="operator-key",
        who=Who.OPERATOR,
        role=STATE_SEALER,
        scope=Scope.KEY,
        reason="as for operator-state",
    ),
)


def custom_role_id(subscription_id: str, digest: str, role: CustomRole) -> str:
    """A GUID that depends only on the arguments."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{subscription_id}|{digest}|{role.key}".lower()))
