"""Remove the leftovers of closed pull requests: stacks, resource groups and soft-deleted model accounts.

The stack of an open pull request is removed, too, when `testStackHours` (a setting in Pulumi.pr.yaml) have
passed since its last `up`; its comment says so the night before. The label `keep` holds it, and the next
push brings it back.

All leftovers are listed first. Only those of a pull request's stack (pr-N) are removed, and only if GitHub
reports the pull request as closed, or its time is over, immediately before. Every other leftover is kept and
reported.

exit codes: 0 nothing is left to remove; 1 a leftover could not be removed; 3 there were more than --limit
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from infra.stacks import pull_request_of
from ops.commands.pull_request_stack import END_PART, PART, ended, ending
from ops.engine import Pulumi
from ops.github import summary
from ops.github.github import GitHub
from ops.github.markdown import code
from ops.locks.locks import LockedError
from ops.output import OpsError, note, say
from ops.preview.comment import update_parts
from ops.teardown.leftovers import deleted_accounts, state_files, tagged_groups
from ops.teardown.sweeping import (
    KEEP_LABEL,
    Leftover,
    Status,
    age,
    decide,
    ends_at,
    find,
    is_last_night,
    test_stack_hours,
)
from ops.teardown.teardown import TearDown

LIMIT = 10
FAILED, MORE_LEFT = 1, 3

_NOTHING = "There are no leftovers of test stacks."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only list")
    parser.add_argument(
        "--limit",
        type=_count,
        default=LIMIT,
        metavar="N",
        help=f"remove at most N leftovers (default {LIMIT})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the tables")


def run(arguments: argparse.Namespace) -> int:
    pulumi = Pulumi()
    pulumi.check_azure(lambda: GitHub.connect(pulumi.environment))
    github = GitHub.connect(pulumi.environment)
    tear_down = TearDown.prepare(pulumi)
    leftovers = find(
        tear_down.naming,
        stacks=pulumi.summaries(),
        groups=tagged_groups(tear_down.azure, pulumi.project),
        accounts=deleted_accounts(tear_down.azure),
        state_files=state_files(pulumi.files, pulumi.project),
        stack_files=[path.name for path in pulumi.folder.glob("Pulumi.pr-*.yaml")],
    )
    hours = test_stack_hours(pulumi.folder, pulumi.project)
    now = datetime.now(UTC)
    decided = [decide(leftover, _status(pulumi, github, leftover, hours), now) for leftover in leftovers]
    if not arguments.json:
        rows = [_row(leftover, now) for leftover in decided]
        say(_table(("ACTION", "KIND", "NAME", "WHAT", "AGE", "WHY"), rows) if rows else _NOTHING)
    if not arguments.dry_run:
        _announce(github, [leftover for leftover in decided if is_last_night(leftover, now)])
        decided = _remove_all(decided, arguments.limit, github, tear_down, hours)
    removals = [_row(leftover, now) for leftover in decided if leftover.outcome]
    if arguments.json:
        items = [_item(leftover) for leftover in decided]
        say(json.dumps({"items": items}, indent=2, default=datetime.isoformat))
    elif removals:
        rows = [(outcome, kind, name, why) for outcome, kind, name, _what, _age, why in removals]
        say(f"\n{_table(('RESULT', 'KIND', 'NAME', 'WHY'), rows)}")
    summary.write(_page([_row(leftover, now) for leftover in decided]))
    outcomes = {leftover.outcome for leftover in decided}
    if "failed" in outcomes:
        return FAILED
    return MORE_LEFT if "beyond the limit" in outcomes else 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _status(pulumi: Pulumi, github: GitHub, leftover: Leftover, hours: int) -> Status:
    number = pull_request_of(leftover.stack)
    try:
        pull_request = github.pull_request(number) if number else None
        if pull_request is None:
            return Status(f"GitHub knows no pull request #{number}")
        state = pull_request.state
        if state != "open" or leftover.kind != "stack":
            return Status(state)
        updates = pulumi.history(leftover.stack) if hours and KEEP_LABEL not in pull_request.labels else []
    except OpsError as error:
        return Status(str(error))
    return Status(state, *ends_at(updates[0].ended if updates else None, hours, pull_request.labels))


def _announce(github: GitHub, leftovers: Sequence[Leftover]) -> None:
    """Say in the comments of the pull requests that the next sweep takes their stacks down."""
    for leftover in leftovers:
        if leftover.ends is not None:
            _write(github, leftover.stack, {END_PART: ending(leftover.stack, leftover.ends)})


def _write(github: GitHub, stack: str, parts: Mapping[str, str]) -> None:
    """Write to the comment. An error is only printed: the sweep goes on."""
    try:
        update_parts(github, pull_request_of(stack) or 0, parts)
    except OpsError as error:
        note(f"error: {error}")


def _remove_all(
    leftovers: Sequence[Leftover], limit: int, github: GitHub, tear_down: TearDown, hours: int
) -> list[Leftover]:
    """Remove one leftover after the other; a failure does not stop the next removal."""
    done: list[Leftover] = []
    tried = 0
    for leftover in leftovers:
        if leftover.action != "remove":
            done.append(leftover)
        elif tried == limit:
            why = f"--limit {limit}: run this again"
            done.append(replace(leftover, outcome="beyond the limit", outcome_why=why))
        else:
            tried += 1
            note(f"Removing the {leftover.kind} {leftover.name}.")
            done.append(_remove(leftover, github, tear_down, hours))
    return done


def _remove(leftover: Leftover, github: GitHub, tear_down: TearDown, hours: int) -> Leftover:
    # Minutes may have passed since the list was created.
    status = _status(tear_down.pulumi, github, leftover, hours)
    current = decide(leftover, status, datetime.now(UTC))
    if current.action != "remove":
        return replace(leftover, outcome="left", outcome_why=current.why)
    try:
        tear_down(leftover.stack)
    except LockedError as error:
        return replace(leftover, outcome="left" if error.alive else "failed", outcome_why=str(error))
    except (OpsError, OSError) as error:
        note(f"error: {error}")
        return replace(leftover, outcome="failed", outcome_why=str(error))
    if current.ends is not None:  # the pull request is open
        _write(github, leftover.stack, {PART: ended(leftover.stack), END_PART: ""})
    return replace(leftover, outcome="removed", outcome_why=leftover.why)


def _row(leftover: Leftover, now: datetime) -> tuple[str, ...]:
    """What is or was done, the leftover, its age, and why."""
    why = " ".join((leftover.outcome_why or leftover.why).split())
    action = leftover.outcome or leftover.action
    return action, leftover.kind, leftover.name, leftover.what, age(leftover.since, now), why


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )


def _item(leftover: Leftover) -> dict[str, object]:
    return {
        "kind": leftover.kind,
        "name": leftover.name,
        "stack": leftover.stack,
        "what": leftover.what,
        "since": leftover.since,
        "action": leftover.action,
        "why": leftover.why,
        "ends": leftover.ends,
        "result": leftover.outcome or None,
        "resultWhy": leftover.outcome_why or None,
    }


def _page(rows: Sequence[Sequence[str]]) -> str:
    """The summary of the workflow run, as Markdown."""
    # A table interprets `|` even inside code.
    cells = [[code(text, 400).replace("|", "\\|") for text in row] for row in rows]
    table = [["result", "kind", "name", "what", "age", "why"], ["---"] * 6, *cells]
    lines = [f"| {' | '.join(row)} |" for row in table] if rows else [_NOTHING]
    return "\n".join(["### Sweep of test stacks", "", *lines, ""])
