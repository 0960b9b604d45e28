"""Azure role-based access control: built-in and custom roles, and which actions a principal may take."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from local_azure.core import ids
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


def _at(prefix: str, *operations: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{operation}" for operation in operations)


_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_DELEGATION_KEY = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_COGNITIVE = "Microsoft.CognitiveServices"
_OPENAI = f"{_COGNITIVE}/accounts/OpenAI"
_VAULT_KEYS = "Microsoft.KeyVault/vaults/keys"
_READ_ROLES = _at("Microsoft.Authorization", "roleAssignments/read", "roleDefinitions/read")
_READ_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups/read"
_SUPPORT = "Microsoft.Support/*"
_MANAGE = (
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    _READ_GROUPS,
    _SUPPORT,
)
"""In each of the roles for managing one kind of resource."""

BUILT_IN_ROLES = (
    RoleDefinition("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ("*",)),
    RoleDefinition(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        ("*",),
        _at("Microsoft.Authorization", "*/Delete", "*/Write", "elevateAccess/Action"),
    ),
    RoleDefinition("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", ("*/read",)),
    RoleDefinition(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        ("*/read", "Microsoft.Authorization/*", _SUPPORT),
    ),
    RoleDefinition(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        (*_at("Microsoft.Authorization/roleAssignments", "write", "delete"), "*/read", _SUPPORT),
    ),
    RoleDefinition(
        "de139f84-1756-47ae-9be6-808fbbe84772",
        "Website Contributor",
        (
            *_MANAGE,
            "Microsoft.Insights/components/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            *_at("Microsoft.Web", "certificates/*", "listSitesAssignedToHostName/read", "sites/*"),
            *_at("Microsoft.Web/serverFarms", "join/action", "read"),
        ),
    ),
    RoleDefinition(
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "Storage Account Contributor",
        (*_MANAGE, "Microsoft.Insights/diagnosticSettings/*", "Microsoft.Storage/storageAccounts/*"),
    ),
    RoleDefinition(
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "Storage Blob Data Owner",
        (f"{_CONTAINERS}/*", _DELEGATION_KEY),
        data_actions=(f"{_CONTAINERS}/blobs/*",),
    ),
    RoleDefinition(
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        (*_at(_CONTAINERS, "delete", "read", "write"), _DELEGATION_KEY),
        data_actions=_at(f"{_CONTAINERS}/blobs", "delete", "read", "write", "move/action", "add/action"),
    ),
    RoleDefinition(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        (f"{_CONTAINERS}/read", _DELEGATION_KEY),
        data_actions=(f"{_CONTAINERS}/blobs/read",),
    ),
    RoleDefinition(
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "Storage Queue Data Contributor",
        _at(_QUEUES, "delete", "read", "write"),
        data_actions=_at(f"{_QUEUES}/messages", "delete", "read", "write", "process/action"),
    ),
    RoleDefinition(
        "19e7f393-937e-4f77-808e-94535e297925",
        "Storage Queue Data Reader",
        (f"{_QUEUES}/read",),
        data_actions=(f"{_QUEUES}/messages/read",),
    ),
    RoleDefinition(
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        "Storage Table Data Contributor",
        _at(_TABLES, "read", "write", "delete"),
        data_actions=_at(f"{_TABLES}/entities", "read", "write", "delete", "add/action", "update/action"),
    ),
    RoleDefinition(
        "76199698-9eea-4c19-bc75-cec21354c6b6",
        "Storage Table Data Reader",
        (f"{_TABLES}/read",),
        data_actions=(f"{_TABLES}/entities/read",),
    ),
    RoleDefinition(
        "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68",
        "Cognitive Services Contributor",
        (*_MANAGE, f"{_COGNITIVE}/*", "Microsoft.Insights/diagnosticSettings/*"),
    ),
    RoleDefinition(
        "a97b65f3-24c7-4388-baec-2e87135dc908",
        "Cognitive Services User",
        _at(_COGNITIVE, "*/read", "accounts/listkeys/action"),
        data_actions=(f"{_COGNITIVE}/*",),
    ),
    RoleDefinition(
        "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
        "Cognitive Services OpenAI User",
        (f"{_COGNITIVE}/*/read", *_READ_ROLES),
        data_actions=(
            *_at(_OPENAI, "*/read", "images/generations/action", "responses/*"),
            *_at(f"{_OPENAI}/engines", "completions/action", "search/action", "generate/action"),
            *_at(
                f"{_OPENAI}/deployments",
                "audio/action",
                "search/action",
                "completions/action",
                "chat/completions/action",
                "extensions/chat/completions/action",
                "embeddings/action",
            ),
        ),
    ),
    RoleDefinition(
        "a001fd3d-188f-4b5d-821b-7da978bf7442",
        "Cognitive Services OpenAI Contributor",
        (
            f"{_COGNITIVE}/*/read",
            *_at(f"{_COGNITIVE}/accounts/deployments", "write", "delete"),
            *_at(f"{_COGNITIVE}/accounts/raiPolicies", "read", "write", "delete"),
            *_READ_ROLES,
        ),
        data_actions=(f"{_OPENAI}/*",),
    ),
    RoleDefinition(
        "3913510d-42f4-4e42-8a64-420c390055eb",
        "Monitoring Metrics Publisher",
        ("Microsoft.Insights/Register/Action", _SUPPORT, _READ_GROUPS),
        data_actions=_at("Microsoft.Insights", "Metrics/Write", "Telemetry/Write"),
    ),
    RoleDefinition(
        "28bf596f-4eb7-45ce-b5bc-6cf482fec137",
        "Locks Contributor",
        _at("Microsoft.Authorization/locks", "read", "write", "delete"),
    ),
    RoleDefinition(
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        "Key Vault Crypto Officer",
        (
            *_MANAGE,
            *_at("Microsoft.KeyVault", "checkNameAvailability/read", "deletedVaults/read", "operations/read"),
            *_at("Microsoft.KeyVault", "locations/*/read", "vaults/*/read"),
        ),
        data_actions=(f"{_VAULT_KEYS}/*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*"),
    ),
    RoleDefinition(
        "12338af0-0e69-4776-bea7-57ae8d297424",
        "Key Vault Crypto User",
        data_actions=(
            f"{_VAULT_KEYS}/read",
            *_at(_VAULT_KEYS, "update/action", "backup/action", "encrypt/action", "decrypt/action"),
            *_at(_VAULT_KEYS, "wrap/action", "unwrap/action", "sign/action", "verify/action"),
        ),
    ),
    RoleDefinition(
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        (
            *_at(IDENTITY_TYPE, "*/read", "*/assign/action"),
            "Microsoft.Authorization/*/read",
            _READ_GROUPS,
            _SUPPORT,
        ),
    ),
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
