"""`python -m ops preview` on a Pulumi in memory, and the options of `comment`, which reads its reports."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.dynamic.replacement_guard import REPLACE_VARIABLE
from ops.__main__ import main
from ops.commands import preview
from ops.engine import NO_SUCH_STACK, Completed, Pulumi, PulumiError
from ops.output import OpsError
from ops.preview.report import Report, read
from ops.state import REPLACEMENT_GUARD, TABLE
from tests.github_events import EVENTS, HEAD
from tools.pulumi import typed

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


def test_a_report_from_local_azure_names_the_commands_for_azure(
    run_preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(typed.VARIABLE, typed.LOCAL_AZURE)
    heads: list[Pulumi] = []
    made = preview.preview
    monkeypatch.setattr(preview, "preview", lambda head, *rest: heads.append(head) or made(head, *rest))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    run_preview(Completed(0, DOCUMENT, ""), "--commit", HEAD)

    assert typed.as_typed("pulumi up", heads[0].environment) == "pulumi up"


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


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the CLI runs, a preview with the replacements that it may show; there is no stack `new`."""
    started: list[str] = []

    def run(pulumi: Pulumi, *words: str, **_options: object) -> Completed:
        verb = words[1] if words[0] == "stack" else words[0]
        allowed = f" {pulumi.environment[REPLACE_VARIABLE]}" if verb == "preview" else ""
        started.append(f"{verb}{allowed}")
        if verb == "export" and "new" in words:
            raise PulumiError(words, NO_SUCH_STACK, "no stack named 'new' found")
        state = {
            "deployment": {"resources": [{"urn": f"{URN}{REPLACEMENT_GUARD}::guard", "inputs": GUARDED}]}
        }
        entry = {"endTime": "2026-11-25T10:00:00Z", "config": {"assistant:location": {"value": "eastus2"}}}
        failed = {**entry, "kind": "update", "result": "failed", "config": {}}
        history = [failed, {**entry, "kind": "update", "result": "succeeded"}]
        document = {
            "steps": [{"op": "same", "urn": f"{URN}{TABLE}::t"}],
            "config": {"assistant:location": "westus3"},
        }
        answers = {"export": state, "history": history, "preview": document, "ls": []}
        return Completed(0, json.dumps(answers.get(verb)), "")

    monkeypatch.setattr(Pulumi, "run", run)
    return started


LOCAL = {"PULUMI_BACKEND_URL": "file:///x", "ARM_METADATA_HOSTNAME": "127.0.0.1:9"}
URN = "urn:pulumi:dev::assistant::"
GUARDED = {"resource_group": "rg-a@eastus2", "model_account": "oai-a@eastus2", "protected": False}


def test_a_preview_shows_every_replacement_and_the_settings_since_the_last_successful_up(
    commands: list[str],
) -> None:
    report = preview.preview(Pulumi(environment={}), None, "dev", "")
    assert commands == ["export", "history", "preview rg-a@eastus2,oai-a@eastus2"]
    (setting,) = report.settings
    assert (setting.path, setting.old.text, setting.new.text) == ("location", '"eastus2"', '"westus3"')


@pytest.mark.parametrize("is_local", [True, False])
def test_a_stack_that_does_not_exist_is_created_on_local_azure_only(
    commands: list[str], is_local: bool, tmp_path: Path
) -> None:
    local = {**LOCAL, "PULUMI_BACKEND_URL": tmp_path.as_uri()}
    report = preview.preview(Pulumi(environment=local if is_local else {}), None, "new", "")
    assert commands == (["export", "ls", "init", "history", "preview "] if is_local else ["export"])
    assert bool(report.failures) is not is_local


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
