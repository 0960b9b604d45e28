"""Microsoft.Authorization: role assignments, custom roles, management locks, the client configuration."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from local_azure.core import access, ids
from local_azure.core.change import Change, Rule, refusing
from local_azure.core.errors import ArmError
from local_azure.core.known_types import known
from local_azure.core.resource import Azure, Behaviour, Inputs
from local_azure.core.schema import Problem
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID, Resource

CLIENT_CONFIG = "azure-native:authorization:getClientConfig"
# The application id of the Azure CLI: getClientConfig returns it for a person signed in with `az login`.
_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


def client_config() -> Inputs:
    return {
        "clientId": _CLI_CLIENT_ID,
        "objectId": DEVELOPER_PRINCIPAL_ID,
        "subscriptionId": SUBSCRIPTION_ID,
        "tenantId": TENANT_ID,
    }


def _role(assignment: Change) -> access.RoleDefinition | None:
    return access.role_definition(assignment.store, assignment.at("roleDefinitionId"))


def _scope(change: Change) -> str:
    return ids.parse(change.resource["id"])[0]


def _scopes_of_role(assignment: Change) -> str | None:
    """The assignable scopes of a custom role, where that of the assignment is not among them."""
    role = _role(assignment)
    custom = role and access.custom_role_resource(assignment.store, role.guid)
    scopes = custom.get("properties", {})["assignableScopes"] if custom else ["/"]
    return (
        None if any(ids.is_at_or_below(_scope(assignment), scope) for scope in scopes) else ", ".join(scopes)
    )


def _invalid_condition(assignment: Change) -> str | None:
    condition, version = assignment.at("condition"), assignment.at("conditionVersion")
    if bool(condition) != bool(version):
        return f"condition is {condition!r} and conditionVersion is {version!r}: each needs the other."
    # "Currently the only accepted value is '2.0'" (azure-rest-api-specs, authorization).
    if version not in (None, "2.0"):
        return f"conditionVersion is '{version}'; its only value is '2.0'."
    if condition and not (_balanced(condition) and re.search(r"ActionMatches\s*\{|@\w+\[", condition)):
        return (
            "The condition is not valid: it consists of actions (ActionMatches{…}) and attributes "
            "(@Request[…], @Resource[…]) in matching brackets (Docs: Conditions format)."
        )
    return None


def _balanced(condition: str) -> bool:
    opened: list[str] = []
    for character in re.sub(r"'[^']*'", "", condition):
        if character in "([{":
            opened.append(character)
        elif character in ")]}" and (not opened or opened.pop() + character not in ("()", "[]", "{}")):
            return False
    return not opened


def _unknown_principal(assignment: Change) -> str | None:
    # Azure looks a principal up in the directory, which lacks a new identity for minutes, unless the
    # request has its principalType (an#1010). Here every identity is that new.
    actual = access.principal_type(assignment.store, assignment.at("principalId"))
    is_known = actual == assignment.at("principalType") if actual == "ServicePrincipal" else actual
    return None if is_known else assignment.at("principalId").replace("-", "")


def _key(assignment: Change) -> tuple[str, str, str]:
    """Equal for assignments of the same role to the same principal at the same scope."""
    role = _role(assignment)
    return ids.key(_scope(assignment)), assignment.at("principalId").lower(), role.guid if role else ""


def _existing(assignment: Change) -> str | None:
    others = assignment.others(access.ROLE_ASSIGNMENT_TYPE)
    return next((other.name.replace("-", "") for other in others if _key(other) == _key(assignment)), None)


def _is_guid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _complete_assignment(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["scope"] = ids.parse(resource["id"])[0]


def _is_name_taken(role: Change) -> bool:
    custom = (other.at("roleName") for other in role.others(access.ROLE_DEFINITION_TYPE))
    names = (*(built_in.name for built_in in access.BUILT_IN_ROLES), *custom)
    return role.at("roleName").lower() in map(str.lower, names)


def _scopes(role: Change) -> list[str]:
    return role.at("assignableScopes", [])


def _actions(role: Change, *kinds: str) -> list[str]:
    return [action for kind in kinds for action in role.at("permissions")[0].get(kind, [])]


# `Microsoft.Web/sites/config/list/action`, `*/read`, `*`. The operations of providers are not known here.
_KINDS = ("actions", "notActions", "dataActions", "notDataActions")
_ACTION = re.compile(r"\*|(\*|[A-Za-z]+(\.[A-Za-z]+)+)(/[A-Za-z0-9*._-]+)+")


_SUBSCRIPTION = ids.subscription(SUBSCRIPTION_ID)
_BUILT_IN = ", ".join(f"{role.name} ({role.guid})" for role in access.BUILT_IN_ROLES)
# fmt: off
_ASSIGNMENT_RULES: tuple[Rule, ...] = (
    ("InvalidRoleAssignmentId", lambda assignment: not _is_guid(assignment.name),
        "The role assignment ID '{change.name}' is not valid. The role assignment ID must be a GUID."),
    ("RoleDefinitionDoesNotExist", lambda assignment: _role(assignment) is None,
        "The specified role definition with ID '{change.resource[properties][roleDefinitionId]}' does not "
        f"exist. Local Azure has: {_BUILT_IN}."),
    ("RoleAssignmentScopeNotAssignableToRoleDefinition", _scopes_of_role,
        "The scope of the role assignment '{change.resource[id]}' is not among the assignable scopes of its "
        "role definition: {value}."),
    ("InvalidRoleAssignmentCondition", _invalid_condition, "{value}"),
    ("PrincipalNotFound", _unknown_principal, "Principal {value} does not exist in the directory "
        f"{TENANT_ID}. Check that you have the correct principal ID. If you are creating this principal and "
        "then immediately assigning a role, this error might be related to a replication delay. In this "
        "case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or "
        "Group."),
    ("RoleAssignmentUpdateNotPermitted", lambda assignment: _key(assignment.was) != _key(assignment),
        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."),
    ("409 RoleAssignmentExists", _existing,
        "The role assignment already exists. The ID of the existing role assignment is {value}."),
)
# Docs: Azure custom roles.
_ROLE_RULES: tuple[Rule, ...] = (
    ("RoleDefinitionIdInvalid", lambda role: not _is_guid(role.name),
        "The role definition ID '{change.name}' is not valid: it must be a GUID."),
    ("InvalidRoleDefinitionName",
        lambda role: (length := len(role.at("roleName", ""))) not in range(1, 513) and str(length),
        "roleName has {value} characters; it takes 1 to 512."),
    ("InvalidRoleDefinitionType", lambda role: role.at("type", "CustomRole") != "CustomRole",
        "roleType is '{change.resource[properties][type]}'; only CustomRole can be made."),
    ("InvalidAssignableScopes", lambda role: not _scopes(role),
        f"assignableScopes is empty: at least one scope, all of them '{_SUBSCRIPTION}' or below it."),
    ("LinkedInvalidPropertyId",
        lambda role: [scope for scope in _scopes(role) if not ids.is_at_or_below(scope, _SUBSCRIPTION)],
        f"assignableScopes has {{value}}: all of them are '{_SUBSCRIPTION}' or below it."),
    ("AuthorizationFailed", lambda role: ids.key(_scope(role)) not in map(ids.key, _scopes(role)),
        "The own scope of the role '{change.resource[id]}' is not among its assignableScopes."),
    ("InvalidPermissions",
        lambda role: (number := len(role.at("permissions", []))) != 1 and str(number),
        "permissions has {value} members; a role has exactly one."),
    ("InvalidPermissions", lambda role: not _actions(role, "actions", "dataActions"),
        "permissions[0] has neither actions nor dataActions: the role grants nothing."),
    ("InvalidActionOrNotAction",
        lambda role: [action for action in _actions(role, *_KINDS) if not _ACTION.fullmatch(action)],
        "{value}: does not match any of the actions supported by the providers."),
    ("409 RoleDefinitionWithSameNameExists", _is_name_taken,
        "A custom role with the same name already exists in this directory: "
        "'{change.resource[properties][roleName]}'. Use a different name."),
)
# fmt: on


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
            validate=refusing(*_ASSIGNMENT_RULES),
            complete=_complete_assignment,
        ),
    ),
    known(
        "authorization:RoleDefinition",
        Behaviour(
            renames={"roleType": "type"},
            validate=refusing(*_ROLE_RULES),
            complete=_complete_role_definition,
            refuse_delete=_refuse_assigned,
        ),
    ),
    known("authorization:ManagementLockByScope", Behaviour(check=_check_lock)),
)
