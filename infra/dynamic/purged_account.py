"""Purges the soft-deleted model account, so that `destroy` leaves none behind and none blocks `up`.

Azure keeps a deleted account for 48 hours, and with it its name, its subdomain and its quota; azure-native
never purges it (pulumi-azure-native #2529). The account depends on this resource, so this one is deleted
after the account, and its deletion purges the account. With a `ResourceHook`, a plain `pulumi destroy` would
fail, since hooks need the program.

An account can also be deleted without this resource: in the portal, by a `destroy` or an `up` that was killed
afterwards, or with the resource group when that is replaced. So `up` purges as well: this resource is created
and updated before the account, updated whenever the account does not exist, and replaced with the group.
"""

import os
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infra.dynamic.support import Provider, plain_failure, recorded, say

_INPUTS = ("subscription_id", "location", "group", "account")
PURGE_DEADLINE = 10 * 60.0
POLL_SECONDS = 3
"""Used unless Azure sends Retry-After; the default of the SDK is half a minute."""


class PurgeError(Exception):
    """The account is deleted but not purged; the message gives the reason and the command to purge it."""


class PurgedAccount(Resource, module="infra", name="PurgedAccount"):
    """Purges a model account after its deletion and before its creation. The account must depend on it."""

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
        """All names are plain strings, so that they are known in the first preview.

        `group_id` is an output of the resource group: if the group is deleted to be replaced, the account
        is deleted with it, and the engine replaces the resources that depend on the group's outputs.
        """
        inputs = {
            "subscription_id": subscription_id,
            "location": location,
            "group": group,
            "account": account,
            "group_id": group_id,
            # Another value in each run, so that the next `up` shows a change and a refresh shows none.
            "account_missing": "" if account_exists else os.urandom(8).hex(),
        }
        super().__init__(PurgedAccountProvider(), name, inputs, opts)


class PurgedAccountProvider(Provider):
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
        # The Azure SDK is imported only here, since every preview imports this module.
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
                    raise PurgeError(
                        _by_hand(*place, f"it has not ended after {PURGE_DEADLINE / 60:g} minutes")
                    )
                say(f"Purged the deleted model account {props['account']}: its name is free again.")
            except ResourceNotFoundError:
                return  # never created, purged already, or deleted more than 48 hours ago
            except HttpResponseError as error:
                raise PurgeError(_by_hand(*place, error.message)) from error


PurgedAccountProvider.__module__ = "infra.dynamic"  # the path in states: see infra/dynamic/__init__.py


def _by_hand(location: str, group: str, account: str, reason: str) -> str:
    return (
        f"The model account {account} is deleted, not purged: its name is blocked for 48 hours. {reason}\n"
        "Purging requires Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete on the "
        "subscription (Contributor has it). With that permission, run the command again, or run:\n"
        f"  az cognitiveservices account purge --location {location} --resource-group {group} "
        f"--name {account}"
    )
