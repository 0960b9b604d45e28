"""Vaults and keys as Azure refuses, keeps and purges them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_azure.core.errors import ArmError
from local_azure.core.store import Resource
from local_azure.services.keyvault.resource_types import DELETED_VAULT_TYPE
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.stack import KEY, VAULT, Inputs, key_inputs, vault_inputs
from local_azure.tests.frontends.pulumi.support import Cloud

CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"


@pytest.fixture
def cloud(cloud: Cloud) -> Cloud:
    cloud.create(stack.GROUP, stack.group_inputs())
    return cloud


def properties_of(resource: Resource) -> dict[str, Any]:
    return resource.get("properties", {})


def test_a_vault_has_what_azure_adds(cloud: Cloud) -> None:
    properties = properties_of(cloud.create(VAULT, vault_inputs()))
    assert properties["vaultUri"] == "https://kv-state.vault.azure.net/"
    assert (properties["softDeleteRetentionInDays"], properties["enableSoftDelete"]) == (90, True)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"enablePurgeProtection": True}, {}, "irreversible"),
        ({"softDeleteRetentionInDays": 7}, {"softDeleteRetentionInDays": 30}, "can't be modified"),
    ],
)
def test_soft_delete_and_purge_protection_are_set_once(
    cloud: Cloud, before: Inputs, after: Inputs, text: str
) -> None:
    cloud.create(VAULT, vault_inputs(**before))
    with pytest.raises(ArmError, match=text):
        cloud.update(VAULT, vault_inputs(**after))
    cloud.update(VAULT, vault_inputs(**before))


def test_a_vault_name_is_globally_unique(cloud: Cloud) -> None:
    cloud.create(VAULT, vault_inputs())
    cloud.create(stack.GROUP, stack.group_inputs("other"))
    again = {**vault_inputs("KV-State"), "resourceGroupName": "other"}
    assert "VaultAlreadyExists" in cloud.refusal(VAULT, again)


@pytest.mark.parametrize("protected", [{}, {"enablePurgeProtection": True}])
def test_a_deleted_vault_keeps_its_name_until_its_purge(tmp_path: Path, protected: Inputs) -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    cloud = Cloud(tmp_path / "arm.json", now=lambda: now)
    group = cloud.create(stack.GROUP, stack.group_inputs())
    cloud.create(VAULT, vault_inputs(**protected))
    cloud.create(KEY, key_inputs())
    cloud.delete(group)  # the deleted vault outlives its group
    assert [resource["type"] for resource in cloud.store.list()] == [DELETED_VAULT_TYPE]

    cloud.create(stack.GROUP, stack.group_inputs())
    now += timedelta(days=90, microseconds=-1)
    message = cloud.refusal(VAULT, vault_inputs())
    assert 'Status=409 Code="ConflictError"' in message
    assert ("az keyvault purge --name kv-state" in message) == (not protected)
    cloud.create(VAULT, vault_inputs("kv-other"))
    now += timedelta(microseconds=1)
    cloud.create(VAULT, vault_inputs())


def test_a_key_is_named_by_its_vault_and_never_changes(cloud: Cloud) -> None:
    cloud.create(VAULT, vault_inputs())
    key = cloud.create(KEY, key_inputs())
    properties = properties_of(key)
    assert properties["keyUri"] == "https://kv-state.vault.azure.net/keys/state"
    assert properties["keyUriWithVersion"].startswith(f"{properties['keyUri']}/")
    assert (properties["kty"], properties["keySize"]) == ("RSA", 3072)
    assert cloud.update(KEY, key_inputs(keySize=4096)) == key


def test_only_a_role_with_data_actions_deletes_a_key(cloud: Cloud) -> None:
    vault = cloud.create(VAULT, vault_inputs())
    key = cloud.create(KEY, key_inputs())
    with pytest.raises(ArmError, match="vaults/keys/delete"):
        cloud.delete(key)
    cloud.create(stack.ASSIGNMENT, stack.assignment_inputs(vault["id"], CRYPTO_OFFICER))
    cloud.delete(key)
    assert cloud.store.get(key["id"]) is None
