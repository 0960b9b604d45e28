"""Stacks of several pull requests on one local Azure at the same time, as pipelines bring them up."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.workspace import COMMAND_DEADLINE, Workspace, workspace

STACKS = [f"pr-{number}" for number in range(1, 1 + int(os.environ.get("TEST_STACKS", "3")))]
DEADLINE = 3 * COMMAND_DEADLINE
pytestmark = pytest.mark.cli


def pulumi(made: Workspace, stack: str, *words: str) -> str:
    """Plain `pulumi`, as a program calls it that knows nothing of local Azure."""
    done = subprocess.run(
        [sys.executable, "-m", "local_azure", "exec", "--", "pulumi", *words, "--stack", stack],
        cwd=made.root,
        env=dict(made.environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{stack}: {words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def put(made: Workspace, stack: str) -> int:
    outputs = json.loads(pulumi(made, stack, "stack", "output", "--json"))
    key = made.run("keys", outputs["functionAppName"], "--name", "default").stdout.strip()
    return made.request("PUT", f"{outputs['assistantsUrl']}/{stack}", headers={"x-functions-key": key}).status


def rows(made: Workspace, stack: str) -> str:
    outputs = json.loads(pulumi(made, stack, "stack", "output", "--json"))
    return made.run("rows", "ChatState", "--account", outputs["storageAccountName"]).stdout


def test_stacks_come_and_go_at_once_and_none_disturbs_another(tmp_path: Path) -> None:
    """Three here, for the sake of time: `make ten` proves ten."""
    with workspace(tmp_path / "many") as made, ThreadPoolExecutor(len(STACKS)) as pool:
        for stack in STACKS:
            shutil.copy(made.root / "Pulumi.local.yaml", made.root / f"Pulumi.{stack}.yaml")

        def bring_up(stack: str) -> int:
            pulumi(made, stack, "stack", "init", "--no-select")
            pulumi(made, stack, "up", "--yes", "--skip-preview")
            return put(made, stack)

        def take_down(stack: str) -> None:
            pulumi(made, stack, "destroy", "--yes")
            pulumi(made, stack, "stack", "rm", "--yes")

        assert list(pool.map(bring_up, STACKS)) == [202] * len(STACKS)
        kept, *others = STACKS
        assert [other for other in others if other in rows(made, kept)] == []

        list(pool.map(take_down, others))

        # What stays is whole, and nothing of the others is left to be in somebody's way.
        pulumi(made, kept, "up", "--yes", "--skip-preview", "--expect-no-changes")
        assert put(made, kept) == 202
        take_down(kept)
        assert made.arm()["resources"] == []
        assert json.loads(made.home.ports_file.read_text()).keys() == {"gateway"}
