"""Destroys a stack with all its leftovers and verifies the result. An interrupted run can be repeated."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.dynamic.deletion_guard import refusal
from infra.stacks import pull_request_of
from ops import state
from ops.azure import Azure
from ops.engine import Pulumi, PulumiError
from ops.locks.locks import read_locks
from ops.locks.recovery import release
from ops.output import OpsError, note
from ops.state import GROUP, GUARD, PURGED_ACCOUNT
from ops.teardown.leftovers import (
    DeletedAccount,
    Group,
    Naming,
    delete_group,
    deleted_accounts,
    group_names,
    purge,
    state_files,
    tagged_groups,
)


class ProtectedStackError(OpsError):
    """The stack is protected; nothing was changed."""


@dataclass(frozen=True)
class Traces:
    """The resource groups and model accounts in the state of a stack."""

    groups: frozenset[str]
    accounts: frozenset[tuple[str, str, str]]  # location, group, name; lower case


@dataclass(frozen=True)
class TearDown:
    """`naming` identifies groups and accounts of a test stack that are not in its state."""

    pulumi: Pulumi
    azure: Azure
    naming: Naming

    @classmethod
    def prepare(cls, pulumi: Pulumi) -> "TearDown":
        azure = Azure.sign_in(pulumi.environment)
        return cls(pulumi, azure, Naming.read(azure.subscription_id, pulumi.project, pulumi.folder))

    def __call__(self, stack: str) -> None:
        """Destroy the stack. Raises LockedError, ProtectedStackError, or OpsError with the leftovers.

        Only the stack of a pull request is also removed; another stack keeps its settings.
        """
        ephemeral = pull_request_of(stack) is not None
        exists = stack in self.pulumi.stacks()
        release(self.pulumi, stack)
        exported = self.pulumi.export(stack) if exists else {}
        refuse_protected(stack, exported)
        traces = traces_of(exported)
        destroyed = self._destroy(stack, exported)
        self._remove_leftovers(stack, traces)
        if ephemeral:
            if not destroyed:
                self._verify_groups_gone(stack, traces)
            if exists:
                self.pulumi.remove_stack(stack, force=not destroyed)
            for name in state_files(self.pulumi.files, self.pulumi.project).get(stack, ()):
                self.pulumi.files.delete(name)
            (self.pulumi.folder / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)
        self._verify(stack, traces, removed=ephemeral)

    def _destroy(self, stack: str, exported: dict[str, Any]) -> bool:
        """Return False if Pulumi failed but the resource group contains every resource in the state."""
        if not state.entries(exported):
            return True
        try:
            # Without --refresh it would fail at a resource that was deleted by hand.
            self.pulumi.destroy(stack, "--refresh")
        except PulumiError:
            if read_locks(self.pulumi.files, self.pulumi.project, stack):
                raise  # another command has taken the lock
            left = self.pulumi.export(stack)
            known = traces_of(exported).groups
            if pull_request_of(stack) is None or not known or resources_outside(left, known):
                raise
            note(
                f"Stack {stack} is destroyed by deleting its resource group, because `pulumi destroy` failed."
            )
            return False
        return True

    def _remove_leftovers(self, stack: str, traces: Traces) -> None:
        for group in self._groups(stack):
            if is_owned(group, stack, traces, self.naming):
                delete_group(self.azure, group.name)
        for account in self._accounts(stack, traces):
            purge(self.azure, account)

    def _groups(self, stack: str) -> list[Group]:
        """The groups with the tag of the stack, including those with an unexpected name."""
        return [group for group in tagged_groups(self.azure, self.pulumi.project) if group.stack == stack]

    def _accounts(self, stack: str, traces: Traces) -> list[DeletedAccount]:
        return [
            account
            for account in deleted_accounts(self.azure)
            if account.place in traces.accounts or self.naming.stack_of(account) == stack
        ]

    def _verify_groups_gone(self, stack: str, traces: Traces) -> None:
        """Raises OpsError if a group in the state still exists, for example because it lost its tags."""
        left = sorted(traces.groups & group_names(self.azure))
        if left:
            raise OpsError(
                f"stack {stack} could not be destroyed, and its resource group {', '.join(left)} is not "
                "tagged as its own, so neither was removed. "
                "Check the group; to delete it: az group delete --name NAME"
            )

    def _verify(self, stack: str, traces: Traces, *, removed: bool) -> None:
        left = [f"the resource group {group.name}" for group in self._groups(stack)]
        left += [f"the deleted model account {account.name}" for account in self._accounts(stack, traces)]
        if removed and stack in self.pulumi.stacks():
            left.append(f"the stack {stack}")
        if left:
            raise OpsError(f"stack {stack} still has: {', '.join(left)}. Run this again")


def is_owned(group: Group, stack: str, traces: Traces, naming: Naming) -> bool:
    """Whether a group may be deleted: it has the stack's tag, and the state or infra.names its name."""
    if group.stack != stack:
        return False
    name = group.name.lower()
    return name in traces.groups or (pull_request_of(stack) is not None and name in naming.group_of(stack))


def traces_of(exported: dict[str, Any]) -> Traces:
    """Resources that the stack only reads (`ResourceGroup.get`) are omitted."""
    groups: set[str] = set()
    accounts: set[tuple[str, str, str]] = set()
    for entry in state.entries(exported):
        if entry.get("external"):
            continue
        resource = state.resource(entry)
        if resource.type == GROUP:
            groups.add(resource.id.rpartition("/")[2].lower())
        elif resource.type == PURGED_ACCOUNT:
            location, group, account = (
                str(resource.inputs[key]).lower() for key in ("location", "group", "account")
            )
            accounts.add((location, group, account))
    return Traces(frozenset(groups), frozenset(accounts))


def resources_outside(exported: dict[str, Any], groups: Iterable[str]) -> list[str]:
    """The names of the Azure resources in the state that are in none of these resource groups."""
    within = tuple(f"resourcegroups/{group}/" for group in groups)
    outside: list[str] = []
    for resource in map(state.resource, state.entries(exported)):
        resource_id = resource.id.lower()
        path = resource_id.removeprefix("/subscriptions/").partition("/")[2]
        if resource_id.startswith("/subscriptions/") and not f"{path}/".startswith(within):
            outside.append(resource.name)
    return outside


def refuse_protected(stack: str, exported: dict[str, Any]) -> None:
    """Raises ProtectedStackError if a resource of the stack is protected."""
    names: list[str] = []
    for entry in state.entries(exported):
        resource = state.resource(entry)
        if entry.get("protect") or (resource.type == GUARD and resource.outputs.get("protected")):
            names.append(resource.name)
    if names:
        raise ProtectedStackError(f"{refusal(stack)}\nProtected: {', '.join(names)}")
