"""Vaults and keys as Azure refuses, keeps and forgets them."""

from typing import Any

import grpc.aio
import pytest

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, TENANT_ID, Resource
from local_azure.services.keyvault.resource_types import DELETED_VAULT_TYPE, VAULT_TYPE
from local_azure.tests.frontends.pulumi.stack import GROUP, make_group, role
from local_azure.tests.frontends.pulumi.support import Engine, Inputs, Made, RefusedError

VAULT = "azure-native:keyvault:Vault"
KEY = "azure-native:keyvault:Key"
CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"


def vault_inputs(name: str = "kv-state", **properties: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "vaultName": name,
        "properties": {
            "tenantId": TENANT_ID,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            **properties,
        },
    }


def key_inputs(name: str = "state", **properties: Any) -> Inputs:
    return {
        "resourceGroupName": "rg",
        "vaultName": "kv-state",
        "keyName": name,
        "properties": {"kty": "RSA", "keySize": 3072, "keyOps": ["encrypt", "decrypt"], **properties},
    }


async def make_vault(engine: Engine, **properties: Any) -> Made:
    await make_group(engine)
    return await engine.create(VAULT, "vault", vault_inputs(**properties))


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.details() or ""


async def test_a_vault_has_what_azure_adds(engine: Engine) -> None:
    made = await make_vault(engine, enablePurgeProtection=True)
    properties = made.outputs["properties"]
    assert properties["vaultUri"] == "https://kv-state.vault.azure.net/"
    assert properties["softDeleteRetentionInDays"] == 90
    assert properties["enableSoftDelete"] is True


@pytest.mark.parametrize("name", ["kv", "a" * 25, "1kv", "kv-", "kv--x", "kv_x"])
async def test_a_vault_name_follows_the_rule(engine: Engine, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await engine.check(VAULT, "vault", vault_inputs(name))
    assert list(caught.value.problems) == ["vaultName"]


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"softDeleteRetentionInDays": 6}, "from 7 to 90"),
        ({"softDeleteRetentionInDays": 91}, "from 7 to 90"),
        ({"enablePurgeProtection": False}, "irreversible"),
        ({"enableSoftDelete": False}, "every vault has soft delete"),
        ({"enableRbacAuthorization": False}, "accessPolicies"),
        ({"tenantId": "11111111-1111-4111-8111-111111111111"}, "tenant"),
        ({"createMode": "recover"}, "reset"),
    ],
)
async def test_what_azure_refuses_in_a_vault(engine: Engine, properties: Inputs, said: str) -> None:
    await make_group(engine)
    assert said in await refused(engine.create(VAULT, "vault", vault_inputs(**properties)))
    assert engine.store.list(VAULT_TYPE) == []


async def test_purge_protection_never_goes_away_again(engine: Engine) -> None:
    made = await make_vault(engine, enablePurgeProtection=True)
    assert "irreversible" in await refused(engine.update(VAULT, made, vault_inputs()))


async def test_the_days_of_soft_delete_are_set_once(engine: Engine) -> None:
    made = await make_vault(engine, softDeleteRetentionInDays=7)
    changed = vault_inputs(softDeleteRetentionInDays=30)
    assert "can't be modified" in await refused(engine.update(VAULT, made, changed))


async def test_a_vault_name_belongs_to_the_whole_world(engine: Engine) -> None:
    await make_vault(engine)
    await make_group(engine, "other")
    again = {**vault_inputs("KV-State"), "resourceGroupName": "other"}
    assert "VaultAlreadyExists" in await refused(engine.create(VAULT, "again", again))


async def test_a_deleted_vault_keeps_its_name(engine: Engine) -> None:
    made = await make_vault(engine)
    await engine.delete(VAULT, made.id)
    said = await refused(engine.create(VAULT, "vault", vault_inputs()))
    assert "deleted state" in said
    assert "az keyvault purge --name kv-state" in said
    await engine.create(VAULT, "vault", vault_inputs("kv-other"))


async def test_a_vault_with_purge_protection_can_only_be_waited_for(engine: Engine) -> None:
    made = await make_vault(engine, enablePurgeProtection=True)
    await engine.delete(VAULT, made.id)
    said = await refused(engine.create(VAULT, "vault", vault_inputs()))
    assert "az keyvault purge" not in said
    assert "protected against purge" in said


async def test_a_group_that_goes_leaves_its_vault_soft_deleted(engine: Engine) -> None:
    made = await make_vault(engine)
    await engine.create(KEY, "key", key_inputs())
    await engine.delete(GROUP, ids.parse(made.id)[0])
    assert [one["type"] for one in engine.store.list()] == [DELETED_VAULT_TYPE]


async def test_the_name_is_free_again_when_the_days_are_over(engine: Engine) -> None:
    made = await make_vault(engine)
    await engine.delete(VAULT, made.id)
    (deleted,) = engine.store.list(DELETED_VAULT_TYPE)
    deleted.get("properties", {})["scheduledPurgeDate"] = "2020-01-01T00:00:00.000000Z"
    engine.store.put(deleted)
    await engine.create(VAULT, "vault", vault_inputs())


async def test_a_key_is_named_by_its_vault(engine: Engine) -> None:
    await make_vault(engine)
    made = await engine.create(KEY, "key", key_inputs())
    assert made.outputs["keyUri"] == "https://kv-state.vault.azure.net/keys/state"
    assert made.outputs["keyUriWithVersion"].startswith(f"{made.outputs['keyUri']}/")
    assert (made.outputs["kty"], made.outputs["keySize"]) == ("RSA", 3072)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"keySize": 1024}, "1024"),
        ({"curveName": "P-256"}, "curveName"),
        ({"kty": "RSA-HSM"}, "premium"),
        ({"kty": "EC", "keyOps": ["sign"]}, "keySize"),
        ({"kty": "EC", "keySize": None}, "encrypt, decrypt"),
        ({"kty": None}, "kty"),
    ],
)
async def test_what_azure_refuses_in_a_key(engine: Engine, properties: Inputs, said: str) -> None:
    await make_vault(engine)
    assert said in await refused(engine.create(KEY, "key", key_inputs(**properties)))


async def test_arm_never_changes_a_key(engine: Engine) -> None:
    await make_vault(engine)
    made = await engine.create(KEY, "key", key_inputs())
    changed = await engine.update(KEY, made, key_inputs(keySize=4096))
    assert changed.outputs["keySize"] == 3072


async def test_only_a_role_with_data_actions_deletes_a_key(engine: Engine) -> None:
    vault = await make_vault(engine)
    made = await engine.create(KEY, "key", key_inputs())
    assert "Microsoft.KeyVault/vaults/keys/delete" in await refused(engine.delete(KEY, made.id))
    assignment = ids.build(vault.id, ROLE_ASSIGNMENT_TYPE, "6f1a9c1e-6a0e-5b7e-9b1e-0d6e0c5a7d11")
    engine.store.put(
        Resource(
            id=assignment,
            name=ids.name_of(assignment),
            type=ROLE_ASSIGNMENT_TYPE,
            properties={
                "principalId": DEVELOPER_PRINCIPAL_ID,
                "scope": vault.id,
                "roleDefinitionId": role(CRYPTO_OFFICER),
            },
        )
    )
    await engine.delete(KEY, made.id)
    assert engine.store.get(made.id) is None
