"""The exact role assignments of each project, as data: nothing else is granted, nothing is missing.

A project's own list of roles is read, never copied. A project grants nothing until it stands here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap import roles as bootstrap
from infra import roles as infra


@dataclass(frozen=True)
class Grant:
    """`key`: the assignment's logical name, or with `for_people` the beginning of several.

    `role_id`: of a built-in role; of a custom one empty, and `custom` the logical name of its definition.
    `scope`: ARM type of what it is granted on. `holder`: logical name of the identity that gets it, empty
    where settings name people.
    """

    key: str
    role_name: str
    scope: str
    role_id: str = ""
    custom: str = ""
    holder: str = ""
    condition: str = ""
    for_people: bool = False

    def is_for(self, name: str) -> bool:
        return name == self.key or (self.for_people and name.startswith(f"{self.key}-"))


@dataclass(frozen=True)
class Definition:
    """A custom role and all that it allows."""

    key: str
    actions: Sequence[str]
    data_actions: Sequence[str]


SCOPES: Mapping[infra.Scope | bootstrap.Scope, str] = {
    infra.Scope.STORAGE_ACCOUNT: "Microsoft.Storage/storageAccounts",
    infra.Scope.OPENAI_ACCOUNT: "Microsoft.CognitiveServices/accounts",
    infra.Scope.APP_INSIGHTS: "Microsoft.Insights/components",
    bootstrap.Scope.SUBSCRIPTION: "subscription",
    bootstrap.Scope.STATE: "Microsoft.Storage/storageAccounts/blobServices/containers",
    bootstrap.Scope.PACKAGES: "Microsoft.Storage/storageAccounts/blobServices/containers",
    bootstrap.Scope.KEY: "Microsoft.KeyVault/vaults/keys",
}
_HOLDERS = {bootstrap.Who.READER: "reader-identity", bootstrap.Who.DEPLOYER: "deployer-identity"}


def _of_bootstrap(grant: bootstrap.Grant) -> Grant:
    role = grant.role
    return Grant(
        grant.key,
        role.name,
        SCOPES[grant.scope],
        role_id=role.id if isinstance(role, bootstrap.BuiltIn) else "",
        custom=role.key if isinstance(role, bootstrap.CustomRole) else "",
        holder=_HOLDERS.get(grant.who, ""),
        condition=grant.condition,
        for_people=grant.who is bootstrap.Who.OPERATOR,
    )


GRANTS: Mapping[str, Sequence[Grant]] = {
    "assistant": tuple(
        Grant(role.key, role.name, SCOPES[role.scope], role_id=role.id, holder="app-identity")
        for role in infra.APP_ROLES
    ),
    "bootstrap": tuple(_of_bootstrap(grant) for grant in bootstrap.GRANTS),
}
"""Project to all that it may grant."""

DEFINITIONS: Mapping[str, Sequence[Definition]] = {
    "bootstrap": tuple(
        Definition(role.key, role.actions, role.data_actions) for role in bootstrap.CUSTOM_ROLES
    ),
}
"""Project to the custom roles that it may define."""
