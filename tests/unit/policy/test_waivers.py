"""Waivers: what counts, what is ignored and why, and those that are committed."""

from datetime import date
from pathlib import Path

import pytest

from policy import waivers
from policy.model import Violation
from policy.rules import BY_NAME
from tests.unit.bootstrap import test_program as bootstrap
from tests.unit.infra.conftest import RunStack

TODAY = date(2026, 11, 25)
SOUND = """
[[waiver]]
rule = "no-public-blobs"
project = "assistant"
resource = "deployments"
stacks = ["dev"]
reason = "samples are downloaded by readers until they have identities"
owner = "team-a"
until = 2026-12-31
"""


def violation(rule: str = "no-public-blobs", stack: str = "dev", resource: str = "deployments") -> Violation:
    return Violation(rule, f"urn:pulumi:{stack}::assistant::t::{resource}", resource, "a", "b", "c", "d")


def test_a_waiver_counts_for_its_rule_resource_and_stacks_only() -> None:
    sound, problems = waivers.load(BY_NAME, TODAY, SOUND)
    others = [violation("https-only"), violation(stack="prod"), violation(resource="chat-state")]

    standing, waived = waivers.apply([violation(), *others], sound)

    assert problems == []
    assert standing == others
    assert [str(waiver) for _, waiver in waived] == [
        "waived until 2026-12-31 by team-a: samples are downloaded by readers until they have identities"
    ]


@pytest.mark.parametrize(("day", "counts"), [(date(2026, 12, 31), True), (date(2027, 1, 1), False)])
def test_a_waiver_counts_until_its_last_day(day: date, *, counts: bool) -> None:
    sound, problems = waivers.load(BY_NAME, day, SOUND)
    assert (len(sound), len(problems)) == ((1, 0) if counts else (0, 1))


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('rule = "no-public-blobs"', 'rule = "no-such-rule"', "not a rule"),
        ('rule = "no-public-blobs"', "", "has no rule"),
        (
            'reason = "samples are downloaded by readers until they have identities"',
            'reason = " "',
            "has no reason",
        ),
        ('owner = "team-a"', "", "has no owner"),
        ('project = "assistant"', "project = 7", "has no project"),
        ('stacks = ["dev"]', "stacks = []", "names no stacks"),
        ('stacks = ["dev"]', 'stacks = "dev"', "names no stacks"),
        ("until = 2026-12-31", "", "has no last day"),
        ("until = 2026-12-31", 'until = "2026-12-31"', "has no last day"),
        ("until = 2026-12-31", "until = 2026-12-31T10:00:00", "has no last day"),
        ("until = 2026-12-31", "until = 2026-11-24", "ended on 2026-11-24"),
        ("until = 2026-12-31", "until = 2029-01-01", "more than a year"),
        ('owner = "team-a"', 'owner = "team-a"\nrulee = "x"', "unknown key 'rulee'"),
    ],
)
def test_an_unsound_waiver_is_ignored_and_said_to_be(old: str, new: str, wrong: str) -> None:
    assert old in SOUND
    sound, problems = waivers.load(BY_NAME, TODAY, SOUND.replace(old, new))
    assert sound == []
    assert len(problems) == 1
    assert wrong in problems[0]


@pytest.mark.parametrize("text", ["[[waiver", "[waiver]\nrule = 1", "waiver = [1]", "waivers = []"])
def test_a_file_that_is_none_is_said_to_be(text: str) -> None:
    sound, problems = waivers.load(BY_NAME, TODAY, text)
    assert sound == []
    assert problems


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waivers.toml").write_text("\ufeff" + SOUND.lstrip(), encoding="utf-8")
    monkeypatch.setattr(waivers, "FILE", tmp_path / "waivers.toml")
    sound, problems = waivers.load(BY_NAME, TODAY)
    assert (len(sound), problems) == (1, [])


def test_a_waiver_for_what_does_not_exist_is_named() -> None:
    sound, _ = waivers.load(BY_NAME, TODAY, SOUND)
    assert waivers.unmatched(sound, {"assistant": {"deployments"}}) == []
    (problem,) = waivers.unmatched(sound, {"assistant": {"chat-state"}})
    assert "'deployments'" in problem


def test_every_committed_waiver_counts_today_and_is_for_something_that_exists(run_stack: RunStack) -> None:
    resources = {
        "assistant": run_stack({"deletionProtection": True}).resources.keys(),
        "bootstrap": bootstrap.run().resources.keys(),
    }

    sound, problems = waivers.load(BY_NAME, waivers.today())

    assert [*problems, *waivers.unmatched(sound, resources)] == []
