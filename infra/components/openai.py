"""The chat model."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import cognitiveservices

from infra.components.place import Place
from infra.settings import ModelSettings


class ChatModel(pulumi.ComponentResource):
    """An Azure OpenAI account that accepts Entra identities only, and one deployment of a model.

    `after`: resources that must exist before the account, and are deleted only after it.
    """

    account_id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    deployment_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        model: ModelSettings,
        protect: bool,
        after: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("assistant:openai:ChatModel", name)
        account = cognitiveservices.Account(
            "openai-account",
            account_name=place.names.openai_account,
            resource_group_name=place.group_name,
            location=model.location,
            kind="OpenAI",
            sku=cognitiveservices.SkuArgs(name="S0"),
            properties=cognitiveservices.AccountPropertiesArgs(
                # Entra tokens are accepted at the account's own subdomain only, not at the region's endpoint.
                custom_sub_domain_name=place.names.openai_account,
                disable_local_auth=True,
                public_network_access=cognitiveservices.PublicNetworkAccess.ENABLED,
            ),
            tags=place.tags,
            # Holds no conversations. In another region the account has another name, so the new one is
            # created before the old one is deleted with its host name, its quota and fine-tuned models.
            opts=pulumi.ResourceOptions(
                parent=self, protect=protect, delete_before_replace=False, depends_on=after
            ),
        )
        deployment = cognitiveservices.Deployment(
            "chat-model",
            deployment_name=model.name,
            account_name=account.name,
            resource_group_name=place.group_name,
            sku=cognitiveservices.SkuArgs(name=model.sku, capacity=model.capacity),
            properties=cognitiveservices.DeploymentPropertiesArgs(
                model=cognitiveservices.DeploymentModelArgs(
                    format="OpenAI", name=model.name, version=model.version
                ),
                # NoAutoUpgrade would answer 410 from the day that the version retires.
                version_upgrade_option=cognitiveservices.DeploymentModelVersionUpgradeOption.ONCE_CURRENT_VERSION_EXPIRED,
                # The default of Azure, set here so that a refresh shows no difference.
                rai_policy_name="Microsoft.DefaultV2",
            ),
            # Named after its model: for another model a second deployment is created, and the app switches to
            # it before the first one is deleted. azure-native by default deletes a named resource first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        self.account_id = account.id
        self.account_name = account.name
        self.endpoint = account.properties.endpoint
        self.deployment_name = deployment.name
        self.register_outputs({"endpoint": self.endpoint, "deploymentName": self.deployment_name})


def account_exists(group: str, account: str) -> bool:
    """Whether the account exists; also true if the request fails, so that nothing is purged."""
    try:
        cognitiveservices.get_account(account_name=account, resource_group_name=group)
    except Exception as error:  # noqa: BLE001 # the SDK raises it with the provider's message as text
        return "NotFound" not in str(error)  # ResourceNotFound or ResourceGroupNotFound
    return True
