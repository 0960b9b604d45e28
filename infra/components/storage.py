"""The storage of conversations and of the deployed package."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_azure_native import authorization, storage

from infra.components.place import Place
from infra.names import DEPLOYMENT_CONTAINER, TABLES


def keyless_account(
    name: str,
    *,
    group_name: pulumi.Input[str],
    location: str,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> storage.StorageAccount:
    """A storage account for Entra identities only, with its public endpoint."""
    return storage.StorageAccount(
        "storage-account",
        account_name=name,
        resource_group_name=group_name,
        location=location,
        kind=storage.Kind.STORAGE_V2,
        sku=storage.SkuArgs(name=storage.SkuName.STANDARD_LRS),
        # Access with account keys is disabled; Entra tokens and user delegation SAS remain.
        allow_shared_key_access=False,
        default_to_o_auth_authentication=True,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        enable_https_traffic_only=True,
        minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
        public_network_access=storage.PublicNetworkAccess.ENABLED,
        network_rule_set=storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.ALLOW),
        tags=tags,
        opts=opts,
    )


class ChatStorage(pulumi.ComponentResource):
    """A storage account for Entra identities only, the app's tables and the deployment container.

    `after`: resources that must exist before the account.
    """

    account_id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    table_endpoint: pulumi.Output[str]
    container_url: pulumi.Output[str]
    contents: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        protect: bool,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("assistant:storage:ChatStorage", name, {}, opts)
        # A Flex app outside a virtual network uses the public endpoint of storage; neither `bypass` nor
        # resource rules allow its upload (azure-functions-flex-consumption-samples #41).
        account = keyless_account(
            place.names.storage_account,
            group_name=place.group_name,
            location=place.location,
            tags=place.tags,
            opts=pulumi.ResourceOptions(
                parent=self, protect=protect, delete_before_replace=True, depends_on=after
            ),
        )
        # Created by ARM, so no key is needed. A table has no soft delete.
        tables = [
            storage.Table(
                name,
                table_name=table_name,
                account_name=account.name,
                resource_group_name=place.group_name,
                opts=pulumi.ResourceOptions(parent=self, protect=protect, delete_before_replace=True),
            )
            for name, table_name in TABLES.items()
        ]
        container = storage.BlobContainer(
            "deployments",
            container_name=DEPLOYMENT_CONTAINER,
            account_name=account.name,
            resource_group_name=place.group_name,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.account_id = account.id
        self.account_name = account.name
        self.blob_endpoint = account.primary_endpoints.blob
        self.table_endpoint = account.primary_endpoints.table
        self.container_url = pulumi.Output.concat(account.primary_endpoints.blob, container.name)
        self.contents = (*tables, container)
        self.register_outputs({"accountName": self.account_name, "containerUrl": self.container_url})

    def lock(self, *, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """Forbid deletion of the account and everything below it.

        `after`: other resources below the account. The lock is created last and therefore deleted first,
        since Azure refuses to delete anything under a lock.
        """
        # By scope: ManagementLockAtResourceLevel loses its resource (pulumi-azure-native #3524).
        return authorization.ManagementLockByScope(
            "keep-data",
            lock_name="keep-data",
            scope=self.account_id,
            level=authorization.LockLevel.CAN_NOT_DELETE,
            notes="Holds conversations. Lifted by: pulumi config set deletionProtection false, pulumi up.",
            opts=pulumi.ResourceOptions(
                parent=self, delete_before_replace=True, depends_on=[*self.contents, *after]
            ),
        )
