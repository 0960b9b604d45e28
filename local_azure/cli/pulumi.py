"""`pulumi`: the Pulumi CLI, or the embedded engine where there is none, against local Azure."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.home import PROJECT, Home, is_file

ENGINE_VARIABLE = "LOCAL_AZURE_ENGINE"
STACK = "local"
BACKEND_VARIABLE = "PULUMI_BACKEND_URL"

# Commands that need a stack; the others work without one, or make one themselves.
_NEED_STACK = frozenset(
    {
        "preview",
        "pre",
        "up",
        "update",
        "refresh",
        "destroy",
        "down",
        "dn",
        "cancel",
        "config",
        "state",
        "import",
    }
)
# Commands that trust the state about what exists, unless they refresh it.
_COMPARE_STATE = (["preview"], ["pre"], ["up"], ["update"])
# Options of every command, which may stand before its name.
_TAKE_A_VALUE = frozenset({"-C", "--cwd", "-s", "--stack", "--color"})
_STACK_COMMANDS_WITHOUT = frozenset({"init", "ls", "rm", "select", "rename"})


def pulumi(home: Home, arguments: argparse.Namespace) -> int:
    become_engine(home, arguments.arguments, default_stack=STACK)


def become_engine(
    home: Home, words: list[str], *, default_stack: str | None, quiet: bool = False
) -> NoReturn:
    """The process is replaced, so that signals and exit code are the engine's own. Raises CommandError.

    `default_stack` is made where it does not exist; None: Pulumi's own ways of choosing a stack.
    """
    engine = which_engine(os.environ)
    if words[:1] == ["version"] or not words or {"-h", "--help"} & set(words):
        os.execve(engine[0], [*engine, *words], _with_project(engine, os.environ))  # noqa: S606 # asks for nothing that runs
    run = ensure_running(home)
    make_folders(home)
    environment = _with_project(engine, pulumi_environment(home, run, os.environ))
    own_backend = os.environ.get(BACKEND_VARIABLE, "")
    if default_stack is None and own_backend.startswith("file://"):
        environment[BACKEND_VARIABLE] = own_backend  # a program of `exec` that keeps a state of its own
    if default_stack is not None and not environment.get("PULUMI_STACK"):
        environment["PULUMI_STACK"] = default_stack
    folder = Path(_option(words, "-C", "--cwd") or ".").resolve()
    project = _project(folder)
    stack = _named_stack(words) or environment.get("PULUMI_STACK")
    if project is not None:
        backend = backend_folder(environment[BACKEND_VARIABLE])
        _clear_stranded(backend, project, stack)
        if (
            stack is not None
            and stack == default_stack
            and _needs_stack(words)
            and not _exists(home, project, stack)
        ):
            _create(engine, environment, stack, folder)
        if (
            stack is not None
            and _command(words)[:1] in _COMPARE_STATE
            and not any(word.startswith("--refresh") for word in words)
            and _has_pending_deletions(backend, project, stack)
        ):
            note("Local Azure: the last run was killed while it deleted: --refresh is added.")
            words = [*words, "--refresh"]
    if not quiet:
        name = "the embedded engine" if is_embedded(engine) else f"the Pulumi CLI, {engine[0]}"
        note(f"Local Azure: {name}, stack {stack}.")
    sys.stdout.flush()
    os.execve(engine[0], [*engine, *words], environment)  # noqa: S606 # no shell is wanted


def backend_folder(url: str) -> Path:
    """The folder of a `file://` URL, as the CLI reads it (pulumi/pulumi pkg/backend/diy/backend.go)."""
    return Path(unquote(url.removeprefix("file://").partition("?")[0])).expanduser()


def make_folders(home: Home) -> None:
    """What an engine expects to be there."""
    home.backend.mkdir(exist_ok=True)
    home.pulumi_home.mkdir(exist_ok=True)


def which_engine(environment: Mapping[str, str]) -> list[str]:
    """The words that start it. Raises CommandError for a choice that cannot be met."""
    choice = environment.get(ENGINE_VARIABLE, "")
    embedded = [sys.executable, "-m", "local_azure.engine"]
    if choice not in {"", "embedded", "cli"}:
        raise CommandError(f"{ENGINE_VARIABLE} is {choice!r}: it may be `embedded` or `cli`.")
    if choice == "embedded":
        return embedded
    found = shutil.which("pulumi", path=_path_without_shims(environment))
    if found is None and choice == "cli":
        raise CommandError(
            f"{ENGINE_VARIABLE} is `cli`, and there is no `pulumi` on PATH: "
            f"install it from https://www.pulumi.com/docs/install/ or unset {ENGINE_VARIABLE}."
        )
    return [found] if found is not None else embedded


def is_embedded(engine: list[str]) -> bool:
    return engine[0] == sys.executable


def _path_without_shims(environment: Mapping[str, str]) -> str:
    """PATH without the folders that `exec` puts there, whichever home they are of: they lead back here."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Home(Path(folder).parent).is_made)


def _with_project(engine: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The embedded engine is a module of this checkout, wherever the program stands."""
    if not is_embedded(engine):
        return dict(environment)
    paths = [str(PROJECT), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _create(engine: list[str], environment: Mapping[str, str], stack: str, folder: Path) -> None:
    command = [*engine, "stack", "init", stack, "--non-interactive"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"the stack {stack} could not be made:\n{(done.stderr or done.stdout).strip()}")


def _clear_stranded(backend: Path, project: str, stack: str | None) -> None:
    """Of every stack where none is named: the CLI lists none while the state of one is cut off."""
    from local_azure.engine.locks import clear_stranded, locked_stacks  # noqa: PLC0415 # only for this command

    for each in locked_stacks(backend, project) if stack is None else [stack]:
        for notice in clear_stranded(backend, project, each):
            note(f"Local Azure: {notice}.")


def _command(words: list[str]) -> list[str]:
    """The command and what it is given, as `stack ls`, without options."""
    values = {number + 1 for number, word in enumerate(words) if word in _TAKE_A_VALUE}
    return [word for number, word in enumerate(words) if number not in values and not word.startswith("-")]


def _needs_stack(words: list[str]) -> bool:
    command = _command(words)[:2]
    if not command or any(word in {"-h", "--help"} for word in words):
        return False
    if command[0] == "stack":
        return len(command) == 1 or command[1] not in _STACK_COMMANDS_WITHOUT
    return command[0] in _NEED_STACK


def _named_stack(words: list[str]) -> str | None:
    return _option(words, "-s", "--stack")


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


def _exists(home: Home, project: str, stack: str) -> bool:
    folder = home.backend / ".pulumi" / "stacks" / project
    return any((folder / f"{stack}.json{ending}").exists() for ending in ("", ".gz"))


def _has_pending_deletions(backend: Path, project: str, stack: str) -> bool:
    """Whether the state has resources that are gone by now: Azure completes a deletion that it accepted."""
    try:
        checkpoint = json.loads((backend / ".pulumi" / "stacks" / project / f"{stack}.json").read_bytes())
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
                    return None  # Pulumi itself says what is wrong with the file
    return None
