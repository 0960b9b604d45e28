"""The storage of Pulumi's state and of deployed packages, and the key that encrypts the state's secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault, storage

from bootstrap.names import PACKAGES_CONTAINER, STATE_CONTAINER, STATE_KEY, Names
from infra.components.storage import keyless_account

RETENTION_DAYS = 30
"""Days for which a deleted container or state can be restored."""

VERSION_DAYS = 90
"""Days for which an overwritten state can be restored. Every step of every `up` overwrites it."""


@dataclass(frozen=True)
class Place:
    """The resource group, region, names and tags of all resources."""

    group_name: pulumi.Output[str]
    location: str
    names: Names
    tags: Mapping[str, str]


class StateStorage(pulumi.ComponentResource):
    """A storage account for Entra identities only, with the containers `state` and `packages`."""

    account_name: pulumi.Output[str]
    state_id: pulumi.Output[str]
    packages_id: pulumi.Output[str]
    packages_url: pulumi.Output[str]

    def __init__(self, name: str, *, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bootstrap:state:StateStorage", name, {}, opts)
        # Reachable from the internet, since the addresses of GitHub's runners cannot be listed.
        account = keyless_account(
            place.names.storage_account,
            group_name=place.group_name,
            location=place.location,
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        kept = storage.DeleteRetentionPolicyArgs(enabled=True, days=RETENTION_DAYS)
        blobs = storage.BlobServiceProperties(
            "blob-service",
            blob_services_name="default",
            account_name=account.name,
            resource_group_name=place.group_name,
            is_versioning_enabled=True,
            delete_retention_policy=kept,
            container_delete_retention_policy=kept,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        storage.ManagementPolicy(
            "version-expiry",
            management_policy_name="default",
            account_name=account.name,
            resource_group_name=place.group_name,
            policy={
                "rules": [
                    {
                        "name": "expire-versions",
                        "type": storage.RuleType.LIFECYCLE,
                        "enabled": True,
                        "definition": {
                            "filters": {"blob_types": ["blockBlob"]},
                            "actions": {
                                "version": {"delete": {"days_after_creation_greater_than": VERSION_DAYS}}
                            },
                        },
                    }
                ]
            },
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[blobs]),
        )
        state, packages = (
            storage.BlobContainer(
                f"{container}-container",
                container_name=container,
                account_name=account.name,
                resource_group_name=place.group_name,
                public_access=storage.PublicAccess.NONE,
                # So that nothing is written before soft delete and versioning are enabled.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[blobs]),
            )
            for container in (STATE_CONTAINER, PACKAGES_CONTAINER)
        )
        self.account_name = account.name
        self.state_id = state.id
        self.packages_id = packages.id
        self.packages_url = pulumi.Output.concat(account.primary_endpoints.blob, packages.name)
        self.register_outputs({"accountName": self.account_name})


class StateKey(pulumi.ComponentResource):
    """A vault with the key of Pulumi's secrets provider."""

    id: pulumi.Output[str]
    secrets_provider: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        tenant_id: str,
        purge_protection: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("bootstrap:state:StateKey", name, {}, opts)
        vault = keyvault.Vault(
            "vault",
            vault_name=place.names.vault,
            resource_group_name=place.group_name,
            location=place.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=tenant_id,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=90,
                # Never False: the API accepts only true (azure-rest-api-specs, keyvault.json).
                enable_purge_protection=True if purge_protection else None,
                access_policies=[],
            ),
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        key = keyvault.Key(
            "state-key",
            key_name=STATE_KEY,
            vault_name=vault.name,
            resource_group_name=place.group_name,
            # No rotation policy: Pulumi does not specify a version of the key, so Azure decrypts with the
            # newest one only, which fails for data that was encrypted with an older one.
            properties=keyvault.KeyPropertiesArgs(
                kty=keyvault.JsonWebKeyType.RSA,
                key_size=3072,
                key_ops=[keyvault.JsonWebKeyOperation.ENCRYPT, keyvault.JsonWebKeyOperation.DECRYPT],
            ),
            tags=place.tags,
            # ARM cannot delete a key. azure-native deletes it in the vault, which refuses even an Owner; but
            # the key is deleted with the vault (pulumi-azure-native custom_keyvault.go).
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.id = key.id
        self.secrets_provider = key.key_uri.apply(
            lambda uri: f"azurekeyvault://{uri.removeprefix('https://')}"
        )
        self.register_outputs({"secretsProvider": self.secrets_provider})
