"""The role assignments that each project must have, and the only ones that it may have, as data.

They are derived from the projects' own lists of roles. A project that is not listed here may grant nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap import roles as bootstrap
from infra import roles as infra


@dataclass(frozen=True)
class Grant:
    """`key`: the assignment's logical name, or with `for_people` the prefix of several names.

    `scope`: ARM type of the resource on which it is granted. `role_id`: id of a built-in role; empty for a
    custom role, where `custom` is the logical name of its definition. `holder`: logical name of the identity
    that receives it, empty where the settings name people.
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


_CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
_SCOPES: Mapping[infra.Scope | bootstrap.Scope, str] = {
    infra.Scope.STORAGE_ACCOUNT: "Microsoft.Storage/storageAccounts",
    infra.Scope.OPENAI_ACCOUNT: "Microsoft.CognitiveServices/accounts",
    infra.Scope.APP_INSIGHTS: "Microsoft.Insights/components",
    bootstrap.Scope.SUBSCRIPTION: "subscription",
    bootstrap.Scope.STATE: _CONTAINER,
    bootstrap.Scope.PACKAGES: _CONTAINER,
    bootstrap.Scope.KEY: "Microsoft.KeyVault/vaults/keys",
}


def _of_bootstrap(grant: bootstrap.Grant) -> Grant:
    role, for_people = grant.role, grant.who is bootstrap.Who.OPERATOR
    return Grant(
        grant.key,
        role.name,
        _SCOPES[grant.scope],
        role_id=role.id if isinstance(role, bootstrap.BuiltIn) else "",
        custom=role.key if isinstance(role, bootstrap.CustomRole) else "",
        holder="" if for_people else f"{grant.who.value}-identity",
        condition=grant.condition,
        for_people=for_people,
    )


GRANTS: Mapping[str, Sequence[Grant]] = {
    "assistant": [
        Grant(role.key, role.name, _SCOPES[role.scope], role_id=role.id, holder="app-identity")
        for role in infra.APP_ROLES
    ],
    "bootstrap": [_of_bootstrap(grant) for grant in bootstrap.GRANTS],
}
"""The role assignments of each project, by project name."""

CUSTOM_ROLES: Mapping[str, Sequence[bootstrap.CustomRole]] = {"bootstrap": bootstrap.CUSTOM_ROLES}
"""The custom roles of each project, by project name."""
