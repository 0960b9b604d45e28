"""`pulumi`: the Pulumi CLI against local Azure."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.cli.stranded_locks import clear_stranded, locked_stacks
from local_azure.home import Home, is_file, state_file
from local_azure.runner.record import runner_resources
from tools.pulumi.cli import PulumiNotFoundError, require, start_environment

STACK = "local"
BACKEND_VARIABLE = "PULUMI_BACKEND_URL"

# Commands that trust the state about what exists, unless they refresh it.
_COMPARE_STATE = frozenset({"preview", "pre", "up", "update"})
_USE_RESOURCES = _COMPARE_STATE | {"refresh", "destroy", "down", "dn", "import"}
# Commands that need a stack; the others work without one, or create one themselves.
_NEED_STACK = _USE_RESOURCES | {"cancel", "config", "state"}
_READ_STATE = {("stack", "output"), ("stack", "export")}
# Options of every command, which may stand before its name.
_TAKE_A_VALUE = frozenset({"-C", "--cwd", "-s", "--stack", "--color"})
_STACK_COMMANDS_WITHOUT = frozenset({"init", "ls", "rm", "select", "rename"})


def pulumi(home: Home, arguments: argparse.Namespace) -> int:
    exec_pulumi(home, arguments.arguments, default_stack=STACK)


def exec_pulumi(home: Home, words: list[str], *, default_stack: str | None, quiet: bool = False) -> NoReturn:
    """Replaces the process by Pulumi, so that signals and exit code are Pulumi's own. Raises CommandError.

    `default_stack` is created where it does not exist; None: Pulumi chooses the stack.
    """
    try:
        cli = require(without_shims(os.environ))
    except PulumiNotFoundError as error:
        raise CommandError(str(error)) from error
    program = str(cli.path)
    if words[:1] == ["version"] or not words or {"-h", "--help"} & set(words):
        os.execve(program, [program, *words], os.environ)  # noqa: S606 # needs no local Azure
    run = ensure_running(home)
    make_folders(home)
    environment = start_environment(pulumi_environment(home, run, os.environ))
    own_backend = os.environ.get(BACKEND_VARIABLE, "")
    if default_stack is None and own_backend.startswith("file://"):
        environment[BACKEND_VARIABLE] = own_backend  # a program of `exec` with a state of its own
    if default_stack is not None and not environment.get("PULUMI_STACK"):
        environment["PULUMI_STACK"] = default_stack
    folder = Path(_option(words, "-C", "--cwd") or ".").resolve()
    project = _project(folder)
    stack = _option(words, "-s", "--stack") or environment.get("PULUMI_STACK")
    backend = backend_folder(environment[BACKEND_VARIABLE])
    if project is not None:
        # Of every stack when none is named: the CLI lists no stack while a state is incomplete.
        for locked_stack in locked_stacks(backend, project) if stack is None else [stack]:
            for message in clear_stranded(backend, project, locked_stack):
                note(f"Local Azure: {message}.")
    if project is not None and stack is not None:
        command = "".join(_command(words)[:1])
        reads_state = command in _USE_RESOURCES or tuple(_command(words)[:2]) in _READ_STATE
        if reads_state and runner_resources(home, project, stack):
            raise CommandError(
                f"the minimal runner made the stack {stack}, so its resources are not in Pulumi's state: "
                "run `make down`, which deletes them, then this command again. Its outputs: "
                "`python -m local_azure runner outputs`."
            )
        state = state_file(home.backend, project, stack)
        exists = state.exists() or state.with_suffix(".json.gz").exists()
        if stack == default_stack and _needs_stack(words) and not exists:
            _create(program, environment, stack, folder)
        if (
            command in _COMPARE_STATE
            and not any(word.startswith("--refresh") for word in words)
            and _has_pending_deletions(backend, project, stack)
        ):
            note("Local Azure: the last run was killed while it deleted resources: --refresh is added.")
            words = [*words, "--refresh"]
    if not quiet:
        note(f"Local Azure: Pulumi {cli.version} ({program}), stack {stack}.")
    sys.stdout.flush()
    os.execve(program, [program, *words], environment)  # noqa: S606 # without a shell


def backend_folder(url: str) -> Path:
    """The folder of a `file://` URL, as the CLI reads it (pulumi/pulumi pkg/backend/diy/backend.go)."""
    return Path(unquote(url.removeprefix("file://").partition("?")[0])).expanduser()


def make_folders(home: Home) -> None:
    """Creates the folders that the CLI expects."""
    home.backend.mkdir(exist_ok=True)
    home.pulumi_home.mkdir(exist_ok=True)


def without_shims(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without the shims of `exec` on PATH, of any home: they would start this program again."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not Home(Path(folder).parent).is_made)
    return {**environment, "PATH": path}


def _create(program: str, environment: Mapping[str, str], stack: str, folder: Path) -> None:
    command = [program, "stack", "init", stack, "--non-interactive"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"the stack {stack} could not be created:\n{(done.stderr or done.stdout).strip()}")


def _command(words: list[str]) -> list[str]:
    """The command with its arguments, as `stack ls`, without options."""
    values = {number + 1 for number, word in enumerate(words) if word in _TAKE_A_VALUE}
    return [word for number, word in enumerate(words) if number not in values and not word.startswith("-")]


def _needs_stack(words: list[str]) -> bool:
    command = _command(words)[:2]
    if not command or any(word in {"-h", "--help"} for word in words):
        return False
    if command[0] == "stack":
        return len(command) == 1 or command[1] not in _STACK_COMMANDS_WITHOUT
    return command[0] in _NEED_STACK


def _option(words: list[str], short: str, long: str) -> str | None:
    """The value of an option in any way in which Pulumi takes it: `-s x`, `-sx`, `-s=x`, `--stack=x`."""
    for number, word in enumerate(words):
        if word in {short, long}:
            return words[number + 1] if number + 1 < len(words) else None
        if word.startswith(f"{long}="):
            return word.removeprefix(f"{long}=")
        if word.startswith(short) and not word.startswith("--"):
            return word.removeprefix(short).removeprefix("=")
    return None


def _has_pending_deletions(backend: Path, project: str, stack: str) -> bool:
    """Whether the state has resources that are deleted by now: Azure completes an accepted deletion."""
    try:
        checkpoint = json.loads(state_file(backend, project, stack).read_bytes())
        pending = checkpoint["checkpoint"]["latest"]["pending_operations"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return any(operation["type"] == "deleting" for operation in pending)


def _project(start: Path) -> str | None:
    """The project's name, from Pulumi.yaml here or in the nearest folder above."""
    for folder in (start, *start.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if is_file(folder / name):
                import yaml  # noqa: PLC0415 # only for this command

                try:
                    return str(yaml.safe_load((folder / name).read_bytes())["name"])
                except (OSError, yaml.YAMLError, KeyError, TypeError):
                    return None  # Pulumi itself reports the problem of the file
    return None
