"""Which leftovers of test stacks may be swept away, and why the others may not. Pure.

Only what belongs to a pull request (infra.stacks.pull_request_of) is ever looked at, and only where
GitHub says that it is closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from infra.stacks import pull_request_of
from ops.engine import StackSummary
from ops.leftovers import DeletedAccount, Group, Naming

Kind = Literal["stack", "resource group", "deleted model account", "stack file"]
Action = Literal["remove", "keep", "unknown", "suspicious"]

KINDS: tuple[Kind, ...] = ("stack", "resource group", "deleted model account", "stack file")


@dataclass(frozen=True)
class Found:
    """Something that bears the name of a pull request's stack; `since` where its age is known."""

    kind: Kind
    name: str
    stack: str
    what: str
    since: datetime | None = None
    suspicious: str = ""
    """Why it may be no test stack's at all."""


@dataclass(frozen=True)
class Asked:
    """What GitHub says of a pull request; `problem` where it does not say."""

    state: Literal["open", "closed", "merged"] | None
    problem: str = ""


@dataclass(frozen=True)
class Item:
    found: Found
    action: Action
    why: str


def find(
    stacks: Iterable[StackSummary],
    groups: Iterable[Group],
    accounts: Iterable[DeletedAccount],
    stack_files: Iterable[str],
    naming: Naming,
) -> list[Found]:
    """What may be left, in the order in which it goes. What a stack that exists has, goes with it."""
    found: list[Found] = []
    names: set[str] = set()
    for stack in stacks:
        names.add(stack.name)
        if pull_request_of(stack.name) is not None:
            count = "empty" if not stack.resources else f"{stack.resources} resources"
            found.append(Found("stack", stack.name, stack.name, count, stack.updated))
    for group in groups:
        if pull_request_of(group.stack) is None or group.stack in names:
            continue
        expected = naming.group_of(group.stack)
        doubt = "" if group.name.lower() in expected else f"its name is not {' or '.join(expected)}"
        found.append(
            Found("resource group", group.name, group.stack, f"tagged {group.stack}", suspicious=doubt)
        )
    for account in accounts:
        owner = naming.stack_of(account)
        if owner is not None and owner not in names:
            what = f"soft-deleted in {account.location}"
            found.append(Found("deleted model account", account.name, owner, what, account.deleted))
    for file in stack_files:
        stack = file.removeprefix("Pulumi.").removesuffix(".yaml")
        if pull_request_of(stack) is not None and stack not in names:
            found.append(Found("stack file", file, stack, "in this folder"))
    return sorted(found, key=lambda one: (KINDS.index(one.kind), pull_request_of(one.stack) or 0, one.name))


def decide(found: Sequence[Found], asked: Mapping[int, Asked]) -> list[Item]:
    return [_decided(one, asked) for one in found]


def _decided(found: Found, asked: Mapping[int, Asked]) -> Item:
    number = pull_request_of(found.stack)
    if number is None:  # nothing else is ever removed, whoever calls
        return Item(found, "keep", f"{found.stack} is no stack of a pull request")
    if found.suspicious:
        return Item(found, "suspicious", found.suspicious)
    answer = asked.get(number, Asked(None, "GitHub was not asked"))
    if answer.state is None:
        return Item(found, "unknown", answer.problem)
    if answer.state == "open":
        return Item(found, "keep", f"pull request #{number} is open")
    return Item(found, "remove", f"pull request #{number} is {answer.state}")


def age(since: datetime | None, now: datetime) -> str:
    """For people, as `3 days`."""
    if since is None:
        return "?"
    seconds = max(now - since, timedelta()).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "just now"
