"""Which leftovers of test stacks may be swept away, and why the others may not. Pure.

Only what belongs to a pull request (infra.stacks.pull_request_of) is ever looked at, and only where
GitHub says that it is closed.
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


@dataclass(frozen=True)
class Seen:
    """What there is. `state_files` are the stacks that have some; `stack_files` are `Pulumi.<stack>.yaml`."""

    stacks: Sequence[StackSummary] = ()
    groups: Iterable[Group] = ()
    accounts: Iterable[DeletedAccount] = ()
    state_files: Iterable[str] = ()
    stack_files: Iterable[str] = ()


def find(seen: Seen, naming: Naming) -> list[Found]:
    """What may be left, in the order in which it goes. What a stack that exists has, goes with it."""
    there = {stack.name for stack in seen.stacks}
    found = [*map(_stack, seen.stacks)]
    found += [_group(group, naming) for group in seen.groups if group.stack not in there]
    for account in seen.accounts:
        owner = naming.stack_of(account)
        if owner is not None and owner not in there:
            what = f"soft-deleted in {account.location}"
            found.append(Found("deleted model account", account.name, owner, what, account.deleted))
    found += [
        Found("state files", stack, stack, "history, backups or claims")
        for stack in seen.state_files
        if stack not in there
    ]
    stack_files = {file.removeprefix("Pulumi.").removesuffix(".yaml"): file for file in seen.stack_files}
    found += [
        Found("stack file", file, stack, "in this folder")
        for stack, file in stack_files.items()
        if stack not in there
    ]
    ephemeral = [(number, one) for one in found if (number := pull_request_of(one.stack)) is not None]
    ordered = sorted(ephemeral, key=lambda each: (KINDS.index(each[1].kind), each[0], each[1].name))
    return [one for _, one in ordered]


def _stack(stack: StackSummary) -> Found:
    count = f"{stack.resources} resources" if stack.resources else "empty"
    return Found("stack", stack.name, stack.name, count, stack.updated)


def _group(group: Group, naming: Naming) -> Found:
    expected = naming.group_of(group.stack)
    doubt = "" if group.name.lower() in expected else f"its name is not {' or '.join(expected)}"
    return Found("resource group", group.name, group.stack, f"tagged {group.stack}", suspicious=doubt)


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
