"""The soft-deleted model account: a destroyed stack must not leave one behind, nor an `up` be blocked by one.

Azure keeps a deleted account for 48 hours, and with it its name, its subdomain and its quota; azure-native
never purges (pulumi-azure-native #2529). This resource stands before the account, so that it is deleted
after it, and its deletion purges. A `ResourceHook` would do the same, but a plain `pulumi destroy` then
fails, as hooks need the program to run.

An account can also be deleted without this resource: in the portal, by a `destroy` or an `up` that was killed
behind it, or with the resource group when that is replaced. So `up` purges as well: this resource is created
and updated before the account is, updated whenever Azure has no account, and replaced with the group.
"""

import os
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.dynamic.support import plain_failure, recorded, say

_INPUTS = ("subscription_id", "location", "group", "account")
PURGE_DEADLINE = 10 * 60.0
POLL_SECONDS = 3
"""Where Azure asks for no other pause; the SDK would wait half a minute."""


class PurgeError(Exception):
    """The account is deleted, but not purged; the message says why, and how to do it by hand."""


class PurgedAccount(Resource, module="infra", name="PurgedAccount"):
    """Purges a model account once it is deleted, and before it is created. Let the account depend on it."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        location: str,
        group: str,
        account: str,
        group_id: Input[str],
        account_exists: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """All names are plain, so that they are known without anything having been made.

        `group_id` is the output of the resource group: a group that is deleted to be replaced takes the
        account with it, and the engine then replaces what depends on the group's outputs.
        """
        inputs = {
            "subscription_id": subscription_id,
            "location": location,
            "group": group,
            "account": account,
            "group_id": group_id,
            # New in each run, so that a refresh, which compares the state with itself, shows no change.
            "account_missing": "" if account_exists else os.urandom(8).hex(),
        }
        super().__init__(PurgedAccountProvider(), name, inputs, opts)


class PurgedAccountProvider(ResourceProvider):
    """Nothing is captured: the pickle is this class's name."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config.get

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        changed = [key for key in _INPUTS if _news[key] != _olds.get(key)]
        # Unknown while the group is replaced; not in the state of stacks from before 2026-12.
        if "group_id" in _olds and _news["group_id"] != _olds["group_id"]:
            changed.append("group_id")
        missing = _news["account_missing"]
        update = "group_id" not in _olds or missing not in ("", _olds.get("account_missing"))
        return DiffResult(changes=bool(changed) or update, replaces=changed)

    def create(self, props: dict[str, Any]) -> CreateResult:
        self._purge(props)
        return CreateResult(f"{props['location']}/{props['group']}/{props['account']}", recorded(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        self._purge(_news)
        return UpdateResult(recorded(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        self._purge(_props)

    def _purge(self, props: dict[str, Any]) -> None:
        """Purge the account if it is soft-deleted. Raises PurgeError, SignInError."""
        # What talks to Azure is imported only here, as every preview imports this module.
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError  # noqa: PLC0415
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415

        from delivery import signin  # noqa: PLC0415

        place = (props["location"], props["group"], props["account"])
        with plain_failure(PurgeError, signin.SignInError):
            settings = signin.read_settings(self._config, os.environ)
            session = Session()
            cloud = signin.cloud_of(settings, session)
            accounts = CognitiveServicesManagementClient(
                signin.credential(settings, cloud, session),
                props["subscription_id"],
                base_url=cloud.endpoint,
                credential_scopes=[signin.scope_of(cloud)],
            ).deleted_accounts
            try:
                accounts.get(*place)
                purge = accounts.begin_purge(*place, polling_interval=POLL_SECONDS)
                purge.result(PURGE_DEADLINE)
                if not purge.done():
                    raise PurgeError(_by_hand(*place, f"it goes on after {PURGE_DEADLINE / 60:g} minutes"))
                say(f"Purged the deleted model account {props['account']}: its name is free again.")
            except ResourceNotFoundError:
                return  # never made, purged already, or older than 48 hours
            except HttpResponseError as error:
                raise PurgeError(_by_hand(*place, error.message)) from error


def _by_hand(location: str, group: str, account: str, reason: str) -> str:
    return (
        f"The model account {account} is deleted, not purged: its name stays taken for 48 hours. {reason}\n"
        "Purging takes Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete on the "
        "subscription (Contributor has it). With that right, run the command again, or run:\n"
        f"  az cognitiveservices account purge --location {location} --resource-group {group} "
        f"--name {account}"
    )
