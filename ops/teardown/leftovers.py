"""Leftovers of a stack: resource groups, soft-deleted model accounts, and files next to the state.

Groups are identified by the tags that infra.program sets, soft-deleted accounts by their names. A tag can
be copied, so a leftover belongs to a test stack only if infra.names computes exactly its name.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from infra.names import Names, names
from infra.settings import SETTINGS
from infra.settings.stack_config import read_stack_file
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of
from ops.azure import Azure, translate_errors
from ops.files import Files
from ops.output import OpsError, note

GROUP_DEADLINE, PURGE_DEADLINE = 30 * 60.0, 10 * 60.0
"""Seconds. The deletion of a group with a Log Analytics workspace takes minutes."""

_ACCOUNT_ID = re.compile(
    r"/locations/(?P<location>[^/]+)/resourceGroups/(?P<group>[^/]+)/deletedAccounts/(?P<name>[^/]+)$",
    re.IGNORECASE,
)
_ANY_EPHEMERAL = re.compile(r"pr-[1-9][0-9]{0,9}(?![0-9])")


@dataclass(frozen=True)
class Group:
    """A resource group. `stack` is the value of its tag."""

    name: str
    stack: str


@dataclass(frozen=True)
class DeletedAccount:
    """A soft-deleted model account. `stack` is the value of its tag, empty if Azure returns none."""

    location: str
    group: str
    name: str
    stack: str = ""
    deleted: datetime | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.location.lower(), self.group.lower(), self.name.lower()


@dataclass(frozen=True)
class Naming:
    """The names that infra.names computes for the project's test stacks in a subscription."""

    subscription_id: str
    project: str
    suffixes: tuple[str, ...]

    @classmethod
    def read(cls, subscription_id: str, project: str, folder: Path) -> "Naming":
        """Create it for the committed suffix and for none, because it may have been committed recently."""
        config = read_stack_file(folder / EPHEMERAL_CONFIG, project)
        committed = SETTINGS["nameSuffix"].rule.parse(config.get("nameSuffix", ""))
        return cls(subscription_id, project, tuple(dict.fromkeys((committed, ""))))

    def group_of(self, stack: str) -> tuple[str, ...]:
        """The possible names of the stack's resource group. They do not depend on the model's region."""
        return tuple(self._names(stack, suffix, "any").resource_group for suffix in self.suffixes)

    def stack_of(self, account: DeletedAccount) -> str | None:
        """The test stack that the model account belonged to; None for every other account."""
        location, group, name = account.place
        # In a project with a long name they do not contain the stack's name: then only the tag does.
        candidates = {account.stack, *_ANY_EPHEMERAL.findall(name), *_ANY_EPHEMERAL.findall(group)}
        for stack in sorted(candidate for candidate in candidates if pull_request_of(candidate) is not None):
            for suffix in self.suffixes:
                computed = self._names(stack, suffix, location)
                if (computed.resource_group, computed.openai_account) == (group, name):
                    return stack
        return None

    def _names(self, stack: str, suffix: str, openai_location: str) -> Names:
        return names(self.subscription_id, self.project, stack, suffix, openai_location)


def tagged_groups(azure: Azure, project: str) -> list[Group]:
    """The groups with the tags of the project and of any stack."""
    tag = f"tagName eq 'project' and tagValue eq '{project}'"
    with translate_errors("the resource groups cannot be listed"):
        tagged = [
            (str(group.name), group.tags or {}) for group in azure.resources.resource_groups.list(filter=tag)
        ]
    return [
        Group(name, tags["stack"])
        for name, tags in tagged
        if tags.get("project") == project and tags.get("stack")
    ]


def group_names(azure: Azure) -> set[str]:
    """The names of all groups in the subscription, in lower case."""
    with translate_errors("the resource groups cannot be listed"):
        return {str(group.name).lower() for group in azure.resources.resource_groups.list()}


def deleted_accounts(azure: Azure) -> list[DeletedAccount]:
    """All soft-deleted model accounts of the subscription."""
    with translate_errors("the deleted model accounts cannot be listed"):
        listed = list(azure.cognitive.deleted_accounts.list())
    accounts: list[DeletedAccount] = []
    for account in listed:
        if place := _ACCOUNT_ID.search(str(account.id)):
            deleted: datetime | None = None
            with suppress(ValueError):
                deleted = datetime.fromisoformat(str(getattr(account.properties, "deletion_date", "")))
            stack = (account.tags or {}).get("stack", "")
            accounts.append(DeletedAccount(place["location"], place["group"], place["name"], stack, deleted))
    return accounts


def state_files(files: Files, project: str) -> dict[str, list[str]]:
    """The files that Pulumi and `ops` keep next to the state, by stack: history, backups and claims.

    They are only needed while the stack exists; an interrupted removal leaves them behind.
    """
    names_by_stack: dict[str, list[str]] = {}
    for folder in (".pulumi/history", ".pulumi/backups", ".ops/claims"):
        for name in files.names(f"{folder}/{project}/"):
            names_by_stack.setdefault(name.split("/")[3], []).append(name)
    for name in files.names(f".pulumi/stacks/{project}/"):
        stack, ending, _ = name.rpartition("/")[2].partition(".json.bak")
        if ending:
            names_by_stack.setdefault(stack, []).append(name)
    return names_by_stack


def delete_group(azure: Azure, name: str) -> None:
    """Delete the group and everything in it. It is not an error if it does not exist."""
    note(f"Deleting the resource group {name}, with everything in it.")
    _finish(
        f"the resource group {name} cannot be deleted",
        lambda: azure.resources.resource_groups.begin_delete(name),
        GROUP_DEADLINE,
    )


def purge(azure: Azure, account: DeletedAccount) -> None:
    """Purge the account, which frees its name and quota. It is not an error if it does not exist."""
    note(f"Purging the deleted model account {account.name}.")
    place = (account.location, account.group, account.name)
    _finish(
        f"the deleted model account {account.name} cannot be purged",
        lambda: azure.cognitive.deleted_accounts.begin_purge(*place),
        PURGE_DEADLINE,
    )


def _finish(failure: str, begin: Callable[[], Any], deadline: float) -> None:
    with translate_errors(failure), suppress(ResourceNotFoundError):
        poller = begin()
        poller.result(deadline)
        if not poller.done():
            raise OpsError(
                f"{failure}: it is still running after {deadline / 60:g} minutes: run this again later"
            )
