"""`pulumi new` from this repository: a project of another name, whose stack comes up."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.workspace import PROJECT, copy_project, share_installed, workspace
from tools.pulumi.cli import find

pytestmark = pytest.mark.cli


def test_a_project_of_another_name_comes_up_with_the_committed_stack_file(tmp_path: Path) -> None:
    def create_project(root: Path) -> None:
        copy_project(tmp_path / "template")
        cli = find(os.environ)
        assert cli is not None
        command = [cli.path, "new", tmp_path / "template", "--generate-only", "--yes"]
        environment = {
            **os.environ,
            "PULUMI_HOME": str(tmp_path / "pulumi"),
            "PULUMI_LANGUAGE_HOST_PYTHON": str(PROJECT / ".venv" / "bin" / "python"),
        }
        subprocess.run([*command, "--name", "chat", "--dir", root], check=True, env=environment)
        share_installed(root)

    with workspace(tmp_path / "project", create_project) as stack:
        assert yaml.safe_load((stack.root / "Pulumi.yaml").read_text())["name"] == "chat"

        stack.up()

        assert "-chat-local-" in stack.outputs()["functionAppName"]
        assert stack.put("hello").status == 202
        assert stack.planned() == {}
