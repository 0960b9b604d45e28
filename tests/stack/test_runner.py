"""The minimal runner on local Azure: the whole stack, and a small program on bad days."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_azure import run_state
from local_azure.runner.record import Record, record_file
from tests.polling import wait_for
from tests.stack.gated_program import gated_program
from tests.workspace import STACK, RunnerWorkspace, workspace

DEADLINE = 120.0


@contextlib.contextmanager
def runner_workspace(root: Path) -> Generator[RunnerWorkspace]:
    with workspace(root) as clone:
        yield RunnerWorkspace(clone.root, clone.environment)


def record(stack: RunnerWorkspace) -> Record:
    return Record(record_file(stack.home, "assistant", STACK))


def ids(stack: RunnerWorkspace) -> set[str]:
    return {resource["id"] for resource in stack.arm()["resources"]}


# --- the whole stack --------------------------------------------------------


@pytest.fixture(scope="module")
def module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerWorkspace]:
    with runner_workspace(tmp_path_factory.mktemp("runner")) as clone:
        clone.up()
        yield clone


@pytest.fixture
def stack(module_stack: RunnerWorkspace) -> Iterator[RunnerWorkspace]:
    """The stack as committed: what a test changed is put back."""
    file = module_stack.root / f"Pulumi.{STACK}.yaml"
    before, entries = file.read_bytes(), record(module_stack).entries
    yield module_stack
    file.write_bytes(before)
    if record(module_stack).entries != entries:
        module_stack.up()


def test_the_deployed_app_works_and_a_second_up_changes_and_pushes_nothing(stack: RunnerWorkspace) -> None:
    before = ids(stack)

    again = stack.up()

    assert stack.put("hello").status == 202
    assert "\n  " not in again.stderr, again.stderr
    assert "Pushing" not in again.stderr
    assert ids(stack) == before


def test_a_changed_setting_updates_the_site_in_place_and_reaches_the_app(stack: RunnerWorkspace) -> None:
    stack.config("defaultInstructions", "Be brief.")

    lines = stack.up().stderr.splitlines()
    changed = [line.split("  ")[1] for line in lines if line.startswith(("  +", "  ~", "  -"))]

    assert changed == ["~ web:WebApp function-app"]
    assert stack.put("brief").status == 202
    assert "Be brief." in stack.run("rows", "ChatState").stdout


def test_a_resource_that_was_deleted_behind_its_back_is_made_again(stack: RunnerWorkspace) -> None:
    before = ids(stack)
    (role,) = (entry.id for urn, entry in record(stack).entries.items() if urn.endswith("::openai-user"))
    stack.run("portal", "delete", role)
    assert ids(stack) == before - {role}

    stack.up()

    assert ids(stack) == before


def test_a_change_that_takes_a_replacement_is_refused_before_anything_changes(stack: RunnerWorkspace) -> None:
    before = stack.arm()
    stack.config("location", "swedencentral")

    refused = stack.up(check=False)

    assert refused.returncode == 1
    for expected in (
        "nothing was changed",
        "resources:ResourceGroup group: the change of ",
        "`make down`, then `make local`",
        "dynamic/infra:ReplacementGuard replacement-guard: Stack local exists",
    ):
        assert expected in refused.stderr
    assert stack.arm() == before


def test_bad_settings_are_the_programs_message_alone(stack: RunnerWorkspace) -> None:
    stack.config("instanceMemoryMB", 1000)
    stack.config("modelNaem", "gpt-5.4-mini")

    failed = stack.up(check=False)

    assert failed.returncode == 1
    assert failed.stderr.count("has 2 settings that cannot be used") == 1
    assert "instanceMemoryMB" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_protected_stack_is_not_taken_down(stack: RunnerWorkspace) -> None:
    stack.config("deletionProtection", True)
    stack.up()
    before = stack.arm()

    refused = stack.down(check=False)

    assert refused.returncode == 1
    assert "nothing was deleted: " in refused.stderr
    assert "storage:StorageAccount storage-account" in refused.stderr
    assert "make local" in refused.stderr
    assert stack.arm() == before


# --- a small program --------------------------------------------------------

ALL = {"rg-before", "rg-after"}


@pytest.fixture(scope="module")
def module_small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerWorkspace]:
    with runner_workspace(tmp_path_factory.mktemp("small")) as clone:
        (clone.root / "Pulumi.yaml").write_text("name: assistant\nruntime: python\n")
        (clone.root / f"Pulumi.{STACK}.yaml").write_text("")
        yield clone


@pytest.fixture
def small(module_small: RunnerWorkspace) -> Iterator[RunnerWorkspace]:
    """No stack, and a program whose `up` stops at a gate: `before` is there, `after` is not."""
    clone = module_small
    (clone.root / "__main__.py").write_text(gated_program(clone.root))
    for name in ("reached", "open", "pid"):
        (clone.root / name).unlink(missing_ok=True)
    yield clone
    clone.down()


@contextlib.contextmanager
def at_the_gate(stack: RunnerWorkspace) -> Generator[subprocess.Popen[str]]:
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


def complete(stack: RunnerWorkspace) -> bool:
    entries = record(stack).entries.values()
    return groups(stack) == ALL and not any(entry.pending for entry in entries)


def test_a_run_that_was_killed_goes_on_and_leaves_no_process(small: RunnerWorkspace) -> None:
    with at_the_gate(small) as process:
        process.kill()
        process.wait()
        provider = int((small.root / "pid").read_text())
        wait_for(lambda: not psutil.pid_exists(provider), "the process for dynamic providers goes on")
    assert groups(small) == {"rg-before"}

    small.up()

    assert complete(small)
    assert small.outputs() == {"after": "rg-after"}


def test_ctrl_c_lets_the_step_that_runs_end_and_the_next_run_goes_on(small: RunnerWorkspace) -> None:
    with at_the_gate(small) as process:
        os.killpg(process.pid, signal.SIGINT)
        (small.root / "open").touch()
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == 130, output
    assert "Traceback" not in output
    assert groups(small) == {"rg-before"}
    assert [entry.id for entry in record(small).entries.values() if entry.id == "gate"] == ["gate"]

    small.up()

    assert complete(small)


def test_of_two_runs_at_once_the_second_says_so_and_changes_nothing(small: RunnerWorkspace) -> None:
    with at_the_gate(small) as process:
        for action in ("up", "down"):
            second = small.run("runner", action, check=False)
            assert second.returncode == 1
            assert f"another run changes the stack {STACK}" in second.stderr
        (small.root / "open").touch()
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == 0, output

    assert complete(small)


def test_a_run_whose_local_azure_dies_says_so_and_the_next_goes_on(small: RunnerWorkspace) -> None:
    with at_the_gate(small) as process:
        run = run_state.find(small.home)
        assert run is not None
        os.kill(run.pid, signal.SIGKILL)
        (small.root / "open").touch()
        output = process.communicate(timeout=DEADLINE)[0]
        assert process.returncode == 1
    assert "resources:ResourceGroup after: its provider stopped" in output
    assert "Traceback" not in output

    small.up()

    assert complete(small)


def test_a_program_that_raises_shows_its_own_traceback_once_and_keeps_what_was_made(
    small: RunnerWorkspace,
) -> None:
    (small.root / "open").touch()
    small.up()
    main = small.root / "__main__.py"
    main.write_text(
        main.read_text() + "\n\ndef broken():\n    raise LookupError('no such thing')\n\n\nbroken()\n"
    )

    failed = small.up(check=False)

    assert failed.returncode == 1
    assert failed.stderr.count("LookupError: no such thing") == 1
    first = failed.stderr.partition("Traceback (most recent call last):\n")[2].splitlines()[0]
    assert first.strip().startswith(f'File "{main}"')
    assert complete(small)


def test_a_stack_of_the_cli_is_left_alone(small: RunnerWorkspace) -> None:
    state = small.home.backend / ".pulumi" / "stacks" / "assistant" / f"{STACK}.json"
    state.parent.mkdir(parents=True)
    resource: dict[str, Any] = {"urn": "u", "type": "azure-native:resources:ResourceGroup", "custom": True}
    state.write_text(json.dumps({"checkpoint": {"latest": {"resources": [resource]}}}))
    try:
        for action in ("up", "down"):
            refused = small.run("runner", action, check=False)
            assert refused.returncode == 1
            assert f"the Pulumi CLI made the stack {STACK}" in refused.stderr
            assert "make pulumi" in refused.stderr
            assert "make clean" in refused.stderr
    finally:
        state.unlink()


def test_a_stopped_local_azure_keeps_the_stack_and_a_reset_forgets_it(small: RunnerWorkspace) -> None:
    (small.root / "open").touch()
    small.up()
    small.run("stop")

    assert "\n  " not in small.up().stderr
    assert complete(small)

    small.run("reset", "--yes")
    assert small.outputs() == {}
    small.up()
    assert complete(small)
