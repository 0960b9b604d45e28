"""The exact role assignments of each project, as data: nothing else is granted, nothing is missing.

A project's own list of roles is read, never copied. A new project has no assignments until it stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.roles import APP_ROLES, Scope


@dataclass(frozen=True)
class Grant:
    """`key`: the assignment's logical name; `scope`: ARM type of what it is granted on; `holder`: logical
    name of the identity that gets it.
    """

    key: str
    role_id: str
    role_name: str
    scope: str
    holder: str


SCOPES = {
    Scope.STORAGE_ACCOUNT: "Microsoft.Storage/storageAccounts",
    Scope.OPENAI_ACCOUNT: "Microsoft.CognitiveServices/accounts",
    Scope.APP_INSIGHTS: "Microsoft.Insights/components",
}

GRANTS: Mapping[str, tuple[Grant, ...]] = {
    "assistant": tuple(
        Grant(role.key, role.id, role.name, SCOPES[role.scope], holder="app-identity") for role in APP_ROLES
    ),
}
"""Project to all that it may grant."""
