import json
from pathlib import Path

import pytest

from ops.__main__ import main
from ops.github.github import GitHub
from ops.preview.report import Change, Report, Resource, Value, write
from tests.github_server import PAYLOADS, FakeGitHub

HEAD = "4f6d1d0b3c0a5c5b7f4a1c9d2e8b7a6c5d4e3f21"
FORK = "contributor/assistants"


@pytest.fixture(autouse=True)
def job(fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a job in GitHub Actions."""
    for name, value in {
        **fake_github.environment(),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "6000",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_EVENT_NAME", raising=False)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    changes = (Change("A", Value("absent"), Value("text", '"@octocat"'), setting=True),)
    one = Resource("update", "azure-native:web:WebApp", "function-app", changes=changes)
    for stack in ("dev", "prod"):
        write(Report(stack, HEAD, "2026-11-25T10:00:00Z", "deployed", {"update": 1}, (one,)), folder)
    return folder


def tell(reports: Path, event: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setenv("GITHUB_EVENT_NAME", event.partition(".")[0])
    return main(["comment", "--reports", str(reports), "--event", str(PAYLOADS / f"{event}.json"), *more])


def test_the_preview_stands_in_the_comment_and_is_updated_in_place(
    fake_github: FakeGitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_github.add_pull_request(7, sha=HEAD)
    assert tell(reports, "pull_request.opened", monkeypatch) == 0
    (first,) = fake_github.bodies(7)
    assert 'app setting `A`: not set → `"@octocat"`' in first
    assert "(https://github.com/octo-org/assistants/actions/runs/6000)" in first
    (comment,) = fake_github.comments
    write(Report("dev", HEAD, "2026-11-25T11:00:00Z", "deployed", {}, ()), reports)
    assert tell(reports, "pull_request.synchronize", monkeypatch) == 0
    assert list(fake_github.comments) == [comment]
    assert "| `dev` | 0 | 0 | 0 | 0 | 0 | nothing changes |" in fake_github.bodies(7)[0]


def test_the_test_stacks_part_is_left_as_it_is(
    fake_github: FakeGitHub, repository: GitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.preview.comment import update_part

    fake_github.add_pull_request(7, sha=HEAD)
    update_part(repository, 7, "test-stack", "address")
    assert tell(reports, "pull_request.opened", monkeypatch) == 0
    (body,) = fake_github.bodies(7)
    assert "address" in body
    assert "## Preview" in body


def test_a_forks_run_is_told_on_the_pull_request_of_its_head(
    fake_github: FakeGitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_github.add_pull_request(7, sha=HEAD, branch="shorter-answers")  # same branch name, not the fork's
    fake_github.add_pull_request(8, sha=HEAD, head_repository=FORK, branch="shorter-answers")
    assert tell(reports, "workflow_run.completed.fork", monkeypatch) == 0
    assert fake_github.bodies(7) == []
    (body,) = fake_github.bodies(8)
    assert "/actions/runs/5000)" in body  # the run that previewed, not the one that comments


WARNING = "The pull request's own code computed this"


def test_a_forks_report_cannot_leave_out_the_warning(
    fake_github: FakeGitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_github.add_pull_request(8, sha=HEAD, head_repository=FORK, branch="shorter-answers")
    assert tell(reports, "workflow_run.completed.fork", monkeypatch) == 0
    assert WARNING in fake_github.bodies(8)[0]


@pytest.mark.parametrize(("author", "warned"), [("dependabot[bot]", True), ("octocat", False)])
def test_what_dependabot_brings_cannot_leave_it_out_either(
    fake_github: FakeGitHub, reports: Path, author: str, warned: bool
) -> None:
    fake_github.add_pull_request(7, sha=HEAD, author=author)
    assert main(["comment", "--reports", str(reports), "--pr", "7"]) == 0
    assert (WARNING in fake_github.bodies(7)[0]) == warned


@pytest.mark.parametrize("event", ["pull_request.opened", "workflow_run.completed.fork"])
def test_an_older_commit_is_not_told_any_more(
    fake_github: FakeGitHub,
    reports: Path,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_github.add_pull_request(7, sha="c" * 40)
    fake_github.add_pull_request(8, sha="c" * 40, head_repository=FORK, branch="shorter-answers")
    assert tell(reports, event, monkeypatch) == 0
    assert not fake_github.writes()
    assert "has the newer commit" in (said := capsys.readouterr().err) or "newest commit" in said


def test_a_closed_pull_request_of_a_fork_gets_no_comment(
    fake_github: FakeGitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_github.add_pull_request(8, sha=HEAD, head_repository=FORK, branch="shorter-answers", state="closed")
    assert tell(reports, "workflow_run.completed.fork", monkeypatch) == 0
    assert not fake_github.writes()


def test_two_pull_requests_of_one_head_are_not_guessed_between(
    fake_github: FakeGitHub,
    reports: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in (8, 9):
        fake_github.add_pull_request(number, sha=HEAD, head_repository=FORK, branch="shorter-answers")
    assert tell(reports, "workflow_run.completed.fork", monkeypatch) == 1
    assert "select one with --pr" in capsys.readouterr().err
    assert not fake_github.writes()


def test_reports_of_another_commit_are_refused(
    fake_github: FakeGitHub, reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_github.add_pull_request(7, sha="c" * 40)
    assert main(["comment", "--reports", str(reports), "--pr", "7"]) == 1
    assert f"the reports are of commit {HEAD}" in capsys.readouterr().err
    assert not fake_github.writes()


def test_a_person_can_name_the_pull_request(fake_github: FakeGitHub, reports: Path) -> None:
    fake_github.add_pull_request(12, sha=HEAD)
    assert main(["comment", "--reports", str(reports), "--pr", "12"]) == 0
    assert len(fake_github.bodies(12)) == 1


def test_a_number_that_is_no_pull_request_is_refused(
    fake_github: FakeGitHub, reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["comment", "--reports", str(reports), "--pr", "12"]) == 1
    assert "has no pull request 12" in capsys.readouterr().err
    assert not fake_github.writes()


def test_an_artifact_that_is_no_report_stops_everything(
    fake_github: FakeGitHub, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_github.add_pull_request(7, sha=HEAD)
    file = reports / "report-dev.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "html": "<b>"}))
    assert tell(reports, "pull_request.opened", monkeypatch) == 1
    assert not fake_github.received


def test_a_dry_run_prints_the_comment_and_asks_github_nothing(
    fake_github: FakeGitHub,
    reports: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert tell(reports, "pull_request.opened", monkeypatch, "--dry-run") == 0
    assert capsys.readouterr().out.startswith("## Preview: what `pulumi up` would change\n")
    assert not fake_github.received


def test_an_event_of_no_pull_request_is_refused(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(reports, "schedule", monkeypatch) == 1
    assert "belongs to no pull request" in capsys.readouterr().err
