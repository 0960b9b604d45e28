"""`python -m ops drift`: its exit codes and its output. tests/integration/ops has its issues."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from ops.__main__ import main
from ops.azure import Azure
from ops.commands import drift
from ops.drift.drift import Change, Finding
from ops.drift.report import Report
from ops.engine import Pulumi
from ops.output import OpsError
from ops.state import STORAGE_ACCOUNT

CHANGES = (Change("minimumTlsVersion", "changed", "TLS1_2", "TLS1_0"),)
FINDING = Finding("changed", "storage-account", STORAGE_ACCOUNT, "/x", CHANGES)
REPORTS = {
    "clean": Report("clean", []),
    "drift": Report("drift", [FINDING]),
}


def detect(_pulumi: object, _azure: object, stack: str) -> Report:
    if stack not in REPORTS:
        raise OpsError("the stack's state cannot be read")
    return REPORTS[stack]


@pytest.fixture(autouse=True)
def restore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mock:
    monkeypatch.setattr(Azure, "sign_in", Mock())
    monkeypatch.setattr(Pulumi, "program", "pulumi")
    monkeypatch.setattr(drift, "detect", detect)
    monkeypatch.setattr(drift, "restore_app_settings", restore := Mock())
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return restore


@pytest.mark.parametrize(
    ("stacks", "code"),
    [
        (["clean"], 0),
        (["drift"], 3),
        (["drift", "clean"], 3),
        (["unreadable"], 1),
        (["unreadable", "drift"], 1),
    ],
)
def test_the_exit_code_tells_drift_from_a_failed_check(stacks: list[str], code: int) -> None:
    assert main(["drift", *(word for stack in stacks for word in ("--stack", stack))]) == code


def test_a_missing_stack_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drift"])
    assert ended.value.code == 2


def test_a_stack_that_cannot_be_checked_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--stack", "unreadable", "--stack", "drift", "--stack", "drift"]
    main(["drift", *words, "--json"])
    printed = capsys.readouterr()
    assert [report["stack"] for report in json.loads(printed.out)] == ["drift"]
    assert "error: unreadable: the stack's state cannot be read" in printed.err
    summary = (tmp_path / "summary.md").read_text()
    assert (
        "## Drift of `unreadable`\n\n❌ could not be checked:\n\n```text\nthe stack's state cannot" in summary
    )
    assert "minimumTlsVersion" in summary
    main(["drift", *words])
    assert capsys.readouterr().out.startswith("drift: 1 finding\n  changed  storage-account")


@pytest.mark.parametrize(("more", "expected"), [(["--dry-run"], []), ([], ["clean"])])
def test_app_settings_are_restored_unless_it_is_a_dry_run(
    restore: Mock, more: list[str], expected: list[str]
) -> None:
    assert main(["drift", "--stack", "clean", "--restore-app-settings", *more]) == 0
    assert [call.args[2] for call in restore.call_args_list] == expected
