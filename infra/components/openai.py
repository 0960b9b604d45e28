"""The chat model."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import cognitiveservices

from infra.components.place import Place
from infra.settings import ModelSettings


class ChatModel(pulumi.ComponentResource):
    """An Azure OpenAI account that takes Entra identities only, and one deployment of a model.

    `after`: what has to be there before the account, and goes only after it.
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
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("assistant:openai:ChatModel", name, {}, opts)
        account = cognitiveservices.Account(
            "openai-account",
            account_name=place.names.openai_account,
            resource_group_name=place.group_name,
            location=model.location,
            kind="OpenAI",
            sku=cognitiveservices.SkuArgs(name="S0"),
            properties=cognitiveservices.AccountPropertiesArgs(
                # Entra tokens are taken at the account's own subdomain only, not at the region's endpoint.
                custom_sub_domain_name=place.names.openai_account,
                disable_local_auth=True,
                public_network_access=cognitiveservices.PublicNetworkAccess.ENABLED,
            ),
            tags=place.tags,
            # No conversations. In another region it has another name, so there it is made before the first
            # one goes, with which go its host name, its quota in that region and fine-tuned models.
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
                # What Azure sets where nothing is said; said here so that a refresh finds no difference.
                rai_policy_name="Microsoft.DefaultV2",
            ),
            # Named by its model: another model is a second deployment, and the app moves to it before the
            # first one goes. azure-native would delete first, as it does wherever a name is given.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        self.account_id = account.id
        self.account_name = account.name
        self.endpoint = account.properties.endpoint
        self.deployment_name = deployment.name
        self.register_outputs({"endpoint": self.endpoint, "deploymentName": self.deployment_name})


def account_exists(group: str, account: str) -> bool:
    """Whether Azure has the account; also true where Azure does not say, so that nothing is purged."""
    try:
        cognitiveservices.get_account(account_name=account, resource_group_name=group)
    except Exception as error:  # noqa: BLE001 # all that the SDK raises; the provider's words are its text
        return "NotFound" not in str(error)  # ResourceNotFound or ResourceGroupNotFound
    return True
