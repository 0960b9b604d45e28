"""`python -m local_azure exec`: what a program gets, and what its `pulumi` is."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home
from tools.pulumi.cli import built_folder

DEADLINE = 60.0

# Stands in for the Pulumi CLI and prints what it was started with. It makes no stack.
PULUMI = """#!{python}
import json, os, sys
if sys.argv[1] == "version":
    sys.exit(print("v3.274.1"))
if sys.argv[1:3] == ["stack", "init"]:
    sys.exit(9)
print(json.dumps({{"cli": sys.argv[1:], "env": dict(os.environ), "folder": os.getcwd()}}))
"""
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("exec") / "it's home")
    yield home
    subprocess.run(
        [sys.executable, "-m", "local_azure", "stop"], env=environment(home), check=False, capture_output=True
    )


@pytest.fixture
def cli(tmp_path: Path) -> Path:
    """A folder with a Pulumi CLI."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "pulumi").write_text(PULUMI.format(python=sys.executable))
    (folder / "pulumi").chmod(0o755)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (folder / "__main__.py").write_text("")
    return folder


def environment(home: Home, *folders: Path, **more: str) -> dict[str, str]:
    return {
        ENVIRONMENT_VARIABLE: str(home.root),
        "HOME": os.environ["HOME"],
        "PULUMI_HOME": str(home.root.parent / "no CLI here"),
        "PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"]),
        "PYTHONPATH": str(PROJECT),
        **more,
    }


def run(words: list[str], env: dict[str, str], folder: Path) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "local_azure", "exec", "--", *words],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )


def shown(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_program_gets_the_sign_in_to_local_azure_and_no_other(home: Home, tmp_path: Path) -> None:
    real = {"ARM_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "t", "PULUMI_ACCESS_TOKEN": "p"}

    got = shown(run([sys.executable, "-c", SHOW], environment(home, **real), tmp_path))

    assert not set(real) & set(got)
    assert got["PULUMI_BACKEND_URL"] == home.backend.as_uri()
    assert got["ARM_METADATA_HOSTNAME"].startswith("127.0.0.1:")
    assert got["PATH"].startswith(f"{home.programs}{os.pathsep}")
    assert "PULUMI_STACK" not in got


def test_its_pulumi_is_the_cli_and_makes_no_stack(home: Home, project: Path, cli: Path) -> None:
    got = shown(run(["pulumi", "up", "-s", "pr-7"], environment(home, cli), project))

    assert (got["cli"], got["folder"]) == (["up", "-s", "pr-7"], str(project))
    assert "azure-native:" in got["env"]["PULUMI_DEBUG_PROVIDERS"]


def test_where_there_is_no_cli_a_program_runs_and_its_pulumi_names_make_pulumi(
    home: Home, project: Path
) -> None:
    done = run(["sh", "-c", "echo runs; pulumi stack ls"], environment(home), project)

    assert (done.returncode, done.stdout) == (1, "runs\n")
    assert "run `make pulumi`" in done.stderr


def test_a_cli_in_pulumis_own_folder_is_found(home: Home, project: Path, cli: Path, tmp_path: Path) -> None:
    """`exec` gives its programs another PULUMI_HOME, in which there is none."""
    folder = built_folder({"PULUMI_HOME": str(tmp_path)}) / "bin"
    folder.parent.mkdir(parents=True)
    cli.rename(folder)

    got = shown(run(["pulumi", "preview"], environment(home, PULUMI_HOME=str(tmp_path)), project))

    assert got["cli"] == ["preview"]
    assert got["env"]["PULUMI_HOME"] == str(home.pulumi_home)


def test_a_program_in_a_program_has_the_same_pulumi(home: Home, project: Path, cli: Path) -> None:
    inner = [sys.executable, "-m", "local_azure", "exec", "--", "pulumi", "preview"]

    assert shown(run(inner, environment(home, cli), project))["cli"] == ["preview"]


def test_a_stack_that_a_killed_pulumi_left_does_not_keep_others_from_being_listed(
    home: Home, project: Path, cli: Path
) -> None:
    """With an attributes file that was cut off the CLI ends every `stack ls` with «error: EOF»."""
    home.prepare()
    gone = subprocess.Popen(["true"])
    gone.wait()
    held = {
        "pid": gone.pid,
        "username": "me",
        "hostname": socket.gethostname(),
        "timestamp": "2026-11-25T12:00:00Z",
    }
    lock = home.backend / ".pulumi" / "locks" / "organization" / "demo" / "pr-7" / "x.json"
    state = home.backend / ".pulumi" / "stacks" / "demo" / "pr-7.json"
    for file, content in ((lock, json.dumps(held)), (state, "{}")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    attributes = state.with_name("pr-7.json.attrs")
    attributes.touch()
    try:
        shown(run(["pulumi", "stack", "ls", "--json"], environment(home, cli), project))
        assert not attributes.exists()
    finally:
        state.unlink()


def test_the_programs_own_folder_and_path_change_nothing(home: Home, project: Path, cli: Path) -> None:
    """Another checkout's `local_azure` stands there, and the program forgets PYTHONPATH and the home."""
    (project / "local_azure").mkdir()
    (project / "local_azure" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    script = f"unset PYTHONPATH {ENVIRONMENT_VARIABLE}; cd {project} && pulumi about"

    got = shown(run(["sh", "-c", script], environment(home, cli), project.parent))

    assert got["env"]["PULUMI_BACKEND_URL"] == home.backend.as_uri()


@pytest.mark.parametrize("caller", [None, "mine"])
def test_no_stack_is_forced_on_it(home: Home, project: Path, cli: Path, caller: str | None) -> None:
    named = {"PULUMI_STACK": caller} if caller else {}

    got = shown(run(["pulumi", "up"], environment(home, cli, **named), project))

    assert got["env"].get("PULUMI_STACK") == caller


def test_exit_code_and_output_are_the_programs_own(home: Home, tmp_path: Path) -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 42"], environment(home), tmp_path)

    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (42, "out\n", "err")


@pytest.mark.parametrize(("word", "code"), [("no-such-program", 127), ("./Pulumi.yaml", 126)])
def test_a_program_that_cannot_run_is_named(home: Home, project: Path, word: str, code: int) -> None:
    done = run([word], environment(home), project)

    assert (done.returncode, word in done.stderr) == (code, True)


def test_signals_reach_the_program_itself(home: Home, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "local_azure", "exec", "--", "sh", "-c", "echo $$; exec sleep 60"],
        env=environment(home),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGTERM


def test_many_at_once_share_one_local_azure(tmp_path: Path, project: Path, cli: Path) -> None:
    home = Home(tmp_path / "fresh")
    try:
        list_stacks = (["pulumi", "stack", "ls", "--json"], environment(home, cli), project)
        with ThreadPoolExecutor(5) as pool:
            runs = [pool.submit(run, *list_stacks) for _ in range(5)]
        environments = [shown(run.result())["env"] for run in runs]
        assert len({environment["PULUMI_DEBUG_PROVIDERS"] for environment in environments}) == 1
    finally:
        subprocess.run([sys.executable, "-m", "local_azure", "stop"], env=environment(home), check=False)


def test_without_a_command_it_says_how_it_is_used(home: Home, tmp_path: Path) -> None:
    done = run([], environment(home), tmp_path)

    assert (done.returncode, "exec -- COMMAND" in done.stderr) == (2, True)
