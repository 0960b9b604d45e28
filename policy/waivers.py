"""Exceptions to the rules, from `waivers.toml`. An invalid waiver is ignored and reported."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from policy.model import Violation, project_of, stack_of

FILE = Path(__file__).with_name("waivers.toml")
LONGEST = timedelta(days=366)
_TEXTS = ("rule", "project", "resource", "reason", "owner")
_FIELDS = {*_TEXTS, "stacks", "until"}


@dataclass(frozen=True)
class Waiver:
    """`resource`: a logical name; `until`: the last day on which the waiver is valid."""

    rule: str
    project: str
    resource: str
    stacks: frozenset[str]
    reason: str
    owner: str
    until: date

    def covers(self, violation: Violation) -> bool:
        return (
            (violation.rule, violation.resource) == (self.rule, self.resource)
            and project_of(violation.urn) == self.project
            and stack_of(violation.urn) in self.stacks
        )

    def __str__(self) -> str:
        return f"waived until {self.until} by {self.owner}: {self.reason}"


def today() -> date:
    return datetime.now(UTC).date()


def load(rules: Collection[str], on: date, text: str | None = None) -> tuple[list[Waiver], list[str]]:
    """The waivers that are valid on that day, and the problems of the others. `text` replaces the file."""
    where = FILE.name
    try:
        document = tomllib.loads(FILE.read_text(encoding="utf-8-sig") if text is None else text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [], [f"{where}: {error}; all waivers are ignored"]
    entries: Any = document.get("waiver", [])
    problems = [f"{where}: {key!r} is not a [[waiver]]" for key in document if key != "waiver"]
    if not isinstance(entries, list):
        return [], [*problems, f"{where}: write [[waiver]], with two brackets"]
    sound: list[Waiver] = []
    for number, entry in enumerate(cast("list[Any]", entries), start=1):
        wrong = (
            _wrong(cast("dict[str, Any]", entry), rules, on)
            if isinstance(entry, dict)
            else ["is not a table"]
        )
        if wrong:
            problems.append(f"{where}: waiver {number} is ignored: it {'; it '.join(wrong)}")
        else:
            sound.append(_waiver(cast("dict[str, Any]", entry)))
    return sound, problems


def unmatched(waivers: Sequence[Waiver], resources: Mapping[str, Collection[str]]) -> list[str]:
    """Problems of waivers for resources that do not exist. `resources`: logical names by project."""
    return [
        f"{FILE.name}: {waiver.rule} is waived for {waiver.resource!r}, "
        f"which is not a resource of the project {waiver.project!r}: remove the waiver"
        for waiver in waivers
        if waiver.resource not in resources.get(waiver.project, ())
    ]


def apply(
    violations: Sequence[Violation], waivers: Sequence[Waiver]
) -> tuple[list[Violation], list[tuple[Violation, Waiver]]]:
    """The violations that no waiver covers, and those that are waived with their waivers."""
    standing: list[Violation] = []
    waived: list[tuple[Violation, Waiver]] = []
    for violation in violations:
        waiver = next((waiver for waiver in waivers if waiver.covers(violation)), None)
        if waiver is None:
            standing.append(violation)
        else:
            waived.append((violation, waiver))
    return standing, waived


def _waiver(entry: dict[str, Any]) -> Waiver:
    return Waiver(
        **{name: entry[name] for name in _TEXTS}, stacks=frozenset(entry["stacks"]), until=entry["until"]
    )


def _wrong(entry: dict[str, Any], rules: Collection[str], on: date) -> list[str]:
    wrong = [f"has the unknown key {name!r}" for name in sorted(entry.keys() - _FIELDS)]
    texts = {name: entry.get(name) for name in _TEXTS}
    wrong += [
        f"has no {name}" for name, text in texts.items() if not isinstance(text, str) or not text.strip()
    ]
    rule, stacks, until = entry.get("rule"), entry.get("stacks"), entry.get("until")
    if isinstance(rule, str) and rule.strip() and rule not in rules:
        wrong.append(f"waives {rule!r}, which is not a rule (`python -m policy rules` lists them)")
    names: list[Any] = cast("list[Any]", stacks) if isinstance(stacks, list) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        wrong.append('names no stacks; write them as stacks = ["dev"]')
    if not isinstance(until, date) or isinstance(until, datetime):
        wrong.append("has no last day; write it as until = 2027-01-31")
    elif until < on:
        wrong.append(f"ended on {until}")
    elif until > on + LONGEST:
        wrong.append(f"lasts until {until}, which is more than a year ahead")
    return wrong
