"""Decides which leftovers of test stacks may be removed, with a reason for each. Pure functions.

Only leftovers of a pull request (infra.stacks.pull_request_of) are considered, and they are removed only
if GitHub reports the pull request as closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from infra.stacks import pull_request_of
from ops.engine import StackSummary
from ops.teardown.leftovers import DeletedAccount, Group, Naming

Kind = Literal["stack", "resource group", "deleted model account", "state files", "stack file"]

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
class Decision:
    """`outcome` is empty until the removal was tried, or was not because of the limit."""

    leftover: Leftover
    action: Literal["remove", "keep", "unknown", "suspicious"]
    why: str
    outcome: Literal["", "removed", "left", "failed", "beyond the limit"] = ""
    outcome_why: str = ""


def find(
    naming: Naming,
    *,
    stacks: Sequence[StackSummary] = (),
    groups: Iterable[Group] = (),
    accounts: Iterable[DeletedAccount] = (),
    state_files: Iterable[str] = (),
    stack_files: Iterable[str] = (),
) -> list[Leftover]:
    """The leftovers in the order of removal. The objects of an existing stack are removed with that stack.

    `state_files` are names of stacks, `stack_files` names of files: `Pulumi.<stack>.yaml`.
    """
    existing = {stack.name for stack in stacks}
    orphans = [_group(group, naming) for group in groups]
    orphans += [
        Leftover(
            "deleted model account",
            account.name,
            naming.stack_of(account) or "",
            f"soft-deleted in {account.location}",
            account.deleted,
        )
        for account in accounts
    ]
    orphans += [Leftover("state files", stack, stack, "history, backups or claims") for stack in state_files]
    orphans += [
        Leftover("stack file", file, file.removeprefix("Pulumi.").removesuffix(".yaml"), "in this folder")
        for file in stack_files
    ]
    leftovers = [*map(_stack, stacks), *(orphan for orphan in orphans if orphan.stack not in existing)]
    numbered = [(pull_request_of(leftover.stack), leftover) for leftover in leftovers]
    ephemeral = [(number, leftover) for number, leftover in numbered if number is not None]
    ephemeral.sort(key=lambda pair: (KINDS.index(pair[1].kind), pair[0], pair[1].name))
    return [leftover for _, leftover in ephemeral]


def _stack(stack: StackSummary) -> Leftover:
    count = f"{stack.resources} resources" if stack.resources else "empty"
    return Leftover("stack", stack.name, stack.name, count, stack.updated)


def _group(group: Group, naming: Naming) -> Leftover:
    expected = naming.group_of(group.stack)
    doubt = "" if group.name.lower() in expected else f"its name is not {' or '.join(expected)}"
    return Leftover("resource group", group.name, group.stack, f"tagged {group.stack}", suspicious=doubt)


def decide(leftover: Leftover, status: str) -> Decision:
    """`status` is the state of the pull request (open, closed or merged), or why it is unknown."""
    number = pull_request_of(leftover.stack)
    if number is None:  # a safeguard for every caller
        return Decision(leftover, "keep", f"{leftover.stack} is not the stack of a pull request")
    if leftover.suspicious:
        return Decision(leftover, "suspicious", leftover.suspicious)
    if status in ("closed", "merged"):
        return Decision(leftover, "remove", f"pull request #{number} is {status}")
    if status == "open":
        return Decision(leftover, "keep", f"pull request #{number} is open")
    return Decision(leftover, "unknown", status)


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
