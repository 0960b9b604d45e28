"""Remove what closed pull requests left behind: their stacks, resource groups and deleted model accounts.

It lists everything first. It touches only what a pull request's stack (pr-N) owns, and only where GitHub
says, right before, that the pull request is closed. What it does not understand it leaves and reports.

exit codes: 0 nothing is left to remove; 1 something could not be removed; 3 more than --limit was found
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
from ops.teardown.sweeping import Asked, Item, Seen, age, decide, find
from ops.teardown.teardown import TearDown

LIMIT = 10
FAILED, MORE_LEFT = 1, 3

_NOTHING = "Nothing of any pull request's test stack is there."
_REMOVED, _LEFT, _FAILED, _BEYOND = "removed", "left", "failed", "beyond the limit"


@dataclass(frozen=True)
class Done:
    """What became of an item that was to be removed."""

    item: Item
    result: str
    why: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only list")
    parser.add_argument(
        "--limit", type=_count, default=LIMIT, metavar="N", help=f"remove at most N things (default {LIMIT})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the tables")


def run(arguments: argparse.Namespace) -> int:
    pulumi = Pulumi()
    github = GitHub.connect(pulumi.environment)
    tear_down = TearDown.prepare(pulumi, run_state_of(pulumi.environment))
    seen = Seen(
        pulumi.summaries(),
        tagged_groups(tear_down.azure, pulumi.project),
        deleted_accounts(tear_down.azure),
        state_files(pulumi.files, pulumi.project),
        [path.name for path in pulumi.folder.glob("Pulumi.pr-*.yaml")],
    )
    found = find(seen, tear_down.naming)
    numbers = sorted({number for one in found if (number := pull_request_of(one.stack)) is not None})
    items = decide(found, {number: _ask(github, number) for number in numbers})
    now = datetime.now(UTC)
    if not arguments.json:
        say(_listing(items, now))
    done = [] if arguments.dry_run else _remove_all(items, arguments.limit, github, tear_down)
    if arguments.json:
        say(json.dumps(_document(items, done), indent=2))
    elif done:
        say(_report(done))
    summary.write(_page(items, done, now))
    if any(one.result == _FAILED for one in done):
        return FAILED
    return MORE_LEFT if any(one.result == _BEYOND for one in done) else 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _ask(github: GitHub, number: int) -> Asked:
    try:
        found = github.pull_request(number)
    except OpsError as error:
        return Asked(None, str(error))
    if found is None:
        return Asked(None, f"GitHub knows no pull request #{number}")
    return Asked(found.state)


def _remove_all(items: Sequence[Item], limit: int, github: GitHub, tear_down: TearDown) -> list[Done]:
    """One after the other; one that fails does not stop the next."""
    removable = [item for item in items if item.action == "remove"]
    done: list[Done] = []
    for item in removable[:limit]:
        note(f"Removing the {item.found.kind} {item.found.name}.")
        done.append(_remove(item, github, tear_down))
    return done + [Done(item, _BEYOND, f"--limit {limit}: run this again") for item in removable[limit:]]


def _remove(item: Item, github: GitHub, tear_down: TearDown) -> Done:
    # Minutes may have passed since the list was made.
    number = pull_request_of(item.found.stack) or 0
    (again,) = decide([item.found], {number: _ask(github, number)})
    if again.action != "remove":
        return Done(item, _LEFT, again.why)
    try:
        tear_down(item.found.stack)
    except LockedError as error:
        return Done(item, _LEFT if error.alive else _FAILED, str(error))
    except (OpsError, OSError) as error:
        note(f"error: {error}")
        return Done(item, _FAILED, str(error))
    return Done(item, _REMOVED, item.why)


def _listing(items: Sequence[Item], now: datetime) -> str:
    if not items:
        return _NOTHING
    rows = [("ACTION", "KIND", "NAME", "WHAT", "AGE", "WHY")]
    rows += [_row(item, now) for item in items]
    return _table(rows)


def _row(item: Item, now: datetime) -> tuple[str, str, str, str, str, str]:
    found = item.found
    return (item.action, found.kind, found.name, found.what, age(found.since, now), _one_line(item.why))


def _report(done: Sequence[Done]) -> str:
    rows = [("RESULT", "KIND", "NAME", "WHY")]
    rows += [(one.result, one.item.found.kind, one.item.found.name, _one_line(one.why)) for one in done]
    return f"\n{_table(rows)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _document(items: Sequence[Item], done: Sequence[Done]) -> dict[str, Any]:
    results = {one.item: one for one in done}
    return {
        "items": [
            {
                "kind": item.found.kind,
                "name": item.found.name,
                "stack": item.found.stack,
                "what": item.found.what,
                "since": item.found.since.isoformat() if item.found.since else None,
                "action": item.action,
                "why": item.why,
                "result": results[item].result if item in results else None,
                "resultWhy": results[item].why if item in results else None,
            }
            for item in items
        ]
    }


def _page(items: Sequence[Item], done: Sequence[Done], now: datetime) -> str:
    """For the run's summary on GitHub."""
    results = {one.item: one for one in done}
    lines = ["### Sweep of test stacks", ""]
    if not items:
        return "\n".join([*lines, _NOTHING, ""])
    lines += ["| result | kind | name | what | age | why |", "|---|---|---|---|---|---|"]
    for item in items:
        action, *rest, why = _row(item, now)
        one = results.get(item)
        cells = (one.result if one else action, *rest, _one_line(one.why) if one else why)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return code(text, 400).replace("|", "\\|")  # a table takes the sign for its own in code too
