"""Exceptions to the rules, from `waivers.toml`. An invalid waiver is ignored and reported."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from policy.model import Violation, project_of, stack_of
from policy.rules import RULES

FILE = Path(__file__).with_name("waivers.toml")
LONGEST = timedelta(days=366)
_TEXTS = ("rule", "project", "resource", "reason", "owner")


@dataclass(frozen=True)
class Waiver:
    """`resource`: a logical name; `until`: the last day on which the waiver is valid."""

    rule: str
    project: str
    resource: str
    stacks: Sequence[str]
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


def load(on: date) -> tuple[list[Waiver], list[str]]:
    """The waivers that are valid on that day, and the problems of the others."""
    try:
        document = tomllib.loads(FILE.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [], [f"{FILE.name}: {error}; all waivers are ignored"]
    entries: Any = document.pop("waiver", [])
    problems = [f"{FILE.name}: {key!r} is not a [[waiver]]" for key in document]
    if not isinstance(entries, list):
        return [], [*problems, f"{FILE.name}: write [[waiver]], with two brackets"]
    sound: list[Waiver] = []
    for number, entry in enumerate(cast("list[Any]", entries), start=1):
        if wrong := _wrong(entry, on):
            problems.append(f"{FILE.name}: waiver {number} is ignored: it {'; it '.join(wrong)}")
        else:
            sound.append(Waiver(**entry))
    return sound, problems


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


def _wrong(entry: Any, on: date) -> list[str]:
    if not isinstance(entry, dict):
        return ["is not a table"]
    given = cast("dict[str, Any]", entry)
    unknown = given.keys() - {known.name for known in fields(Waiver)}
    wrong = [f"has the unknown key {name!r}" for name in sorted(unknown)]
    wrong += [f"has no {name}" for name in _TEXTS if not _is_text(given.get(name))]
    rule, stacks, until = given.get("rule"), given.get("stacks"), given.get("until")
    if _is_text(rule) and rule not in {known.name for known in RULES}:
        wrong.append(f"waives {rule!r}, which is not a rule (`python -m policy rules` lists them)")
    names: list[Any] = cast("list[Any]", stacks) if isinstance(stacks, list) else []
    if not names or not all(map(_is_text, names)):
        wrong.append('names no stacks; write them as stacks = ["dev"]')
    if not isinstance(until, date) or isinstance(until, datetime):
        wrong.append("has no last day; write it as until = 2027-01-31")
    elif until < on:
        wrong.append(f"ended on {until}")
    elif until > on + LONGEST:
        wrong.append(f"lasts until {until}, which is more than a year ahead")
    return wrong


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
