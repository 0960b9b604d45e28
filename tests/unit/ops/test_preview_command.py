"""`python -m ops preview` on a Pulumi in memory, and the options of `comment`, which reads its reports."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from ops.__main__ import main
from ops.commands import preview
from ops.engine import Completed, Pulumi, PulumiError
from ops.output import OpsError
from ops.preview.report import Report, read
from ops.state import TABLE
from tests.github_events import EVENTS, HEAD

STATE = {"deployment": {"resources": [{"urn": f"urn:pulumi:dev::assistant::{TABLE}::chat-state"}]}}
DOCUMENT = json.dumps({"steps": [], "changeSummary": {"same": 1}})
FAILED = json.dumps({"diagnostics": [{"severity": "error", "message": "no such region"}]})

Preview = Callable[..., tuple[int, Report]]
"""Runs the command with what the CLI returns. Returns its exit code and its report."""


@pytest.fixture
def run_preview(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Preview:
    monkeypatch.setattr(Pulumi, "export", Mock(return_value=STATE))
    monkeypatch.setattr(Pulumi, "history", Mock(return_value=[]))
    for name in ("GITHUB_EVENT_PATH", "GITHUB_EVENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    def run(completed: Completed, *more: str) -> tuple[int, Report]:
        monkeypatch.setattr(Pulumi, "run", Mock(return_value=completed))
        code = main(["preview", "--stack", "dev", "--out", str(tmp_path), *more])
        return code, read(tmp_path / "report-dev.json")

    return run


def test_a_preview_is_written_to_its_file_the_log_and_the_summary(
    run_preview: Preview, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = run_preview(Completed(0, DOCUMENT, ""), "--commit", HEAD)
    assert code == 0
    assert (report.commit, report.basis, report.failures) == (HEAD, "deployed", ())
    assert [(resource.op, resource.name) for resource in report.resources] == [("same", "chat-state")]
    assert capsys.readouterr().out == "dev: nothing changes\n\ndev: nothing changes.\n"
    assert "**`dev`: nothing changes.**" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("completed", "message"),
    [
        (Completed(1, FAILED, "other"), "no such region"),
        (Completed(1, DOCUMENT, "cannot decrypt\n"), "cannot decrypt"),
        (Completed(255, "", "no stack named 'dev' found"), "no stack named 'dev' found"),
        (Completed(1, "panic: x", ""), "panic: x"),
        (Completed(0, "[1]", ""), "[1]"),
        (Completed(137, "", "\n"), "`pulumi preview` ended with exit code 137 and printed no error."),
        (Completed(1, DOCUMENT, ""), "`pulumi preview` ended with exit code 1 and printed no error."),
    ],
)
def test_a_failed_preview_has_a_report_with_its_reason(
    run_preview: Preview, completed: Completed, message: str
) -> None:
    code, report = run_preview(completed, "--commit", HEAD)
    assert code == 1
    assert [failure.message for failure in report.failures] == [message]


def test_a_state_that_cannot_be_exported_is_a_failed_preview(
    run_preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = PulumiError(("stack", "export"), 255, "error: no access")
    monkeypatch.setattr(Pulumi, "export", Mock(side_effect=error))
    code, report = run_preview(Completed(0, DOCUMENT, ""), "--commit", HEAD)
    assert code == 1
    assert report.failures[0].message.endswith("error: no access")


def test_the_commit_is_the_head_of_the_pull_request(
    run_preview: Preview, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(EVENTS["pull_request"]))
    monkeypatch.setattr(preview, "head_commit", lambda: "c" * 40)
    assert run_preview(Completed(0, DOCUMENT, ""))[1].commit == "c" * 40
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    assert run_preview(Completed(0, DOCUMENT, ""))[1].commit == HEAD


def test_all_committed_environments_are_previewed(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"has no Pulumi\.NAME\.yaml of an environment"):
        preview.environments(tmp_path)
    for name in ("prod", "local", "pr", "dev"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    assert preview.environments(tmp_path) == ["dev", "prod"]


@pytest.mark.parametrize(
    ("stack", "commands"),
    [
        ("dev", ["base make dev", "base up --stack dev --yes", "head preview --stack dev --json"]),
        ("new", ["head make new", "head preview --stack new --json"]),  # a stack that the base does not have
    ],
)
def test_a_base_is_deployed_before_the_preview_and_stack_files_are_restored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack: str, commands: list[str]
) -> None:
    started: list[str] = []

    def run(pulumi: Pulumi, *words: str, **_options: object) -> Completed:
        started.append(" ".join([pulumi.folder.name, *words[:4]]))
        (pulumi.folder / f"Pulumi.{stack}.yaml").write_text("encryptionsalt: x")
        return Completed(0, DOCUMENT, "")

    def make_stack(pulumi: Pulumi, stack: str) -> None:
        run(pulumi, "make", stack)

    monkeypatch.setattr(Pulumi, "run", run)
    monkeypatch.setattr(Pulumi, "make_stack", make_stack)
    monkeypatch.setattr(Pulumi, "export", Mock(return_value=STATE))
    monkeypatch.setattr(Pulumi, "history", Mock(return_value=[]))
    files = [
        tmp_path / name for name in ("head/Pulumi.dev.yaml", "head/Pulumi.new.yaml", "base/Pulumi.dev.yaml")
    ]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("config: {}")
    report = preview.preview(Pulumi(tmp_path / "head"), Pulumi(tmp_path / "base"), stack, "")
    assert (report.basis, started) == ("base", commands)
    assert {file.read_text() for file in files} == {"config: {}"}


@pytest.mark.parametrize(
    "words",
    [
        ["comment", "--pr", "7"],
        ["comment", "--reports", "x"],
        ["comment", "--reports", "x", "--pr", "7", "--event", "x"],
    ],
)
def test_missing_and_contradictory_options_are_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


LOCAL = {"PULUMI_BACKEND_URL": "file:///x", "ARM_METADATA_HOSTNAME": "127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {**LOCAL, "PULUMI_BACKEND_URL": "azblob://state"},
            "so it runs on local Azure only: python -m local_azure",
        ),
        ({**LOCAL, "ARM_METADATA_HOSTNAME": ""}, "so it runs on local Azure only: python -m local_azure"),
        ({**LOCAL, "ARM_METADATA_HOSTNAME": "127.0.0.1.example.com"}, "so it runs on local Azure only"),
        (LOCAL, "has no Pulumi.yaml: --against must be a checkout of the base"),
    ],
)
def test_a_comparison_with_a_base_is_refused_outside_local_azure_and_without_a_checkout(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    message: str,
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, **environment})
    assert main(["preview", "--against", str(tmp_path), "--stack", "dev", "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
