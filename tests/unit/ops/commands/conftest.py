"""`python -m ops` in a world in memory."""

from pathlib import Path

import pytest

from ops.azure import Azure
from ops.engine import Completed, Pulumi
from ops.github.github import GitHub
from tests.unit.ops.world import Cli, CloudOfGroups, PullRequests, World, returns


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    for name in ("GITHUB_ACTIONS", "GITHUB_EVENT_NAME", "GITHUB_RUN_ID", "GITHUB_STEP_SUMMARY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "Pulumi.yaml").write_text("name: assistant\n")
    for name in ("pr", "prod", "dev"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    environment = {"PULUMI_BACKEND_URL": (tmp_path / "backend").as_uri()}
    cli, azure, github = Cli(), CloudOfGroups(), PullRequests()

    def run(pulumi: Pulumi, *words: str, **_options: object) -> Completed:
        return cli.run(pulumi, *words)

    monkeypatch.setattr(Pulumi, "run", run)
    monkeypatch.setattr(Pulumi, "program", "pulumi")
    monkeypatch.setattr(Azure, "sign_in", returns(azure))
    monkeypatch.setattr(GitHub, "connect", returns(github))
    return World(tmp_path, cli, azure, github, environment, monkeypatch, capsys)
