"""`pulumi`: the Pulumi CLI against local Azure."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

import yaml

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.cli.pulumi_state import clear_stranded, has_pending_deletions, locked_stacks, state_file
from local_azure.home import Home, is_file
from local_azure.runner.record import runner_resources
from tools.pulumi.cli import PulumiNotFoundError, require, start_environment

STACK = "local"
BACKEND_VARIABLE = "PULUMI_BACKEND_URL"

# Commands that trust the state about what exists, unless they refresh it.
_COMPARE_STATE = frozenset({"preview", "pre", "up", "update"})
_USE_RESOURCES = _COMPARE_STATE | {"refresh", "destroy", "down", "dn", "import"}
# Commands that need a stack; the others work without one, or create one themselves.
_NEED_STACK = _USE_RESOURCES | {"cancel", "config", "state"}
_READ_STATE = (["stack", "output"], ["stack", "export"])
_STACK_COMMANDS_WITHOUT = frozenset({"init", "ls", "rm", "select", "rename"})


def pulumi(home: Home, arguments: argparse.Namespace) -> NoReturn:
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
    command, options = read_words(words)
    folder = Path(options.cwd or ".").resolve()
    project = _project(folder)
    stack = options.stack or environment.get("PULUMI_STACK")
    backend = backend_folder(environment[BACKEND_VARIABLE])
    if project is not None:
        # Of every stack when none is named: the CLI lists no stack while a state is incomplete.
        for locked_stack in locked_stacks(backend, project) if stack is None else [stack]:
            for message in clear_stranded(backend, project, locked_stack):
                note(f"Local Azure: {message}.")
    if project is not None and stack is not None:
        verb = "".join(command[:1])
        reads_state = verb in _USE_RESOURCES or command[:2] in _READ_STATE
        if reads_state and runner_resources(home, project, stack):
            raise CommandError(
                f"the minimal runner made the stack {stack}, so its resources are not in Pulumi's state: "
                "run `make down`, which deletes them, then this command again. Its outputs: "
                "`python -m local_azure runner outputs`."
            )
        state = state_file(home.backend, project, stack)
        exists = state.exists() or state.with_suffix(".json.gz").exists()
        needs_stack = verb in _NEED_STACK or (
            verb == "stack" and not _STACK_COMMANDS_WITHOUT & set(command[1:2])
        )
        if stack == default_stack and needs_stack and not exists:
            _create(program, environment, stack, folder)
        if (
            verb in _COMPARE_STATE
            and not any(word.startswith("--refresh") for word in words)
            and has_pending_deletions(backend, project, stack)
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


def read_words(words: list[str]) -> tuple[list[str], argparse.Namespace]:
    """The command with its arguments, as `stack ls`, and the options `cwd` and `stack`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for names in (("-C", "--cwd"), ("-s", "--stack"), ("--color",)):  # of every command, also before its name
        parser.add_argument(*names, nargs="?")
    options, rest = parser.parse_known_args(words)
    return [word for word in rest if not word.startswith("-")], options


def _project(start: Path) -> str | None:
    """The project's name, from Pulumi.yaml here or in the nearest folder above."""
    for folder in (start, *start.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if is_file(folder / name):
                try:
                    return str(yaml.safe_load((folder / name).read_bytes())["name"])
                except (OSError, yaml.YAMLError, KeyError, TypeError):
                    return None  # Pulumi itself reports the problem of the file
    return None
