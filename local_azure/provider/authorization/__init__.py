"""Microsoft.Authorization: role assignments, management locks, and who is signed in."""

import uuid
from collections.abc import Iterator
from typing import Any

from local_azure.arm import access, ids
from local_azure.arm.errors import ArmError
from local_azure.arm.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, TENANT_ID, Resource, Store
from local_azure.provider.authorization.locks import LOCK_TYPE
from local_azure.provider.naming import AutoName
from local_azure.provider.resource import Azure, Inputs, ResourceType, string_rule
from local_azure.provider.schema import Problem

# The Azure CLI's own application id: what getClientConfig answers for a person signed in with `az login`.
_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

_lock_name = string_rule(
    "lockName",
    r"[\w.()-]*[\w()-]",
    "it takes letters, digits, and -_.() , not a period at the end, at most 90",
    maximum=90,
)


def client_config(_azure: Azure, _arguments: Inputs) -> Inputs:
    return {
        "clientId": _CLI_CLIENT_ID,
        "objectId": DEVELOPER_PRINCIPAL_ID,
        "subscriptionId": SUBSCRIPTION_ID,
        "tenantId": TENANT_ID,
    }


def principal_type(store: Store, principal_id: str) -> str | None:
    """`User` for the developer, `ServicePrincipal` for a managed identity, None for nobody."""
    if principal_id.lower() == DEVELOPER_PRINCIPAL_ID:
        return "User"
    if access.identity_by_principal_id(store, principal_id) is not None:
        return "ServicePrincipal"
    assigned = (one.get("identity", {}).get("principalId", "") for one in store.list())
    return "ServicePrincipal" if principal_id.lower() in (one.lower() for one in assigned) else None


def refuse_role_assignment(store: Store, assignment: Resource, previous: Resource | None) -> None:
    """ArmError for what Azure refuses in a role assignment."""
    properties = assignment.get("properties", {})
    name, principal = assignment["name"], properties["principalId"]
    if not _is_guid(name):
        raise ArmError(
            400,
            "InvalidRoleAssignmentId",
            f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.",
        )
    role = access.role_definition(properties["roleDefinitionId"])
    if role is None:
        raise ArmError(
            400,
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{properties['roleDefinitionId']}' does not exist. Local "
            f"Azure knows: {', '.join(f'{one.name} ({one.guid})' for one in access.BUILT_IN_ROLES)}.",
        )
    actual = principal_type(store, principal)
    # A new identity takes minutes to reach the directory: Azure looks for it there unless the
    # request says what it is (an#1010). Here it is always that new.
    if actual is None or (actual == "ServicePrincipal" and properties.get("principalType") != actual):
        raise ArmError(
            400,
            "PrincipalNotFound",
            f"Principal {principal.replace('-', '')} does not exist in the directory {TENANT_ID}. Check that "
            "you have the correct principal ID. If you are creating this principal and then immediately "
            "assigning a role, this error might be related to a replication delay. In this case, set the "
            "role assignment principalType property to a value, such as ServicePrincipal, User, or Group.",
        )
    key = _assignment_key(assignment)
    if previous is not None and _assignment_key(previous) != key:
        raise ArmError(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        )
    for other in store.list(access.ROLE_ASSIGNMENT_TYPE):
        if not ids.same(other["id"], assignment["id"]) and _assignment_key(other) == key:
            raise ArmError(
                409,
                "RoleAssignmentExists",
                f"The role assignment already exists. The ID of the existing role assignment is "
                f"{other['name'].replace('-', '')}.",
            )


def _assignment_key(assignment: Resource) -> tuple[str, str, str]:
    properties = assignment.get("properties", {})
    role = access.role_definition(properties["roleDefinitionId"])
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


def _validate_assignment(azure: Azure, resource: Resource, previous: Resource | None) -> None:
    refuse_role_assignment(azure.store, resource, previous)


def _complete_assignment(_azure: Azure, resource: Resource, _previous: Resource | None) -> None:
    resource.setdefault("properties", {})["scope"] = ids.parse(resource["id"])[0]


def _check_lock(inputs: Inputs) -> list[Problem]:
    return [*_lock_name(inputs), *_lock_notes(inputs), *_lock_level(inputs)]


def _lock_notes(inputs: Inputs) -> Iterator[Problem]:
    notes: Any = inputs.get("notes", "")
    if isinstance(notes, str) and len(notes) > 512:
        yield Problem("notes", f"'notes' has {len(notes)} characters; at most 512")


def _lock_level(inputs: Inputs) -> Iterator[Problem]:
    if inputs.get("level") == "NotSpecified":
        yield Problem("level", "'level' is 'NotSpecified'; a lock is CanNotDelete or ReadOnly")


TYPES = (
    ResourceType(
        pulumi_type="azure-native:authorization:RoleAssignment",
        api_version="2022-04-01",
        path=f"{{scope}}/providers/{access.ROLE_ASSIGNMENT_TYPE}/{{roleAssignmentName}}",
        autoname=AutoName.UUID,
        replace_on=("principalId",),
        validate=_validate_assignment,
        complete=_complete_assignment,
    ),
    ResourceType(
        pulumi_type="azure-native:authorization:ManagementLockByScope",
        api_version="2020-05-01",
        path=f"{{scope}}/providers/{LOCK_TYPE}/{{lockName}}",
        autoname=AutoName.RANDOM,
        check=_check_lock,
    ),
)

FUNCTIONS = {"azure-native:authorization:getClientConfig": client_config}
