"""Custom roles, and role assignments that use them or carry a condition."""

from typing import Any

import grpc.aio
import pytest

from local_azure.core import ids
from local_azure.core.store import SUBSCRIPTION_ID
from local_azure.tests.frontends.pulumi.stack import (
    ASSIGNMENT,
    assignment_inputs,
    make_group,
    make_identity,
)
from local_azure.tests.frontends.pulumi.support import Engine, Inputs

ROLE = "azure-native:authorization:RoleDefinition"
GUID = "0b7f1f5e-3f1c-5d3e-8a41-2f8d1c7e9a10"
SUBSCRIPTION = ids.subscription(SUBSCRIPTION_ID)
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


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.details() or ""


async def test_a_custom_role_is_one_and_says_so(engine: Engine) -> None:
    made = await engine.create(ROLE, "role", role_inputs())
    assert made.id == f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{GUID}"
    assert made.outputs["roleType"] == "CustomRole"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roleDefinitionId": "settings-reader"}, "must be a GUID"),
        ({"roleName": ""}, "roleName has 0"),
        ({"roleName": "Storage Blob Data Owner"}, "RoleDefinitionWithSameNameExists"),
        ({"roleType": "BuiltInRole"}, "CustomRole"),
        ({"assignableScopes": list[str]()}, "assignableScopes"),
        ({"assignableScopes": ["/subscriptions/another"]}, "assignableScopes"),
        ({"assignableScopes": [f"{SUBSCRIPTION}/resourceGroups/rg"]}, "not among its assignableScopes"),
        ({"permissions": list[str]()}, "exactly one"),
        ({"permissions": [{"notActions": ["*/read"]}]}, "grants nothing"),
        ({"permissions": [{"actions": ["list app settings"]}]}, "InvalidActionOrNotAction"),
        ({"permissions": [{"dataActions": ["decrypt"]}]}, "InvalidActionOrNotAction"),
    ],
)
async def test_what_azure_refuses_in_a_custom_role(engine: Engine, changes: Inputs, said: str) -> None:
    assert said in await refused(engine.create(ROLE, "role", role_inputs(**changes)))


async def test_two_custom_roles_never_share_a_name(engine: Engine) -> None:
    await engine.create(ROLE, "role", role_inputs())
    other = role_inputs(
        roleDefinitionId="9d1c2b3a-0000-4000-8000-000000000001", roleName="ASSISTANT settings reader"
    )
    assert "RoleDefinitionWithSameNameExists" in await refused(engine.create(ROLE, "other", other))


async def test_a_custom_role_is_assigned_where_it_may_be(engine: Engine) -> None:
    group = await make_group(engine)
    identity = await make_identity(engine)
    principal = identity.outputs["principalId"]
    scoped = role_inputs(scope=group.id, assignableScopes=[group.id])
    await engine.create(ROLE, "role", scoped)
    above = assignment_inputs(SUBSCRIPTION, principal, GUID)
    assert "NotAssignable" in await refused(engine.create(ASSIGNMENT, "above", above))
    await engine.create(ASSIGNMENT, "here", assignment_inputs(identity.id, principal, GUID))


async def test_a_custom_role_that_is_assigned_stays(engine: Engine) -> None:
    await make_group(engine)
    identity = await make_identity(engine)
    made = await engine.create(ROLE, "role", role_inputs())
    given = await engine.create(
        ASSIGNMENT, "a", assignment_inputs(identity.id, identity.outputs["principalId"], GUID)
    )
    assert "RoleDefinitionHasAssignments" in await refused(engine.delete(ROLE, made.id))
    await engine.delete(ASSIGNMENT, given.id)
    await engine.delete(ROLE, made.id)
    assert engine.store.get(made.id) is None


async def test_a_condition_is_kept_with_its_version(engine: Engine) -> None:
    await make_group(engine)
    identity = await make_identity(engine)
    made = await engine.create(
        ASSIGNMENT,
        "a",
        assignment_inputs(
            SUBSCRIPTION,
            identity.outputs["principalId"],
            RBAC_ADMINISTRATOR,
            condition=CONDITION,
            conditionVersion="2.0",
        ),
    )
    assert (made.outputs["condition"], made.outputs["conditionVersion"]) == (CONDITION, "2.0")


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
async def test_a_condition_that_azure_cannot_read_is_refused(engine: Engine, changes: Inputs) -> None:
    await make_group(engine)
    identity = await make_identity(engine)
    given = assignment_inputs(SUBSCRIPTION, identity.outputs["principalId"], RBAC_ADMINISTRATOR, **changes)
    assert "InvalidRoleAssignmentCondition" in await refused(engine.create(ASSIGNMENT, "a", given))
