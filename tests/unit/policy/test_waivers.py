"""Waivers: which are valid, which are ignored and why, and those that are committed."""

from datetime import date
from pathlib import Path

import pytest

from policy import waivers
from policy.model import Violation
from tests.unit.bootstrap.recording import run_bootstrap
from tests.unit.infra.recording import run_program

TODAY = date(2026, 11, 25)
REASON = 'reason = "samples are downloaded by readers until they have identities"'
VALID = f"""
[[waiver]]
rule = "no-public-blobs"
project = "assistant"
resource = "deployments"
stacks = ["dev"]
{REASON}
owner = "team-a"
until = 2026-12-31
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(waivers, "FILE", tmp_path / "waivers.toml")
    return waivers.FILE


def violation(
    rule: str = "no-public-blobs",
    *,
    stack: str = "dev",
    project: str = "assistant",
    name: str = "deployments",
) -> Violation:
    return Violation(rule, f"urn:pulumi:{stack}::{project}::t::{name}", name, "a", "b", "c", "d")


def test_a_waiver_covers_its_rule_project_resource_and_stacks_only(file: Path) -> None:
    file.write_text("\ufeff" + VALID.lstrip(), encoding="utf-8")
    valid, problems = waivers.load(TODAY)
    others = [
        violation("https-only"),
        violation(stack="prod"),
        violation(project="bootstrap"),
        violation(name="chat-state"),
    ]

    standing, waived = waivers.apply([violation(), *others], valid)

    assert problems == []
    assert standing == others
    assert [str(waiver) for _, waiver in waived] == [
        "waived until 2026-12-31 by team-a: samples are downloaded by readers until they have identities"
    ]


@pytest.mark.parametrize(
    ("day", "is_valid"),
    [
        (date(2025, 12, 29), False),
        (date(2025, 12, 30), True),  # at most 366 days before its last day
        (date(2026, 12, 31), True),
        (date(2027, 1, 1), False),
    ],
)
def test_a_waiver_is_valid_until_its_last_day(file: Path, day: date, *, is_valid: bool) -> None:
    file.write_text(VALID)
    valid, problems = waivers.load(day)
    assert (len(valid), len(problems)) == ((1, 0) if is_valid else (0, 1))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('rule = "no-public-blobs"', 'rule = "no-such-rule"', "not a rule"),
        ('rule = "no-public-blobs"', "", "has no rule"),
        (REASON, 'reason = " "', "has no reason"),
        ('owner = "team-a"', "", "has no owner"),
        ('project = "assistant"', "project = 7", "has no project"),
        ('stacks = ["dev"]', "stacks = []", "names no stacks"),
        ('stacks = ["dev"]', 'stacks = "dev"', "names no stacks"),
        ('stacks = ["dev"]', "stacks = [7]", "names no stacks"),
        ("until = 2026-12-31", "", "has no last day"),
        ("until = 2026-12-31", 'until = "2026-12-31"', "has no last day"),
        ("until = 2026-12-31", "until = 2026-12-31T10:00:00", "has no last day"),
        ("until = 2026-12-31", "until = 2026-11-24", "ended on 2026-11-24"),
        ("until = 2026-12-31", "until = 2029-01-01", "more than a year"),
        ('owner = "team-a"', 'owner = "team-a"\nrulee = "x"', "unknown key 'rulee'"),
        (VALID, "waiver = [1]", "is not a table"),
        (VALID, "[[waiver", "all waivers are ignored"),
        (VALID, "[waiver]\nrule = 1", "two brackets"),
        (VALID, "waivers = []", "is not a [[waiver]]"),
    ],
)
def test_an_invalid_waiver_is_ignored_and_reported(file: Path, old: str, new: str, problem: str) -> None:
    assert old in VALID
    file.write_text(VALID.replace(old, new))

    valid, (reported,) = waivers.load(TODAY)

    assert valid == []
    assert problem in reported


def test_every_committed_waiver_is_valid_today_and_for_a_resource_that_exists() -> None:
    resources = {
        "assistant": run_program({"deletionProtection": True}).resources,
        "bootstrap": run_bootstrap().resources,
    }

    valid, problems = waivers.load(waivers.today())

    assert problems == []
    assert [waiver for waiver in valid if waiver.resource not in resources.get(waiver.project, ())] == []
