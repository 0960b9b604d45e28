import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.__main__ import main
from ops.github.github import GitHub
from ops.preview.comment import update_parts
from ops.preview.report import Change, Report, Resource, Value, write
from tests.github_events import BRANCH, EVENTS, FORK, HEAD
from tests.github_server import FakeGitHub

WARNING = "The pull request's own code computed this"
OTHER = "c" * 40

Comment = Callable[..., tuple[int, str]]
"""Runs the command after a run, or with --pr. Returns its exit code and what it prints."""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    changes = (Change("A", Value("absent"), Value("text", '"@octocat"'), app_setting=True),)
    resource = Resource("update", "azure-native:web:WebApp", "function-app", changes=changes)
    for stack in ("dev", "prod"):
        write(Report(stack, HEAD, "2026-11-25T10:00:00Z", "deployed", (resource,)), folder)
    return folder


@pytest.fixture
def comment(
    fake_github: FakeGitHub,
    reports: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Comment:
    environment = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "6000"}
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENTS["workflow_run"]))
    for name, value in {**fake_github.environment(), **environment}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str]:
        selected = words if "--pr" in words else ("--event", str(file), *words)
        code = main(["comment", "--reports", str(reports), *selected])
        return code, "".join(capsys.readouterr())

    return run


def test_the_preview_is_written_to_its_part_and_updated(
    fake_github: FakeGitHub, repository: GitHub, reports: Path, comment: Comment
) -> None:
    fake_github.add_pull_request(7, sha=HEAD)
    update_parts(repository, 7, {"test-stack": "address"})
    assert comment("--pr", "7")[0] == 0
    (body,) = fake_github.bodies(7)
    assert 'app setting `A`: not set → `"@octocat"`' in body
    assert "(https://github.com/octo-org/assistants/actions/runs/6000)" in body
    assert WARNING not in body
    (comment_id,) = fake_github.comments
    write(Report("dev", HEAD, "2026-11-25T11:00:00Z", "deployed"), reports)
    assert comment("--pr", "7")[0] == 0
    assert "`dev`: nothing changes." in fake_github.comments[comment_id]["body"]
    assert "address" in fake_github.comments[comment_id]["body"]


def test_a_run_of_a_fork_is_commented_on_the_pull_request_of_its_head_with_a_warning(
    fake_github: FakeGitHub, comment: Comment
) -> None:
    fake_github.add_pull_request(7, sha=HEAD, branch=BRANCH)  # the same branch name in the repository itself
    fake_github.add_pull_request(8, sha=HEAD, head_repository=FORK, branch=BRANCH)
    assert comment()[0] == 0
    assert fake_github.bodies(7) == []
    (body,) = fake_github.bodies(8)
    assert WARNING in body
    assert "/actions/runs/5000)" in body  # the run that previewed, not the one that comments


@pytest.mark.parametrize(("author", "warned"), [("dependabot[bot]", True), ("octocat", False)])
def test_a_pull_request_selected_by_its_number_is_commented_with_a_warning_for_dependabot(
    fake_github: FakeGitHub, comment: Comment, author: str, warned: bool
) -> None:
    fake_github.add_pull_request(12, sha=HEAD, author=author)
    assert comment("--pr", "12")[0] == 0
    assert (WARNING in fake_github.bodies(12)[0]) == warned


NO_COMMENT = f"No open pull request has {HEAD} as its newest commit: no comment."


@pytest.mark.parametrize(
    ("words", "forks", "code", "message"),
    [
        ([], {8: (OTHER, "open")}, 0, NO_COMMENT),
        ([], {8: (HEAD, "closed")}, 0, NO_COMMENT),
        ([], {8: (HEAD, "open"), 9: (HEAD, "open")}, 1, "9, 8 have the same head: select one"),
        (["--pr", "6"], {}, 1, "has no pull request 6"),
        (["--pr", "7"], {}, 1, f"the reports are of commit {HEAD}, the pull request's newest is {OTHER}"),
    ],
)
def test_nothing_is_written_without_a_pull_request_of_the_previewed_commit(
    fake_github: FakeGitHub,
    comment: Comment,
    *,
    words: list[str],
    forks: dict[int, tuple[str, str]],
    code: int,
    message: str,
) -> None:
    fake_github.add_pull_request(7, sha=OTHER)
    for number, (sha, state) in forks.items():
        fake_github.add_pull_request(number, sha=sha, head_repository=FORK, branch=BRANCH, state=state)
    returned, printed = comment(*words)
    assert (returned, message in printed) == (code, True)
    assert not fake_github.writes()


def test_a_wrong_report_is_refused_before_any_request(
    fake_github: FakeGitHub, reports: Path, comment: Comment
) -> None:
    file = reports / "report-dev.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "html": "<b>"}))
    assert comment("--pr", "7")[0] == 1
    assert not fake_github.received


def test_a_dry_run_prints_the_comment_and_sends_nothing(
    fake_github: FakeGitHub, comment: Comment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    code, printed = comment("--pr", "7", "--dry-run")
    assert code == 0
    assert printed.startswith("## Preview: what `pulumi up` would change\n")
    assert not fake_github.received
