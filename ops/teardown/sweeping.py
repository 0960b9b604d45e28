"""Decides which leftovers of test stacks may be removed, with a reason for each. Pure functions.

Only leftovers of a pull request (infra.stacks.pull_request_of) are considered, and they are removed only
if GitHub reports the pull request as closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from infra.stacks import pull_request_of
from ops.engine import StackSummary
from ops.teardown.leftovers import DeletedAccount, Group, Naming

Kind = Literal["stack", "resource group", "deleted model account", "state files", "stack file"]
Action = Literal["remove", "keep", "unknown", "suspicious"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Leftover:
    """An object with the name of a pull request's stack. `since` is None if its age is unknown."""

    kind: Kind
    name: str
    stack: str
    what: str
    since: datetime | None = None
    suspicious: str = ""
    """The reason why it may not belong to a test stack."""


@dataclass(frozen=True)
class PullRequestStatus:
    """The state of a pull request on GitHub; `problem` is the reason if it is unknown."""

    state: Literal["open", "closed", "merged"] | None
    problem: str = ""


@dataclass(frozen=True)
class Decision:
    leftover: Leftover
    action: Action
    why: str


@dataclass(frozen=True)
class Inventory:
    """The existing objects. `state_files` are names of stacks, `stack_files` are `Pulumi.<stack>.yaml`."""

    stacks: Sequence[StackSummary] = ()
    groups: Iterable[Group] = ()
    accounts: Iterable[DeletedAccount] = ()
    state_files: Iterable[str] = ()
    stack_files: Iterable[str] = ()


def find(inventory: Inventory, naming: Naming) -> list[Leftover]:
    """The leftovers in the order of removal. The objects of an existing stack are removed with that stack."""
    there = {stack.name for stack in inventory.stacks}
    leftovers = [*map(_stack, inventory.stacks)]
    leftovers += [_group(group, naming) for group in inventory.groups if group.stack not in there]
    for account in inventory.accounts:
        owner = naming.stack_of(account)
        if owner is not None and owner not in there:
            what = f"soft-deleted in {account.location}"
            leftovers.append(Leftover("deleted model account", account.name, owner, what, account.deleted))
    leftovers += [
        Leftover("state files", stack, stack, "history, backups or claims")
        for stack in inventory.state_files
        if stack not in there
    ]
    stack_files = {file.removeprefix("Pulumi.").removesuffix(".yaml"): file for file in inventory.stack_files}
    leftovers += [
        Leftover("stack file", file, stack, "in this folder")
        for stack, file in stack_files.items()
        if stack not in there
    ]
    ephemeral = [
        (number, leftover)
        for leftover in leftovers
        if (number := pull_request_of(leftover.stack)) is not None
    ]
    ordered = sorted(ephemeral, key=lambda pair: (KINDS.index(pair[1].kind), pair[0], pair[1].name))
    return [leftover for _, leftover in ordered]


def _stack(stack: StackSummary) -> Leftover:
    count = f"{stack.resources} resources" if stack.resources else "empty"
    return Leftover("stack", stack.name, stack.name, count, stack.updated)


def _group(group: Group, naming: Naming) -> Leftover:
    expected = naming.group_of(group.stack)
    doubt = "" if group.name.lower() in expected else f"its name is not {' or '.join(expected)}"
    return Leftover("resource group", group.name, group.stack, f"tagged {group.stack}", suspicious=doubt)


def decide(leftovers: Sequence[Leftover], statuses: Mapping[int, PullRequestStatus]) -> list[Decision]:
    return [_decided(leftover, statuses) for leftover in leftovers]


def _decided(leftover: Leftover, statuses: Mapping[int, PullRequestStatus]) -> Decision:
    number = pull_request_of(leftover.stack)
    if number is None:  # a safeguard for every caller
        return Decision(leftover, "keep", f"{leftover.stack} is not the stack of a pull request")
    if leftover.suspicious:
        return Decision(leftover, "suspicious", leftover.suspicious)
    status = statuses.get(number, PullRequestStatus(None, "its state was not requested from GitHub"))
    if status.state is None:
        return Decision(leftover, "unknown", status.problem)
    if status.state == "open":
        return Decision(leftover, "keep", f"pull request #{number} is open")
    return Decision(leftover, "remove", f"pull request #{number} is {status.state}")


def age(since: datetime | None, now: datetime) -> str:
    """A readable age, for example `3 days`."""
    if since is None:
        return "?"
    seconds = max(now - since, timedelta()).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "just now"
