"""`pulumi`: the Pulumi CLI, or the embedded engine where there is none, against local Azure."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.home import PROJECT, Home

ENGINE_VARIABLE = "LOCAL_AZURE_ENGINE"
STACK = "local"

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
_STACK_COMMANDS_WITHOUT = frozenset({"init", "ls", "rm", "select", "rename"})


def pulumi(home: Home, arguments: argparse.Namespace) -> int:
    """Becomes the engine: the process is replaced, so that signals and exit code are the engine's own."""
    words: list[str] = arguments.arguments
    engine = _engine(os.environ)
    if words[:1] == ["version"] or not words or {"-h", "--help"} & set(words):
        os.execve(engine[0], [*engine, *words], os.environ)  # noqa: S606 # asks for nothing that runs
    run = ensure_running(home)
    home.backend.mkdir(exist_ok=True)
    home.pulumi_home.mkdir(exist_ok=True)
    environment = pulumi_environment(home, run, os.environ)
    # The embedded engine is a module of this checkout, wherever the program stands.
    if engine[0] == sys.executable:
        paths = [str(PROJECT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    project = _project(Path.cwd())
    stack = _named_stack(words) or environment["PULUMI_STACK"]
    if project is not None:
        _clear_stranded(home, project, stack)
        if stack == STACK and _needs_stack(words) and not _exists(home, project, stack):
            _create(engine, environment)
    name = "the embedded engine" if engine[0] == sys.executable else f"the Pulumi CLI, {engine[0]}"
    note(f"Local Azure: {name}, stack {stack}.")
    sys.stdout.flush()
    os.execve(engine[0], [*engine, *words], environment)  # noqa: S606 # no shell is wanted


def _engine(environment: Mapping[str, str]) -> list[str]:
    choice = environment.get(ENGINE_VARIABLE, "")
    embedded = [sys.executable, "-m", "local_azure.engine"]
    if choice not in {"", "embedded", "cli"}:
        raise CommandError(f"{ENGINE_VARIABLE} is {choice!r}: it may be `embedded` or `cli`.")
    if choice == "embedded":
        return embedded
    found = shutil.which("pulumi")
    if found is None and choice == "cli":
        raise CommandError(
            f"{ENGINE_VARIABLE} is `cli`, and there is no `pulumi` on PATH: "
            f"install it from https://www.pulumi.com/docs/install/ or unset {ENGINE_VARIABLE}."
        )
    return [found] if found is not None else embedded


def _create(engine: list[str], environment: Mapping[str, str]) -> None:
    command = [*engine, "stack", "init", STACK, "--non-interactive"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"the stack {STACK} could not be made:\n{(done.stderr or done.stdout).strip()}")


def _clear_stranded(home: Home, project: str, stack: str) -> None:
    from local_azure.engine.locks import clear_stranded  # noqa: PLC0415 # only for this command

    for notice in clear_stranded(home.backend, project, stack):
        note(f"Local Azure: {notice}.")


def _needs_stack(words: list[str]) -> bool:
    command = [word for word in words if not word.startswith("-")][:2]
    if not command or any(word in {"-h", "--help"} for word in words):
        return False
    if command[0] == "stack":
        return len(command) == 1 or command[1] not in _STACK_COMMANDS_WITHOUT
    return command[0] in _NEED_STACK


def _named_stack(words: list[str]) -> str | None:
    for number, word in enumerate(words):
        if word in {"-s", "--stack"} and number + 1 < len(words):
            return words[number + 1]
        if word.startswith("--stack="):
            return word.removeprefix("--stack=")
    return None


def _exists(home: Home, project: str, stack: str) -> bool:
    folder = home.backend / ".pulumi" / "stacks" / project
    return any((folder / f"{stack}.json{ending}").exists() for ending in ("", ".gz"))


def _project(start: Path) -> str | None:
    """The project's name, from Pulumi.yaml here or in the nearest folder above."""
    for folder in (start, *start.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if (folder / name).is_file():
                import yaml  # noqa: PLC0415 # only for this command

                content: Any = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
                return str(content["name"]) if content and "name" in content else None
    return None
