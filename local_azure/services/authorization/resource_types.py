"""Microsoft.Authorization: role assignments, custom roles, management locks, the client configuration."""

import re
import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any

from local_azure.core import access, ids
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour, Inputs
from local_azure.core.schema import Problem
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID, Resource, Store

# The application id of the Azure CLI: getClientConfig returns it for a person signed in with `az login`.
_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


def _client_config(_azure: Azure, _arguments: Inputs) -> Inputs:
    return {
        "clientId": _CLI_CLIENT_ID,
        "objectId": DEVELOPER_PRINCIPAL_ID,
        "subscriptionId": SUBSCRIPTION_ID,
        "tenantId": TENANT_ID,
    }


def _validate_assignment(azure: Azure, assignment: Resource, previous: Resource | None) -> None:
    store, properties = azure.store, assignment.get("properties", {})
    name, principal = assignment["name"], properties["principalId"]
    if not _is_guid(name):
        text = f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
        raise ArmError(400, "InvalidRoleAssignmentId", text)
    role = access.role_definition(store, properties["roleDefinitionId"])
    if role is None:
        built_in = ", ".join(f"{definition.name} ({definition.guid})" for definition in access.BUILT_IN_ROLES)
        raise ArmError(
            400,
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{properties['roleDefinitionId']}' does not exist. Local "
            f"Azure has: {built_in}.",
        )
    _validate_scope(store, role.guid, ids.parse(assignment["id"])[0])
    _validate_condition(properties)
    actual = access.principal_type(store, principal)
    # Azure looks a principal up in the directory, which lacks a new identity for minutes, unless the
    # request has its principalType (an#1010). Here every identity is that new.
    if actual is None or (actual == "ServicePrincipal" and properties.get("principalType") != actual):
        raise ArmError(
            400,
            "PrincipalNotFound",
            f"Principal {principal.replace('-', '')} does not exist in the directory {TENANT_ID}. Check that "
            "you have the correct principal ID. If you are creating this principal and then immediately "
            "assigning a role, this error might be related to a replication delay. In this case, set the "
            "role assignment principalType property to a value, such as ServicePrincipal, User, or Group.",
        )
    key = _assignment_key(store, assignment)
    if previous is not None and _assignment_key(store, previous) != key:
        text = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
        raise ArmError(400, "RoleAssignmentUpdateNotPermitted", text)
    for other in store.list(access.ROLE_ASSIGNMENT_TYPE):
        if not ids.same(other["id"], assignment["id"]) and _assignment_key(store, other) == key:
            raise ArmError(
                409,
                "RoleAssignmentExists",
                f"The role assignment already exists. The ID of the existing role assignment is "
                f"{other['name'].replace('-', '')}.",
            )


def _validate_scope(store: Store, role_guid: str, scope: str) -> None:
    custom = access.custom_role_resource(store, role_guid)
    if custom is None:
        return
    allowed = custom.get("properties", {})["assignableScopes"]
    if not any(ids.is_at_or_below(scope, assignable) for assignable in allowed):
        raise ArmError(
            400,
            "RoleAssignmentScopeNotAssignableToRoleDefinition",
            f"The role assignment's scope '{scope}' is not among the assignable scopes of role definition "
            f"'{role_guid}': {', '.join(allowed)}.",
        )


def _validate_condition(properties: dict[str, Any]) -> None:
    condition, version = properties.get("condition"), properties.get("conditionVersion")
    if bool(condition) != bool(version):
        text = f"condition is {condition!r} and conditionVersion is {version!r}: each needs the other."
        raise ArmError(400, "InvalidRoleAssignmentCondition", text)
    if not condition:
        return
    # "Currently the only accepted value is '2.0'" (azure-rest-api-specs, authorization).
    if version != "2.0":
        text = f"conditionVersion is '{version}'; its only value is '2.0'."
        raise ArmError(400, "InvalidRoleAssignmentCondition", text)
    if not _balanced(condition) or not re.search(r"ActionMatches\s*\{|@\w+\[", condition):
        raise ArmError(
            400,
            "InvalidRoleAssignmentCondition",
            "The condition is not valid: it consists of actions (ActionMatches{…}) and attributes "
            "(@Request[…], @Resource[…]) in matching brackets (Docs: Conditions format).",
        )


def _balanced(condition: str) -> bool:
    opened: list[str] = []
    for character in re.sub(r"'[^']*'", "", condition):
        if character in "([{":
            opened.append(character)
        elif character in ")]}" and (not opened or opened.pop() + character not in ("()", "[]", "{}")):
            return False
    return not opened


def _assignment_key(store: Store, assignment: Resource) -> tuple[str, str, str]:
    properties = assignment.get("properties", {})
    role = access.role_definition(store, properties["roleDefinitionId"])
    return (
        ids.key(ids.parse(assignment["id"])[0]),
        properties["principalId"].lower(),
        role.guid if role else "",
    )


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _complete_assignment(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["scope"] = ids.parse(resource["id"])[0]


def _validate_role_definition(azure: Azure, definition: Resource, _previous: Resource | None) -> None:
    """Docs: Azure custom roles."""
    properties, name = definition.get("properties", {}), definition["name"]
    for code, reason in _role_problems(name, ids.parse(definition["id"])[0], properties):
        raise ArmError(400, code, reason)
    names = [
        *(role.name for role in access.BUILT_IN_ROLES),
        *(
            other.get("properties", {})["roleName"]
            for other in azure.store.list(access.ROLE_DEFINITION_TYPE)
            if not ids.same(other["id"], definition["id"])
        ),
    ]
    if properties["roleName"].lower() in map(str.lower, names):
        raise ArmError(
            409,
            "RoleDefinitionWithSameNameExists",
            f"A custom role with the same name already exists in this directory: '{properties['roleName']}'. "
            "Use a different name.",
        )


def _role_problems(guid: str, scope: str, properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not _is_guid(guid):
        yield "RoleDefinitionIdInvalid", f"The role definition ID '{guid}' is not valid: it must be a GUID."
    name = properties.get("roleName", "")
    if not 1 <= len(name) <= 512:
        yield "InvalidRoleDefinitionName", f"roleName has {len(name)} characters; it takes 1 to 512."
    if properties.get("type", "CustomRole") != "CustomRole":
        yield "InvalidRoleDefinitionType", f"roleType is '{properties['type']}'; only CustomRole can be made."
    scopes = properties.get("assignableScopes", [])
    subscription = ids.subscription(SUBSCRIPTION_ID)
    outside = [assignable for assignable in scopes if not ids.is_at_or_below(assignable, subscription)]
    if not scopes or outside:
        yield (
            "LinkedInvalidPropertyId" if outside else "InvalidAssignableScopes",
            f"assignableScopes is {scopes}: at least one scope, all of them '{subscription}' or below it.",
        )
    elif not any(ids.same(assignable, scope) for assignable in scopes):
        yield (
            "AuthorizationFailed",
            f"The role's own scope is '{scope}', which is not among its assignableScopes {scopes}.",
        )
    permissions = properties.get("permissions", [])
    if len(permissions) != 1:
        yield "InvalidPermissions", f"permissions has {len(permissions)} members; a role has exactly one."
        return
    granted = [*permissions[0].get("actions", []), *permissions[0].get("dataActions", [])]
    if not granted:
        text = "permissions[0] has neither actions nor dataActions: the role grants nothing."
        yield "InvalidPermissions", text
    for action in chain.from_iterable(permissions[0].values()):
        if not _ACTION.fullmatch(action):
            yield (
                "InvalidActionOrNotAction",
                f"'{action}' does not match any of the actions supported by the providers.",
            )


# `Microsoft.Web/sites/config/list/action`, `*/read`, `*`. The operations of providers are not known here.
_ACTION = re.compile(r"\*|(\*|[A-Za-z]+(\.[A-Za-z]+)+)(/[A-Za-z0-9*._-]+)+")


def _complete_role_definition(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["type"] = "CustomRole"


def _refuse_assigned(azure: Azure, resource: Resource) -> None:
    guid = resource["name"].lower()
    for assignment in azure.store.list(access.ROLE_ASSIGNMENT_TYPE):
        if assignment.get("properties", {})["roleDefinitionId"].lower().endswith(f"/{guid}"):
            raise ArmError(
                400,
                "RoleDefinitionHasAssignments",
                f"There are existing role assignments referencing role '{resource['name']}', such as "
                f"'{assignment['id']}'.",
            )


def _check_lock(inputs: Inputs) -> Iterator[Problem]:
    notes: Any = inputs.get("notes", "")
    if isinstance(notes, str) and len(notes) > 512:
        yield Problem("notes", f"'notes' has {len(notes)} characters; at most 512")
    if inputs.get("level") == "NotSpecified":
        yield Problem("level", "'level' is 'NotSpecified'; a lock is CanNotDelete or ReadOnly")


TYPES = (
    known(
        "authorization:RoleAssignment",
        Behaviour(
            validate=_validate_assignment,
            complete=_complete_assignment,
        ),
    ),
    known(
        "authorization:RoleDefinition",
        Behaviour(
            renames={"roleType": "type"},
            validate=_validate_role_definition,
            complete=_complete_role_definition,
            refuse_delete=_refuse_assigned,
        ),
    ),
    known("authorization:ManagementLockByScope", Behaviour(check=_check_lock)),
)

FUNCTIONS = {"azure-native:authorization:getClientConfig": _client_config}
