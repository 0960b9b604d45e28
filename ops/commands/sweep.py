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
from collections.abc import Sequence
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
    Decision,
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
    statuses = {leftover.stack: _status(pulumi, github, leftover, hours) for leftover in leftovers}
    now = datetime.now(UTC)
    decisions = [decide(leftover, statuses[leftover.stack], now) for leftover in leftovers]
    if not arguments.json:
        rows = [(decision.action, *_cells(decision, now), _one_line(decision.why)) for decision in decisions]
        say(_table(("ACTION", "KIND", "NAME", "WHAT", "AGE", "WHY"), rows) if rows else _NOTHING)
    if not arguments.dry_run:
        _announce(github, [decision for decision in decisions if is_last_night(decision, now)])
        decisions = _remove_all(decisions, arguments.limit, github, tear_down, hours)
    removals = [decision for decision in decisions if decision.outcome]
    if arguments.json:
        say(json.dumps({"items": [_json(decision) for decision in decisions]}, indent=2))
    elif removals:
        rows = [
            (removal.outcome, removal.leftover.kind, removal.leftover.name, _one_line(removal.outcome_why))
            for removal in removals
        ]
        say(f"\n{_table(('RESULT', 'KIND', 'NAME', 'WHY'), rows)}")
    summary.write(_page(decisions, now))
    outcomes = {removal.outcome for removal in removals}
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


def _announce(github: GitHub, decisions: Sequence[Decision]) -> None:
    """Say in the comments of the pull requests that the next sweep takes their stacks down."""
    for decision in decisions:
        stack, ends = decision.leftover.stack, decision.ends
        number = pull_request_of(stack)
        if number is None or ends is None:
            continue
        try:
            update_parts(github, number, {END_PART: ending(stack, ends)})
        except OpsError as error:  # the others are announced nevertheless, and the sweep goes on
            note(f"error: {error}")


def _remove_all(
    decisions: Sequence[Decision], limit: int, github: GitHub, tear_down: TearDown, hours: int
) -> list[Decision]:
    """Remove one leftover after the other; a failure does not stop the next removal."""
    removals: list[Decision] = []
    tried = 0
    for decision in decisions:
        if decision.action != "remove":
            removals.append(decision)
        elif tried == limit:
            why = f"--limit {limit}: run this again"
            removals.append(replace(decision, outcome="beyond the limit", outcome_why=why))
        else:
            tried += 1
            note(f"Removing the {decision.leftover.kind} {decision.leftover.name}.")
            removals.append(_remove(decision, github, tear_down, hours))
    return removals


def _remove(decision: Decision, github: GitHub, tear_down: TearDown, hours: int) -> Decision:
    stack = decision.leftover.stack
    # Minutes may have passed since the list was created.
    status = _status(tear_down.pulumi, github, decision.leftover, hours)
    current = decide(decision.leftover, status, datetime.now(UTC))
    if current.action != "remove":
        return replace(decision, outcome="left", outcome_why=current.why)
    try:
        tear_down(stack)
    except LockedError as error:
        return replace(decision, outcome="left" if error.alive else "failed", outcome_why=str(error))
    except (OpsError, OSError) as error:
        note(f"error: {error}")
        return replace(decision, outcome="failed", outcome_why=str(error))
    if current.ends is not None and (number := pull_request_of(stack)):
        try:
            update_parts(github, number, {PART: ended(stack), END_PART: ""})
        except OpsError as error:  # the stack is gone in any case
            note(f"error: {error}")
    return replace(decision, outcome="removed", outcome_why=decision.why)


def _cells(decision: Decision, now: datetime) -> tuple[str, str, str, str]:
    leftover = decision.leftover
    return leftover.kind, leftover.name, leftover.what, age(leftover.since, now)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _json(decision: Decision) -> dict[str, str | None]:
    leftover = decision.leftover
    return {
        "kind": leftover.kind,
        "name": leftover.name,
        "stack": leftover.stack,
        "what": leftover.what,
        "since": leftover.since.isoformat() if leftover.since else None,
        "action": decision.action,
        "why": decision.why,
        "ends": decision.ends.isoformat() if decision.ends else None,
        "result": decision.outcome or None,
        "resultWhy": decision.outcome_why or None,
    }


def _page(decisions: Sequence[Decision], now: datetime) -> str:
    """The summary of the workflow run, as Markdown."""
    if not decisions:
        return f"### Sweep of test stacks\n\n{_NOTHING}\n"
    lines = [
        "### Sweep of test stacks",
        "",
        "| result | kind | name | what | age | why |",
        "|---|---|---|---|---|---|",
    ]
    for decision in decisions:
        why = decision.outcome_why or decision.why
        cells = (decision.outcome or decision.action, *_cells(decision, now), _one_line(why))
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return code(text, 400).replace("|", "\\|")  # a table interprets the character even inside code
