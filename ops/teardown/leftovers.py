"""What a stack leaves behind: a resource group, soft-deleted model accounts, files beside its state.

Groups are found by the tags that infra.program puts on them, soft-deleted accounts by their names. A tag
is easily copied, so nothing counts as a test stack's unless infra.names computes its very name for it.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from infra.names import Names, names
from infra.settings import SETTINGS, own_keys
from infra.settings.stack_config import read_stack_file
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of
from ops.azure import Azure
from ops.files import Files
from ops.output import OpsError, note

GROUP_DEADLINE, PURGE_DEADLINE = 30 * 60.0, 10 * 60.0
"""Seconds. Groups with a Log Analytics workspace take minutes to go."""

_ACCOUNT_ID = re.compile(
    r"/locations/(?P<location>[^/]+)/resourceGroups/(?P<group>[^/]+)/deletedAccounts/(?P<name>[^/]+)$",
    re.IGNORECASE,
)
_ANY_EPHEMERAL = re.compile(r"pr-[1-9][0-9]{0,9}(?![0-9])")


@dataclass(frozen=True)
class Group:
    """`stack` is what its tag says."""

    name: str
    stack: str


@dataclass(frozen=True)
class DeletedAccount:
    """A soft-deleted model account. `stack` is what its tag says, where Azure tells tags; `deleted` when."""

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
    """What infra.names computes for the project's stacks of pull requests in a subscription."""

    subscription_id: str
    project: str
    suffixes: tuple[str, ...]

    @classmethod
    def read(cls, subscription_id: str, project: str, folder: Path) -> "Naming":
        """With the committed suffix, and with none, as it may have been committed lately."""
        config = own_keys(read_stack_file(folder / EPHEMERAL_CONFIG), project)
        committed = SETTINGS["nameSuffix"].rule.parse(config.get("nameSuffix", ""))
        return cls(subscription_id, project, tuple(dict.fromkeys((committed, ""))))

    def group_of(self, stack: str) -> tuple[str, ...]:
        """The names that the stack's resource group may have. They do not depend on the model's region."""
        return tuple(self._names(stack, suffix, "any").resource_group for suffix in self.suffixes)

    def stack_of(self, account: DeletedAccount) -> str | None:
        """The stack of a pull request whose model account that was; None for every other account."""
        location, group, name = account.place
        # In a project with a long name these have no room for the stack's: then only the tag tells it.
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
    """Groups with the project's tag, and any stack's."""
    with _translate_azure_errors("the resource groups cannot be listed"):
        listed = list(
            azure.resources.resource_groups.list(
                filter=f"tagName eq 'project' and tagValue eq '{_quoted(project)}'"
            )
        )
    groups: list[Group] = []
    for group in listed:
        tags = group.tags or {}
        if tags.get("project") == project and tags.get("stack"):
            groups.append(Group(str(group.name), tags["stack"]))
    return sorted(groups, key=lambda group: group.name)


def group_names(azure: Azure) -> set[str]:
    """Of all groups in the subscription, lower case."""
    with _translate_azure_errors("the resource groups cannot be listed"):
        return {str(group.name).lower() for group in azure.resources.resource_groups.list()}


def deleted_accounts(azure: Azure) -> list[DeletedAccount]:
    """Every soft-deleted model account of the subscription, whoever made it."""
    with _translate_azure_errors("the deleted model accounts cannot be listed"):
        listed = list(azure.cognitive.deleted_accounts.list())
    accounts: list[DeletedAccount] = []
    for account in listed:
        place = _ACCOUNT_ID.search(str(account.id))
        if place is None:
            continue
        properties = account.properties
        deleted = str(getattr(properties, "deletion_date", "") or "")
        accounts.append(
            DeletedAccount(
                place["location"],
                place["group"],
                place["name"],
                (account.tags or {}).get("stack", ""),
                _time(deleted),
            )
        )
    return sorted(accounts, key=lambda account: account.place)


def state_files(files: Files, project: str) -> dict[str, list[str]]:
    """By stack, what Pulumi and `ops` keep beside its state: history, backups, claims.

    Only of use while the stack exists; a removal that was cut off leaves it.
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
    """With everything in it; one that is gone already is as good."""
    note(f"Deleting the resource group {name}, with everything in it.")
    with _translate_azure_errors(f"the resource group {name} cannot be deleted"):
        _finish(lambda: azure.resources.resource_groups.begin_delete(name), GROUP_DEADLINE)


def purge(azure: Azure, account: DeletedAccount) -> None:
    """For good, so that its name and its quota are free; one that is gone already is as good."""
    note(f"Purging the deleted model account {account.name}.")
    place = (account.location, account.group, account.name)
    with _translate_azure_errors(f"the deleted model account {account.name} cannot be purged"):
        _finish(lambda: azure.cognitive.deleted_accounts.begin_purge(*place), PURGE_DEADLINE)


def _finish(begin: Callable[[], Any], deadline: float) -> None:
    try:
        poller = begin()
        poller.result(deadline)
    except ResourceNotFoundError:
        return
    if not poller.done():
        raise OpsError(f"it goes on after {deadline / 60:g} minutes: run this again later")


@contextmanager
def _translate_azure_errors(what: str) -> Generator[None]:
    try:
        yield
    except OpsError as error:
        raise OpsError(f"{what}: {error}") from error
    except HttpResponseError as error:
        raise OpsError(f"{what}: {error.message}") from error
    except AzureError as error:
        raise OpsError(f"{what}: {error}") from error


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
