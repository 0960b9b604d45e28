"""`python -m ops drift`: its exit codes, and one issue per environment."""

import json
from pathlib import Path

import pytest

from ops.__main__ import main
from ops.drift.detector import DriftDetector
from ops.drift.drift import Change, Finding
from ops.drift.owners import Owner
from ops.drift.report import Report
from ops.output import OpsError
from tests.github_server import FakeGitHub

FINDING = Finding(
    "changed",
    "storage-account",
    "azure-native:storage:StorageAccount",
    "/subscriptions/s",
    Owner.PLATFORM,
    "infra/components/storage.py",
    (Change("minimumTlsVersion", "changed", "TLS1_2", "TLS1_0"),),
)


class FakeDetector:
    """What is found at each stack; None where it cannot be looked at."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[Finding] | None] = {}

    def detect(self, stack: str) -> Report:
        found = self.stacks[stack]
        if found is None:
            raise OpsError("the stack's state cannot be read")
        return Report(stack, found)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, fake_github: FakeGitHub, tmp_path: Path) -> FakeDetector:
    made = FakeDetector()
    monkeypatch.setattr(DriftDetector, "open", lambda: made)
    for name, value in fake_github.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return made


def drift(*words: str) -> int:
    return main(["drift", *words])


def issues(github: FakeGitHub) -> list[tuple[str, str]]:
    """Title and state of each."""
    return [(str(issue["title"]), str(issue["state"])) for issue in github.issues.values()]


@pytest.mark.parametrize(
    ("found", "code"), [([], 0), ([FINDING], 3), (None, 1)], ids=["clean", "drift", "unseen"]
)
def test_the_exit_code_says_what_was_found(
    detector: FakeDetector, found: list[Finding] | None, code: int
) -> None:
    detector.stacks["prod"] = found

    assert drift("--stack", "prod") == code


def test_a_stack_that_cannot_be_looked_at_does_not_hide_the_others(
    detector: FakeDetector, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    detector.stacks = {"dev": None, "prod": [FINDING]}

    assert drift("--stack", "dev", "--stack", "prod", "--json") == 1

    printed = capsys.readouterr()
    assert [report["stack"] for report in json.loads(printed.out)] == ["prod"]
    assert "error: dev: the stack's state cannot be read" in printed.err
    summary = (tmp_path / "summary.md").read_text()
    assert "could not be checked" in summary
    assert "minimumTlsVersion" in summary


def test_one_issue_is_opened_kept_and_closed_for_each_environment(
    detector: FakeDetector, fake_github: FakeGitHub
) -> None:
    detector.stacks = {"dev": [FINDING], "prod": [FINDING]}
    drift("--stack", "dev", "--stack", "prod", "--issue")
    drift("--stack", "dev", "--stack", "prod", "--issue")
    assert [state for _, state in issues(fake_github)] == ["open", "open"]

    detector.stacks["dev"] = []
    drift("--stack", "dev", "--stack", "prod", "--issue")

    assert sorted(issues(fake_github)) == [
        ("Drift: dev differs from its program's state", "closed"),
        ("Drift: prod differs from its program's state", "open"),
    ]


def test_an_issue_stays_open_when_nobody_could_look(detector: FakeDetector, fake_github: FakeGitHub) -> None:
    detector.stacks["prod"] = [FINDING]
    drift("--stack", "prod", "--issue")
    detector.stacks["prod"] = None

    drift("--stack", "prod", "--issue")

    assert [state for _, state in issues(fake_github)] == ["open"]


def test_a_dry_run_writes_no_issue(detector: FakeDetector, fake_github: FakeGitHub) -> None:
    detector.stacks["prod"] = [FINDING]

    assert drift("--stack", "prod", "--issue", "--dry-run") == 3

    assert fake_github.writes() == []
