from pathlib import Path

import pytest

from local_azure.core import ids
from local_azure.core.access import (
    BUILT_IN_ROLES,
    IDENTITY_TYPE,
    ROLE_ASSIGNMENT_TYPE,
    ROLE_DEFINITION_TYPE,
    identity_by_principal_id,
    permits,
    role_definition,
)
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store

PRINCIPAL = "11111111-1111-4111-8111-111111111111"
GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc")
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
READ_ENTITIES = "Microsoft.Storage/storageAccounts/tableServices/tables/entities/read"
KEYS = "Microsoft.KeyVault/vaults/keys"
CUSTOM_ROLE = "44444444-4444-4444-8444-444444444444"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "arm.json")


def put(store: Store, resource_id: str, **properties: object) -> Resource:
    name, resource_type = ids.name_of(resource_id), ids.type_of(resource_id)
    resource = Resource(id=resource_id, name=name, type=resource_type, properties=properties)
    store.put(resource)
    return resource


def assign(store: Store, scope: str, role: str) -> None:
    put(
        store,
        ids.build(scope, ROLE_ASSIGNMENT_TYPE, "22222222-2222-4222-8222-222222222222"),
        principalId=PRINCIPAL,
        scope=scope,
        roleDefinitionId=f"/providers/{ROLE_DEFINITION_TYPE}/{role}",
    )


@pytest.mark.parametrize(
    ("assigned_at", "principal", "scope", "permitted"),
    [
        *((scope, PRINCIPAL, ACCOUNT, True) for scope in (ACCOUNT, GROUP, ids.subscription(SUBSCRIPTION_ID))),
        (ACCOUNT, PRINCIPAL.upper(), ACCOUNT.upper(), True),
        (ACCOUNT, "another", ACCOUNT, False),
        (ACCOUNT, PRINCIPAL, GROUP, False),
        (ACCOUNT, PRINCIPAL, f"{ACCOUNT}2", False),
    ],
)
def test_an_assignment_counts_for_its_principal_at_its_scope_and_below(
    store: Store, assigned_at: str, principal: str, scope: str, permitted: bool
) -> None:
    assign(store, assigned_at, TABLE_CONTRIBUTOR)
    assert permits(store, principal, scope, data_action=READ_ENTITIES) == permitted


def test_action_and_data_action_may_come_from_two_assignments(store: Store) -> None:
    write = "Microsoft.Storage/storageAccounts/write"
    assign(store, GROUP, OWNER)
    assert not permits(store, PRINCIPAL, ACCOUNT, action=write, data_action=READ_ENTITIES)
    assign(store, ACCOUNT, TABLE_CONTRIBUTOR)
    assert permits(store, PRINCIPAL, ACCOUNT, action=write, data_action=READ_ENTITIES)


@pytest.mark.parametrize(
    ("role", "kind", "allowed", "refused"),
    [
        (CONTRIBUTOR, "action", "Microsoft.Web/sites/write", "Microsoft.Authorization/roleAssignments/write"),
        (CUSTOM_ROLE, "action", "Microsoft.Web/sites/config/list/action", "Microsoft.Web/sites/config/write"),
        (CUSTOM_ROLE, "data_action", f"{KEYS}/decrypt/action", f"{KEYS}/delete"),
    ],
)
def test_a_role_allows_its_actions_without_its_exceptions(
    store: Store, role: str, kind: str, allowed: str, refused: str
) -> None:
    permissions = {
        "actions": ["Microsoft.Web/sites/config/*"],
        "notActions": ["Microsoft.Web/sites/config/write"],
        "dataActions": [f"{KEYS}/*"],
        "notDataActions": [f"{KEYS}/delete"],
    }
    definition = ids.build(ids.subscription(SUBSCRIPTION_ID), ROLE_DEFINITION_TYPE, CUSTOM_ROLE)
    put(store, definition, roleName="custom", permissions=[permissions])
    assign(store, GROUP, role)
    assert permits(store, PRINCIPAL, ACCOUNT, **{kind: allowed})
    assert not permits(store, PRINCIPAL, ACCOUNT, **{kind: refused})


def test_the_developer_may_write_and_read_data_in_the_local_subscription_only(store: Store) -> None:
    write = "Microsoft.Storage/storageAccounts/write"
    for data_action in (
        READ_ENTITIES,
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
        "Microsoft.Storage/storageAccounts/queueServices/queues/messages/read",
        "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action",
    ):
        assert permits(store, DEVELOPER_PRINCIPAL_ID, ACCOUNT, action=write, data_action=data_action)
    assert not permits(store, DEVELOPER_PRINCIPAL_ID, "/subscriptions/other", action="x/read")


def test_built_in_roles_have_unique_ids_that_are_valid_at_any_scope(store: Store) -> None:
    assert len({role.guid for role in BUILT_IN_ROLES}) == len(BUILT_IN_ROLES)
    for role in BUILT_IN_ROLES:
        for scope in ("", "/subscriptions/s"):
            definition = f"{scope}/providers/{ROLE_DEFINITION_TYPE}/{role.guid.upper()}"
            assert role_definition(store, definition) is role
    assert role_definition(store, "Owner") is None
    assert role_definition(store, f"/providers/Microsoft.Authorization/locks/{OWNER}") is None


def test_an_identity_has_a_principal_id(store: Store) -> None:
    identity = put(store, ids.build(GROUP, IDENTITY_TYPE, "app-id"), principalId=PRINCIPAL)
    assert identity_by_principal_id(store, PRINCIPAL.upper()) == identity
    assert identity_by_principal_id(store, DEVELOPER_PRINCIPAL_ID) is None
