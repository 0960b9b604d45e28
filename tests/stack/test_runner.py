"""The minimal runner on local Azure: the whole stack, and a small program that is killed and interrupted."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

from local_azure.runner.record import Record, record_file
from tests.polling import wait_for
from tests.stack.gated_program import gated_program
from tests.workspace import STACK, RunnerWorkspace, workspace

DEADLINE = 120.0


@contextmanager
def runner_workspace(root: Path) -> Generator[RunnerWorkspace]:
    with workspace(root) as clone:
        yield RunnerWorkspace(clone.root, clone.environment)


def record(stack: RunnerWorkspace) -> Record:
    return Record(record_file(stack.home, "assistant", STACK))


def test_the_whole_stack_is_created_changed_repaired_and_taken_down(tmp_path: Path) -> None:
    with runner_workspace(tmp_path / "clone") as stack:
        stack.up()
        assert stack.put("hello").status == 202
        created = {resource["id"] for resource in stack.arm()["resources"]}

        # A change in place, and what was deleted behind its back. Nothing else takes a step.
        (role,) = (entry.id for urn, entry in record(stack).entries.items() if urn.endswith("::openai-user"))
        stack.run("portal", "delete", role)
        stack.config("defaultInstructions", "Be brief.")
        done = stack.up()
        lines = [line for line in done.stderr.splitlines() if line.startswith(("  +", "  ~", "  -"))]
        assert [line.split("  ")[1] for line in lines] == ["~ web:WebApp function-app"]
        assert "Pushing" not in done.stderr
        assert stack.put("brief").status == 202
        assert "Be brief." in stack.run("rows", "ChatState").stdout
        assert {resource["id"] for resource in stack.arm()["resources"]} == created

        before = stack.arm()
        stack.config("location", "swedencentral")
        refused = stack.up(check=False)
        assert refused.returncode == 1
        for expected in (
            "nothing was changed",
            "resources:ResourceGroup group: the change of ",
            "dynamic/infra:ReplacementGuard replacement-guard: Stack local exists",
        ):
            assert expected in refused.stderr
        stack.config("location", "moon")
        refused = stack.up(check=False)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
        assert refused.stderr.count("location") >= 1
        assert stack.arm() == before

        stack.down()
        assert stack.arm()["resources"] == []


@contextmanager
def at_the_gate(stack: RunnerWorkspace) -> Generator[subprocess.Popen[str]]:
    """A run in which `before` exists, `gate` is being created, and `after` does not exist."""
    process = stack.spawn("runner", "up")
    try:
        wait_for((stack.root / "reached").exists, "the gate was not reached")
        yield process
    finally:
        (stack.root / "open").touch()
        if process.poll() is None:
            process.kill()
        process.communicate()


def groups(stack: RunnerWorkspace) -> set[str]:
    return {resource["name"] for resource in stack.arm()["resources"]}


def test_a_killed_and_an_interrupted_run_leave_no_process_and_are_completed(tmp_path: Path) -> None:
    with runner_workspace(tmp_path / "clone") as stack:
        (stack.root / "Pulumi.yaml").write_text("name: assistant\nruntime: python\n")
        (stack.root / f"Pulumi.{STACK}.yaml").write_text("")
        (stack.root / "__main__.py").write_text(gated_program(stack.root))

        with at_the_gate(stack) as process:
            process.kill()
            process.wait()
            provider = int((stack.root / "pid").read_text())
            wait_for(lambda: not psutil.pid_exists(provider), "the end of the dynamic provider's process")
        assert groups(stack) == {"rg-before"}

        for name in ("reached", "open"):
            (stack.root / name).unlink()
        with at_the_gate(stack) as process:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
            (stack.root / "open").touch()
            output = process.communicate(timeout=DEADLINE)[0]
            assert process.returncode == 130, output
        assert "Traceback" not in output
        assert groups(stack) == {"rg-before"}
        assert [entry.id for entry in record(stack).entries.values() if entry.id == "gate"] == ["gate"]

        stack.up()
        assert groups(stack) == {"rg-before", "rg-after"}
        assert not any(entry.pending for entry in record(stack).entries.values())
        stack.run("stop")
        assert "\n  " not in stack.up().stderr
        assert stack.outputs() == {"after": "rg-after"}
        stack.run("reset", "--yes")
        assert stack.outputs() == {}
