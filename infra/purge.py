"""What a destroyed stack would leave behind: the soft-deleted model account.

Azure keeps a deleted account for 48 hours, and with it its name, its subdomain and its quota; azure-native
never purges (pulumi-azure-native #2529). This resource stands before the account, so that it is deleted
after it, and its deletion purges. A `ResourceHook` would do the same, but a plain `pulumi destroy` then
fails, as hooks need the program to run.
"""

import os
from typing import Any

from pulumi import ResourceOptions
from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, Resource, ResourceProvider

from infra.dynamic import plain_failure, recorded, say

_INPUTS = ("subscription_id", "location", "group", "account")
PURGE_DEADLINE = 10 * 60.0
POLL_SECONDS = 3
"""Where Azure asks for no other pause; the SDK would wait half a minute."""


class PurgeError(Exception):
    """The account is deleted, but not purged; the message says why, and how to do it by hand."""


class PurgedAccount(Resource, module="infra", name="PurgedAccount"):
    """Purges a model account once it is deleted. Let the account depend on it."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        location: str,
        group: str,
        account: str,
        opts: ResourceOptions | None = None,
    ) -> None:
        """All names are plain, so that they are known without anything having been made."""
        inputs = {
            "subscription_id": subscription_id,
            "location": location,
            "group": group,
            "account": account,
        }
        super().__init__(PurgedAccountProvider(), name, inputs, opts)


class PurgedAccountProvider(ResourceProvider):
    """Nothing is captured: the pickle is this class's name."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config.get

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = [key for key in _INPUTS if _news[key] != _olds.get(key)]
        return DiffResult(changes=bool(changed), replaces=changed)

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['location']}/{props['group']}/{props['account']}", recorded(props))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        # What talks to Azure is imported only here, as every preview imports this module.
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError  # noqa: PLC0415
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415

        from infra import signin  # noqa: PLC0415

        place = (_props["location"], _props["group"], _props["account"])
        with plain_failure(PurgeError, signin.SignInError):
            settings = signin.read_settings(self._config, os.environ)
            session = Session()
            cloud = signin.cloud_of(settings, session)
            accounts = CognitiveServicesManagementClient(
                signin.credential(settings, cloud, session),
                _props["subscription_id"],
                base_url=cloud.endpoint,
                credential_scopes=[signin.scope_of(cloud)],
            ).deleted_accounts
            try:
                accounts.get(*place)
                purge = accounts.begin_purge(*place, polling_interval=POLL_SECONDS)
                purge.result(PURGE_DEADLINE)
                if not purge.done():
                    raise PurgeError(_by_hand(*place, f"it goes on after {PURGE_DEADLINE / 60:g} minutes"))
                say(f"Purged the deleted model account {_props['account']}: its name is free again.")
            except ResourceNotFoundError:
                return  # never made, purged already, or older than 48 hours
            except HttpResponseError as error:
                raise PurgeError(_by_hand(*place, error.message)) from error


def _by_hand(location: str, group: str, account: str, reason: str) -> str:
    return (
        f"The model account {account} is deleted, not purged: its name stays taken for 48 hours. {reason}\n"
        "Purging takes Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete on the "
        "subscription (Contributor has it). With that right, destroy again, or run:\n"
        f"  az cognitiveservices account purge --location {location} --resource-group {group} "
        f"--name {account}"
    )
