from pathlib import Path

import pytest

from local_azure.core import ids
from local_azure.core.access import (
    BUILT_IN_ROLES,
    ROLE_ASSIGNMENT_TYPE,
    ROLE_DEFINITION_TYPE,
    identity_by_client_id,
    identity_by_principal_id,
    permits,
    role_definition,
)
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store

PRINCIPAL = "11111111-1111-4111-8111-111111111111"
GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc")
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
READ_ENTITIES = "Microsoft.Storage/storageAccounts/tableServices/tables/entities/read"


def assign(store: Store, scope: str, role: str) -> None:
    assignment = ids.build(scope, ROLE_ASSIGNMENT_TYPE, "22222222-2222-4222-8222-222222222222")
    store.put(
        Resource(
            id=assignment,
            name=ids.name_of(assignment),
            type=ROLE_ASSIGNMENT_TYPE,
            properties={
                "principalId": PRINCIPAL,
                "scope": scope,
                "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
            },
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "arm.json")


@pytest.mark.parametrize("scope", [ACCOUNT, GROUP, ids.subscription(SUBSCRIPTION_ID)])
def test_an_assignment_counts_at_its_scope_and_below(store: Store, scope: str) -> None:
    assign(store, scope, TABLE_CONTRIBUTOR)
    assert permits(store, PRINCIPAL, ACCOUNT, data_action=READ_ENTITIES)


def test_an_assignment_counts_for_nobody_else_and_nowhere_else(store: Store) -> None:
    assign(store, ACCOUNT, TABLE_CONTRIBUTOR)
    assert not permits(store, "33333333-3333-4333-8333-333333333333", ACCOUNT, data_action=READ_ENTITIES)
    assert not permits(store, PRINCIPAL, GROUP, data_action=READ_ENTITIES)
    assert not permits(store, PRINCIPAL, ACCOUNT + "2", data_action=READ_ENTITIES)


def test_control_plane_rights_give_no_data(store: Store) -> None:
    assign(store, ACCOUNT, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
    assert permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Storage/storageAccounts/delete")
    assert not permits(store, PRINCIPAL, ACCOUNT, data_action=READ_ENTITIES)


def test_contributor_may_not_assign_roles(store: Store) -> None:
    assign(store, GROUP, "b24988ac-6180-42a0-ab88-20f7382dd24c")
    assert permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Web/sites/write")
    assert not permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Authorization/roleAssignments/write")


def test_the_developer_may_do_both_in_the_local_subscription_only(store: Store) -> None:
    assert permits(
        store,
        DEVELOPER_PRINCIPAL_ID,
        ACCOUNT,
        action="Microsoft.Storage/storageAccounts/write",
        data_action=READ_ENTITIES,
    )
    assert not permits(store, DEVELOPER_PRINCIPAL_ID, "/subscriptions/other", action="x/read")


def test_role_ids_are_unique_and_found_at_any_scope(store: Store) -> None:
    assert len({role.guid for role in BUILT_IN_ROLES}) == len(BUILT_IN_ROLES)
    for role in BUILT_IN_ROLES:
        for scope in ("", "/subscriptions/s"):
            definition = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{role.guid.upper()}"
            assert role_definition(store, definition) is role
    assert role_definition(store, "Owner") is None


def test_identities_are_found_by_client_and_principal_id(store: Store) -> None:
    identity = Resource(
        id=ids.build(GROUP, "Microsoft.ManagedIdentity/userAssignedIdentities", "me"),
        name="me",
        type="Microsoft.ManagedIdentity/userAssignedIdentities",
        properties={"clientId": "c1", "principalId": PRINCIPAL},
    )
    store.put(identity)
    assert identity_by_client_id(store, "C1") == identity
    assert identity_by_principal_id(store, PRINCIPAL) == identity
    assert identity_by_client_id(store, PRINCIPAL) is None


def test_a_custom_role_gives_what_it_says_and_takes_away_what_it_excepts(store: Store) -> None:
    guid = "44444444-4444-4444-8444-444444444444"
    definition = ids.build(ids.subscription(SUBSCRIPTION_ID), ROLE_DEFINITION_TYPE, guid)
    store.put(
        Resource(
            id=definition,
            name=guid,
            type=ROLE_DEFINITION_TYPE,
            properties={
                "roleName": "mine",
                "permissions": [
                    {
                        "actions": ["Microsoft.Web/sites/config/list/action"],
                        "dataActions": ["Microsoft.KeyVault/vaults/keys/*"],
                        "notDataActions": ["Microsoft.KeyVault/vaults/keys/delete"],
                    }
                ],
            },
        )
    )
    assign(store, GROUP, guid)
    assert permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Web/sites/config/list/action")
    assert not permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Web/sites/write")
    assert permits(store, PRINCIPAL, ACCOUNT, data_action="Microsoft.KeyVault/vaults/keys/decrypt/action")
    assert not permits(store, PRINCIPAL, ACCOUNT, data_action="Microsoft.KeyVault/vaults/keys/delete")
    store.delete(definition)
    assert not permits(store, PRINCIPAL, ACCOUNT, action="Microsoft.Web/sites/config/list/action")
