"""Custom roles, and role assignments that use them or carry a condition."""

from typing import Any

import pytest

from local_azure.core.errors import ArmError
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import GROUP_ID, IDENTITY_ID, SUBSCRIPTION, Inputs
from local_azure.tests.frontends.pulumi.support import Cloud

ROLE = "azure-native:authorization:RoleDefinition"
GUID = "0b7f1f5e-3f1c-5d3e-8a41-2f8d1c7e9a10"
RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
CONDITION = (
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
    "(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals "
    "{b7e6dc6d-f1e8-4753-8033-0f276bb0955b}))"
)


def role_inputs(**changes: Any) -> Inputs:
    return {
        "scope": SUBSCRIPTION,
        "roleDefinitionId": GUID,
        "roleName": "Assistant settings reader",
        "assignableScopes": [SUBSCRIPTION],
        "permissions": [{"actions": ["Microsoft.Web/sites/config/list/action"]}],
        **changes,
    }


@pytest.fixture
def principal(cloud: Cloud) -> str:
    cloud.create(stack.GROUP, stack.group_inputs())
    return cloud.create(stack.IDENTITY, stack.identity_inputs()).get("properties", {})["principalId"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"roleDefinitionId": "settings-reader"}, "RoleDefinitionIdInvalid"),
        ({"roleName": ""}, "InvalidRoleDefinitionName"),
        ({"roleName": "Storage Blob Data Owner"}, "RoleDefinitionWithSameNameExists"),
        ({"roleType": "BuiltInRole"}, "InvalidRoleDefinitionType"),
        ({"assignableScopes": list[str]()}, "InvalidAssignableScopes"),
        ({"assignableScopes": ["/subscriptions/another"]}, "LinkedInvalidPropertyId"),
        ({"assignableScopes": [GROUP_ID]}, "AuthorizationFailed"),
        ({"permissions": list[str]()}, "InvalidPermissions"),
        ({"permissions": [{"notActions": ["*/read"]}]}, "InvalidPermissions"),
        ({"permissions": [{"actions": ["list app settings"]}]}, "InvalidActionOrNotAction"),
        ({"permissions": [{"dataActions": ["decrypt"]}]}, "InvalidActionOrNotAction"),
    ],
)
def test_what_azure_refuses_in_a_custom_role(cloud: Cloud, changes: Inputs, text: str) -> None:
    assert text in cloud.refusal(ROLE, role_inputs(**changes))


def test_a_custom_role_has_its_type_and_a_unique_name(cloud: Cloud) -> None:
    role = cloud.create(ROLE, role_inputs())
    assert role["id"] == f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{GUID}"
    assert role.get("properties", {})["type"] == "CustomRole"
    other = role_inputs(roleDefinitionId=RBAC_ADMINISTRATOR, roleName="ASSISTANT settings reader")
    assert "RoleDefinitionWithSameNameExists" in cloud.refusal(ROLE, other)


def test_a_custom_role_is_assigned_in_its_scopes_and_stays_while_it_is(cloud: Cloud, principal: str) -> None:
    role = cloud.create(ROLE, role_inputs(scope=GROUP_ID, assignableScopes=[GROUP_ID]))
    above = stack.assignment_inputs(SUBSCRIPTION, principal, GUID)
    assert "NotAssignable" in cloud.refusal(stack.ASSIGNMENT, above)
    assignment = cloud.create(stack.ASSIGNMENT, stack.assignment_inputs(IDENTITY_ID, principal, GUID))
    with pytest.raises(ArmError, match="RoleDefinitionHasAssignments"):
        cloud.delete(role)
    cloud.delete(assignment)
    cloud.delete(role)
    assert cloud.store.get(role["id"]) is None


def test_a_condition_is_kept_with_its_version(cloud: Cloud, principal: str) -> None:
    condition = {"condition": CONDITION, "conditionVersion": "2.0"}
    inputs = stack.assignment_inputs(SUBSCRIPTION, principal, RBAC_ADMINISTRATOR, **condition)
    properties = cloud.create(stack.ASSIGNMENT, inputs).get("properties", {})
    assert condition.items() <= properties.items()


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": CONDITION},
        {"conditionVersion": "2.0"},
        {"condition": CONDITION, "conditionVersion": "1.0"},
        {"condition": CONDITION[:-1], "conditionVersion": "2.0"},
        {"condition": "only five roles", "conditionVersion": "2.0"},
    ],
)
def test_a_condition_that_azure_cannot_read_is_refused(cloud: Cloud, principal: str, changes: Inputs) -> None:
    inputs = stack.assignment_inputs(SUBSCRIPTION, principal, RBAC_ADMINISTRATOR, **changes)
    assert "InvalidRoleAssignmentCondition" in cloud.refusal(stack.ASSIGNMENT, inputs)
