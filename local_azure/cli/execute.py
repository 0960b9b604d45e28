"""`exec`: any program against local Azure, with a `pulumi` on its PATH that uses nothing else."""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from local_azure import whole_file
from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.cli.pulumi import exec_pulumi, make_folders, without_shims
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home
from tools.pulumi.cli import Cli, find, start_environment

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of shells for such a command."""

# -P and the inserted path: modules in the current folder must not replace this checkout's code.
_SHIM = """\
#!/bin/sh
# Made by `python -m local_azure exec`: Pulumi on the local Azure in {home}.
{variable}={home} exec {python} -P -c {code} "$@"
"""


def execute(home: Home, arguments: argparse.Namespace) -> int:
    """Replaces the process by the command, so that signals and exit code are the command's own."""
    words: list[str] = arguments.arguments
    run = ensure_running(home)
    make_folders(home)
    cli = find(without_shims(os.environ))
    environment = program_environment(home, pulumi_environment(home, run, os.environ), cli)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        exists = os.path.exists(words[0])  # noqa: PTH110 # Path.exists raises below another user's folder
        note(f"error: {words[0]}: {'it cannot be executed' if exists else 'no such command'}")
        return NOT_EXECUTABLE if exists else NOT_FOUND
    sys.stdout.flush()
    try:
        os.execve(program, words, environment)  # noqa: S606 # without a shell
    except OSError as error:
        note(f"error: {program}: {error.strerror}")
        return NOT_EXECUTABLE


def program_environment(home: Home, environment: Mapping[str, str], cli: Cli | None) -> dict[str, str]:
    """`environment` with the shim first on PATH, and behind it the CLI that the shim runs.

    PULUMI_HOME is local Azure's in it, so the shim cannot find a CLI in the user's PULUMI_HOME.
    """
    folders = [str(write_shim(home)), *([str(cli.path.parent)] if cli else [])]
    return {
        **start_environment(environment),
        ENVIRONMENT_VARIABLE: str(home.root),
        "PATH": os.pathsep.join([*folders, environment.get("PATH", os.defpath)]),
    }


def write_shim(home: Home) -> Path:
    """The folder with the `pulumi` of programs. A running program may read the file while it is replaced."""
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); "
        "from local_azure.cli.execute import shim; shim(sys.argv[1:])"
    )
    text = _SHIM.format(
        home=shlex.quote(str(home.root)),
        variable=ENVIRONMENT_VARIABLE,
        python=shlex.quote(sys.executable),
        code=shlex.quote(code),
    )
    file = home.programs / "pulumi"
    if not file.exists() or file.read_text() != text:
        whole_file.write(file, text.encode(), 0o755)
    return home.programs


def shim(words: list[str]) -> NoReturn:
    """The `pulumi` of the programs that `exec` starts. It prints nothing itself: its output may be parsed."""
    try:
        exec_pulumi(Home.find(), words, default_stack=None, quiet=True)
    except CommandError as error:
        note(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
