"""`python -m ops drift --issue`: one issue per environment."""

import pytest

from ops.__main__ import main
from ops.azure import Azure
from ops.commands import drift
from ops.drift.drift import Finding
from ops.drift.report import Report
from ops.output import OpsError
from ops.state import STORAGE_ACCOUNT
from tests.github_server import FakeGitHub

FINDING = Finding("changed", "storage-account", STORAGE_ACCOUNT, "/x")


def test_an_issue_is_open_while_a_stack_has_drift(
    fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings: dict[str, list[Finding]] = {"dev": [FINDING], "prod": [FINDING]}

    def detect(_pulumi: object, _azure: object, stack: str) -> Report:
        if stack not in findings:
            raise OpsError("the stack's state cannot be read")
        return Report(stack, findings[stack])

    def issues(*more: str) -> list[tuple[str, str]]:
        main(["drift", "--stack", "dev", "--stack", "prod", "--issue", *more])
        return [(issue["title"], issue["state"]) for issue in fake_github.issues.values()]

    monkeypatch.setattr(Azure, "sign_in", lambda: None)
    monkeypatch.setattr(drift, "detect", detect)
    for name, value in fake_github.environment().items():
        monkeypatch.setenv(name, value)
    dev, prod = (f"Drift: {stack} differs from its program's state" for stack in ("dev", "prod"))

    assert issues("--dry-run") == []
    assert not fake_github.received
    assert issues() == [(dev, "open"), (prod, "open")]
    assert issues() == [(dev, "open"), (prod, "open")]
    assert all("storage-account" in issue["body"] for issue in fake_github.issues.values())
    assert {label["name"] for issue in fake_github.issues.values() for label in issue["labels"]} == {"drift"}
    findings["dev"] = []
    del findings["prod"]
    assert issues() == [(dev, "closed"), (prod, "open")]
    assert fake_github.bodies(1) == ["dev matches its program again."]
