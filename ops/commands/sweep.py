"""Remove the leftovers of closed pull requests: stacks, resource groups and soft-deleted model accounts.

All leftovers are listed first. Only those of a pull request's stack (pr-N) are removed, and only if GitHub
reports the pull request as closed immediately before. Every other leftover is kept and reported.

exit codes: 0 nothing is left to remove; 1 a leftover could not be removed; 3 there were more than --limit
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.stacks import pull_request_of
from ops.engine import Pulumi
from ops.github import summary
from ops.github.github import GitHub
from ops.github.markdown import code
from ops.locks.locks import LockedError
from ops.locks.recovery import run_state_of
from ops.output import OpsError, note, say
from ops.teardown.leftovers import deleted_accounts, state_files, tagged_groups
from ops.teardown.sweeping import Decision, Inventory, PullRequestStatus, age, decide, find
from ops.teardown.teardown import TearDown

LIMIT = 10
FAILED, MORE_LEFT = 1, 3

_NOTHING = "There are no leftovers of test stacks."
_REMOVED, _LEFT, _FAILED, _BEYOND = "removed", "left", "failed", "beyond the limit"


@dataclass(frozen=True)
class Removal:
    """The outcome of a removal that was decided: `outcome` is one of the four texts above."""

    decision: Decision
    outcome: str
    why: str


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
    github = GitHub.connect(pulumi.environment)
    tear_down = TearDown.prepare(pulumi, run_state_of(pulumi.environment))
    inventory = Inventory(
        pulumi.summaries(),
        tagged_groups(tear_down.azure, pulumi.project),
        deleted_accounts(tear_down.azure),
        state_files(pulumi.files, pulumi.project),
        [path.name for path in pulumi.folder.glob("Pulumi.pr-*.yaml")],
    )
    leftovers = find(inventory, tear_down.naming)
    numbers = sorted(
        {number for leftover in leftovers if (number := pull_request_of(leftover.stack)) is not None}
    )
    decisions = decide(leftovers, {number: _status(github, number) for number in numbers})
    now = datetime.now(UTC)
    if not arguments.json:
        say(_listing(decisions, now))
    removals = [] if arguments.dry_run else _remove_all(decisions, arguments.limit, github, tear_down)
    if arguments.json:
        say(json.dumps(_document(decisions, removals), indent=2))
    elif removals:
        say(_report(removals))
    summary.write(_page(decisions, removals, now))
    if any(removal.outcome == _FAILED for removal in removals):
        return FAILED
    return MORE_LEFT if any(removal.outcome == _BEYOND for removal in removals) else 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _status(github: GitHub, number: int) -> PullRequestStatus:
    try:
        pull_request = github.pull_request(number)
    except OpsError as error:
        return PullRequestStatus(None, str(error))
    if pull_request is None:
        return PullRequestStatus(None, f"GitHub knows no pull request #{number}")
    return PullRequestStatus(pull_request.state)


def _remove_all(
    decisions: Sequence[Decision], limit: int, github: GitHub, tear_down: TearDown
) -> list[Removal]:
    """Remove one leftover after the other; a failure does not stop the next removal."""
    removable = [decision for decision in decisions if decision.action == "remove"]
    removals: list[Removal] = []
    for decision in removable[:limit]:
        note(f"Removing the {decision.leftover.kind} {decision.leftover.name}.")
        removals.append(_remove(decision, github, tear_down))
    return removals + [
        Removal(decision, _BEYOND, f"--limit {limit}: run this again") for decision in removable[limit:]
    ]


def _remove(decision: Decision, github: GitHub, tear_down: TearDown) -> Removal:
    # Minutes may have passed since the list was created.
    number = pull_request_of(decision.leftover.stack) or 0
    (current,) = decide([decision.leftover], {number: _status(github, number)})
    if current.action != "remove":
        return Removal(decision, _LEFT, current.why)
    try:
        tear_down(decision.leftover.stack)
    except LockedError as error:
        return Removal(decision, _LEFT if error.alive else _FAILED, str(error))
    except (OpsError, OSError) as error:
        note(f"error: {error}")
        return Removal(decision, _FAILED, str(error))
    return Removal(decision, _REMOVED, decision.why)


def _listing(decisions: Sequence[Decision], now: datetime) -> str:
    if not decisions:
        return _NOTHING
    rows = [("ACTION", "KIND", "NAME", "WHAT", "AGE", "WHY")]
    rows += [_row(decision, now) for decision in decisions]
    return _table(rows)


def _row(decision: Decision, now: datetime) -> tuple[str, str, str, str, str, str]:
    leftover = decision.leftover
    return (
        decision.action,
        leftover.kind,
        leftover.name,
        leftover.what,
        age(leftover.since, now),
        _one_line(decision.why),
    )


def _report(removals: Sequence[Removal]) -> str:
    rows = [("RESULT", "KIND", "NAME", "WHY")]
    rows += [
        (
            removal.outcome,
            removal.decision.leftover.kind,
            removal.decision.leftover.name,
            _one_line(removal.why),
        )
        for removal in removals
    ]
    return f"\n{_table(rows)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _document(decisions: Sequence[Decision], removals: Sequence[Removal]) -> dict[str, Any]:
    by_decision = {removal.decision: removal for removal in removals}
    return {
        "items": [
            {
                "kind": decision.leftover.kind,
                "name": decision.leftover.name,
                "stack": decision.leftover.stack,
                "what": decision.leftover.what,
                "since": decision.leftover.since.isoformat() if decision.leftover.since else None,
                "action": decision.action,
                "why": decision.why,
                "result": by_decision[decision].outcome if decision in by_decision else None,
                "resultWhy": by_decision[decision].why if decision in by_decision else None,
            }
            for decision in decisions
        ]
    }


def _page(decisions: Sequence[Decision], removals: Sequence[Removal], now: datetime) -> str:
    """The summary of the workflow run, as Markdown."""
    by_decision = {removal.decision: removal for removal in removals}
    lines = ["### Sweep of test stacks", ""]
    if not decisions:
        return "\n".join([*lines, _NOTHING, ""])
    lines += ["| result | kind | name | what | age | why |", "|---|---|---|---|---|---|"]
    for decision in decisions:
        action, *rest, why = _row(decision, now)
        removal = by_decision.get(decision)
        cells = (removal.outcome if removal else action, *rest, _one_line(removal.why) if removal else why)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return code(text, 400).replace("|", "\\|")  # a table interprets the character even inside code
