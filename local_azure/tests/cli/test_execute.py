"""`python -m local_azure exec`: what a program gets, and its `pulumi`."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import ENVIRONMENT_VARIABLE, Home
from local_azure.tests.cli.conftest import (
    COMMAND,
    DEADLINE,
    Done,
    bad,
    calls,
    cli,
    ended_process,
    environment,
    good,
    lock,
    state_file,
)
from tools.pulumi.cli import built_folder


@pytest.fixture
def home(shared_home: Home) -> Home:
    return shared_home


def execute(home: Home, folder: Path, *words: str, env: dict[str, str] | None = None) -> Done:
    return cli(home, "exec", "--", *words, env=env, folder=folder)


def pulumi_call(home: Home, project: Path, pulumi: Path, *words: str, **more: str) -> dict[str, Any]:
    """The only call of the CLI by a program: no stack is created, for example."""
    good(execute(home, project, *words, env=environment(home, pulumi, **more)))
    (call,) = calls(pulumi)
    return call


@pytest.mark.parametrize("stack", [{}, {"PULUMI_STACK": "mine"}])
def test_its_pulumi_is_the_cli_on_local_azure_with_the_stack_of_the_program(
    home: Home, project: Path, pulumi: Path, stack: dict[str, str]
) -> None:
    real = {"ARM_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "t", "PULUMI_ACCESS_TOKEN": "p"}

    call = pulumi_call(home, project, pulumi, "pulumi", "up", "-s", "pr-7", **stack, **real)

    assert (call["words"], call["folder"]) == (["up", "-s", "pr-7"], str(project))
    assert "azure-native:" in call["env"]["PULUMI_DEBUG_PROVIDERS"]
    assert call["env"]["PATH"].startswith(f"{home.programs}{os.pathsep}")
    assert call["env"].get("PULUMI_STACK") == stack.get("PULUMI_STACK")
    assert not set(real) & set(call["env"])


def test_without_a_cli_a_program_runs_and_its_pulumi_names_make_pulumi(home: Home, project: Path) -> None:
    done = execute(home, project, "sh", "-c", "echo runs; pulumi stack ls")

    assert "run `make pulumi`" in bad(done)
    assert done.stdout == "runs\n"


def test_a_cli_in_pulumis_own_folder_is_used(home: Home, project: Path, pulumi: Path, tmp_path: Path) -> None:
    """`exec` gives its programs another PULUMI_HOME, which has no CLI."""
    folder = built_folder({"PULUMI_HOME": str(tmp_path)}) / "bin"
    folder.parent.mkdir(parents=True)
    pulumi.rename(folder)

    call = pulumi_call(home, project, pulumi, "pulumi", "preview", PULUMI_HOME=str(tmp_path))

    assert call["words"] == ["preview"]
    assert call["env"]["PULUMI_HOME"] == str(home.pulumi_home)


def test_a_program_in_a_program_has_the_same_pulumi(home: Home, project: Path, pulumi: Path) -> None:
    inner = [*COMMAND, "exec", "--", "pulumi", "preview"]

    assert pulumi_call(home, project, pulumi, *inner)["words"] == ["preview"]


def test_an_incomplete_state_of_another_stack_is_recovered(home: Home, project: Path, pulumi: Path) -> None:
    """With an incomplete attributes file the CLI ends every `stack ls` with «error: EOF»."""
    home.prepare()
    state, attributes = (state_file(home.backend, "pr-7", ending) for ending in ("", ".attrs"))
    state.write_text("{}")
    lock(home.backend, "pr-7", ended_process())
    attributes.touch()
    try:
        pulumi_call(home, project, pulumi, "pulumi", "stack", "ls", "--json")
        assert not attributes.exists()
    finally:
        state.unlink()


def test_the_programs_folder_and_path_change_nothing(home: Home, project: Path, pulumi: Path) -> None:
    """Another checkout's `local_azure` is there, and the program unsets PYTHONPATH and the home."""
    (project / "local_azure").mkdir()
    (project / "local_azure" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    script = f"unset PYTHONPATH {ENVIRONMENT_VARIABLE}; cd {project} && pulumi about"

    call = pulumi_call(home, project.parent, pulumi, "sh", "-c", script)

    assert call["env"]["PULUMI_BACKEND_URL"] == home.backend.as_uri()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sh", "-c", "echo err >&2; exit 42"], 42, "err\n"),
        (["no-such-program"], 127, "no-such-program"),
        (["./Pulumi.yaml"], 126, "./Pulumi.yaml"),
        ([], 2, "exec -- COMMAND"),
    ],
)
def test_the_exit_code_is_the_programs_and_one_that_cannot_run_is_named(
    home: Home, project: Path, words: list[str], code: int, message: str
) -> None:
    done = execute(home, project, *words)

    assert (done.returncode, message in done.stderr) == (code, True)


def test_signals_reach_the_program_itself(home: Home, tmp_path: Path) -> None:
    program = [*COMMAND, "exec", "--", "sh", "-c", "echo $$; exec sleep 60"]
    process = subprocess.Popen(
        program, env=environment(home), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGTERM
