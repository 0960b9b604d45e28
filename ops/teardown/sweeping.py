"""Decides which leftovers of test stacks may be removed, with a reason for each. Pure functions.

Only leftovers of a pull request (infra.stacks.pull_request_of) are considered. They are removed only if
GitHub reports the pull request as closed, or as open while the time of its stack (`testStackHours`) is over.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from infra.settings import SETTINGS
from infra.settings.rules import InvalidValueError
from infra.settings.stack_config import read_stack_file
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of
from ops.engine import StackSummary
from ops.output import OpsError
from ops.teardown.leftovers import DeletedAccount, Group, Naming

Kind = Literal["stack", "resource group", "deleted model account", "state files", "stack file"]

KEEP_LABEL = "keep"
"""The label of a pull request whose stack is taken down only when the pull request is closed."""

_NIGHT = timedelta(hours=25)
"""From one nightly sweep to the end of the next one, which GitHub may start late."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Leftover:
    """An object with the name of a pull request's stack, and what is decided on it.

    `since` is None if its age is unknown; `suspicious` is the reason why it may not belong to a test stack.
    `ends` is when the time of the stack of an open pull request is over. `outcome` is empty until the removal
    was tried, or was not because of the limit.
    """

    kind: Kind
    name: str
    stack: str
    what: str
    since: datetime | None = None
    suspicious: str = ""
    action: Literal["", "remove", "keep", "unknown", "suspicious"] = ""
    why: str = ""
    ends: datetime | None = None
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
    return sorted(
        (leftover for leftover in leftovers if pull_request_of(leftover.stack) is not None),
        key=lambda leftover: (
            KINDS.index(leftover.kind),
            pull_request_of(leftover.stack),
            leftover.name,
        ),
    )


def _stack(stack: StackSummary) -> Leftover:
    count = f"{stack.resources} resources" if stack.resources else "empty"
    return Leftover("stack", stack.name, stack.name, count, stack.updated)


def _group(group: Group, naming: Naming) -> Leftover:
    expected = naming.group_of(group.stack)
    doubt = "" if group.name.lower() in expected else f"its name is not {' or '.join(expected)}"
    return Leftover("resource group", group.name, group.stack, f"tagged {group.stack}", suspicious=doubt)


def test_stack_hours(folder: Path, project: str) -> int:
    """The setting of the checkout; 0 if the stacks of open pull requests do not end. Raises OpsError."""
    declared = SETTINGS["testStackHours"]
    text = read_stack_file(folder / EPHEMERAL_CONFIG, project).get(declared.key, str(declared.default))
    try:
        return declared.rule.parse(text)
    except InvalidValueError as error:
        raise OpsError(f"{EPHEMERAL_CONFIG}: {declared.key} is {text!r}, and {error.rule}") from error


@dataclass(frozen=True)
class Status:
    """Of a pull request: its state (open, closed or merged), or why it is unknown.

    `ends` is when the time of its stack is over; None if that does not end, for the reason in `kept`.
    """

    state: str
    ends: datetime | None = None
    kept: str = ""


def ends_at(last_up: datetime | None, hours: int, labels: Collection[str]) -> tuple[datetime | None, str]:
    """`Status.ends` and `Status.kept` of an open pull request."""
    if KEEP_LABEL in labels:
        return None, f"it has the label `{KEEP_LABEL}`"
    if not hours:
        return None, "testStackHours is 0"
    if last_up is None:
        return None, "no `up` is in its history"
    return last_up + timedelta(hours=hours), ""


def decide(leftover: Leftover, status: Status, now: datetime) -> Leftover:
    """The leftover with its `action`, `why` and `ends`."""
    number = pull_request_of(leftover.stack)
    open_ = f"pull request #{number} is open"
    if number is None:  # a safeguard for every caller
        return replace(leftover, action="keep", why=f"{leftover.stack} is not the stack of a pull request")
    if leftover.suspicious:
        return replace(leftover, action="suspicious", why=leftover.suspicious)
    if status.state in ("closed", "merged"):
        return replace(leftover, action="remove", why=f"pull request #{number} is {status.state}")
    if status.state != "open":
        return replace(leftover, action="unknown", why=status.state)
    if leftover.kind != "stack" or status.ends is None:
        return replace(leftover, action="keep", why=f"{open_}; {status.kept}" if status.kept else open_)
    if status.ends <= now:
        why = f"its time ended at {status.ends:%Y-%m-%d %H:%M} UTC"
        return replace(leftover, action="remove", why=why, ends=status.ends)
    return replace(leftover, action="keep", why=f"{open_}; {age(now, status.ends)} left", ends=status.ends)


def is_last_night(leftover: Leftover, now: datetime) -> bool:
    """Whether the next nightly sweep takes down the stack of an open pull request."""
    return leftover.action == "keep" and leftover.ends is not None and leftover.ends <= now + _NIGHT


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
