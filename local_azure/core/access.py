"""Azure role-based access control: built-in and custom roles, and which actions a principal may take."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from local_azure.core import ids
from local_azure.core.built_in_roles import built_in_roles
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store

ROLE_ASSIGNMENT_TYPE = "Microsoft.Authorization/roleAssignments"
ROLE_DEFINITION_TYPE = "Microsoft.Authorization/roleDefinitions"
IDENTITY_TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass(frozen=True)
class RoleDefinition:
    """A role (Docs: Azure built-in roles). `*` in an action is any text, slashes included."""

    guid: str
    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows_action(self, action: str) -> bool:
        return _matches(action, self.actions) and not _matches(action, self.not_actions)

    def allows_data_action(self, data_action: str) -> bool:
        return _matches(data_action, self.data_actions) and not _matches(data_action, self.not_data_actions)


BUILT_IN_ROLES = tuple(
    RoleDefinition(guid, name, *(actions.get(kind, ()) for kind in ("actions", "notActions", "dataActions")))
    for guid, name, actions in built_in_roles()
)
_BY_GUID = {role.guid: role for role in BUILT_IN_ROLES}

# The developer at the laptop: Owner, and the data-plane rights that Owner does not include.
_DEVELOPER_ROLES = (
    "Owner",
    "Storage Blob Data Owner",
    "Storage Queue Data Contributor",
    "Storage Table Data Contributor",
    "Cognitive Services OpenAI User",
)


def role_definition(store: Store, role_definition_id: str) -> RoleDefinition | None:
    """The role behind a role definition id: a built-in one at any scope, or a custom one of the store."""
    try:
        _, resource_type, names = ids.parse(role_definition_id)
    except ValueError:
        return None
    if resource_type.lower() != ROLE_DEFINITION_TYPE.lower():
        return None
    return _BY_GUID.get(names[-1].lower()) or _custom_role(store, names[-1])


def custom_role_resource(store: Store, guid: str) -> Resource | None:
    """The custom role with that GUID, which is unique in a directory, whatever the scope in its id."""
    definitions = store.list(ROLE_DEFINITION_TYPE)
    return next((role for role in definitions if role["name"].lower() == guid.lower()), None)


def _custom_role(store: Store, guid: str) -> RoleDefinition | None:
    definition = custom_role_resource(store, guid)
    if definition is None:
        return None
    properties = definition.get("properties", {})
    permissions = properties["permissions"][0]
    actions = (
        tuple(permissions.get(name, ()))
        for name in ("actions", "notActions", "dataActions", "notDataActions")
    )
    return RoleDefinition(definition["name"].lower(), properties["roleName"], *actions)


def permits(
    store: Store,
    principal_id: str,
    scope: str,
    *,
    action: str | None = None,
    data_action: str | None = None,
) -> bool:
    """Whether roles at the scope or above it allow the action and the data action (those given)."""
    roles = list(_roles_at(store, principal_id, scope))
    return (action is None or any(role.allows_action(action) for role in roles)) and (
        data_action is None or any(role.allows_data_action(data_action) for role in roles)
    )


def _roles_at(store: Store, principal_id: str, scope: str) -> Iterator[RoleDefinition]:
    if principal_id.lower() == DEVELOPER_PRINCIPAL_ID and ids.is_at_or_below(
        scope, ids.subscription(SUBSCRIPTION_ID)
    ):
        yield from (role for role in BUILT_IN_ROLES if role.name in _DEVELOPER_ROLES)
    for assignment in store.list(ROLE_ASSIGNMENT_TYPE):
        properties = assignment.get("properties", {})
        if properties["principalId"].lower() == principal_id.lower() and ids.is_at_or_below(
            scope, properties["scope"]
        ):
            role = role_definition(store, properties["roleDefinitionId"])
            if role is not None:
                yield role


def principal_type(store: Store, principal_id: str) -> str | None:
    """`User` for the developer, `ServicePrincipal` for a managed identity, None for an unknown id."""
    if principal_id.lower() == DEVELOPER_PRINCIPAL_ID:
        return "User"
    if identity_by_principal_id(store, principal_id) is not None:
        return "ServicePrincipal"
    system_assigned = (resource.get("identity", {}).get("principalId", "") for resource in store.list())
    return "ServicePrincipal" if principal_id.lower() in map(str.lower, system_assigned) else None


def identity_by_principal_id(store: Store, principal_id: str) -> Resource | None:
    """The user-assigned identity with that `properties.principalId`."""
    for identity in store.list(IDENTITY_TYPE):
        if identity.get("properties", {}).get("principalId", "").lower() == principal_id.lower():
            return identity
    return None


def _matches(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
