"""`exec`: any program against local Azure, with a `pulumi` on its PATH that works on nothing else."""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from local_azure.cli.control import ensure_running
from local_azure.cli.environment import pulumi_environment
from local_azure.cli.output import CommandError, note
from local_azure.cli.pulumi import exec_pulumi, make_folders, without_shims
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home
from tools.pulumi.cli import Cli, find, start_environment

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""What shells answer for such a command."""

# -P and the inserted path: whatever stands in the current folder, this checkout's code runs.
_SHIM = """\
#!/bin/sh
# Made by `python -m local_azure exec`: Pulumi on the local Azure in {home}.
{variable}={home} exec {python} -P -c {code} "$@"
"""


def execute(home: Home, arguments: argparse.Namespace) -> int:
    """Becomes the command: the process is replaced, so that signals and exit code are its own."""
    words: list[str] = arguments.arguments
    run = ensure_running(home)
    make_folders(home)
    cli = find(without_shims(os.environ))
    environment = program_environment(home, pulumi_environment(home, run, os.environ), cli)
    found = shutil.which(words[0], path=environment["PATH"])
    if found is None:
        there = os.path.exists(words[0])  # noqa: PTH110 # Path.exists raises below another user's folder
        note(f"error: {words[0]}: {'it cannot be executed' if there else 'no such command'}")
        return NOT_EXECUTABLE if there else NOT_FOUND
    sys.stdout.flush()
    try:
        os.execve(found, words, environment)  # noqa: S606 # no shell is wanted
    except OSError as error:
        note(f"error: {found}: {error.strerror}")
        return NOT_EXECUTABLE


def program_environment(home: Home, environment: Mapping[str, str], cli: Cli | None) -> dict[str, str]:
    """`environment` with the shim first on PATH, and behind it the CLI that the shim finds there.

    PULUMI_HOME is local Azure's own by then, so a CLI in the user's would not be found any more.
    """
    folders = [str(write_shim(home)), *([str(cli.path.parent)] if cli else [])]
    return {
        **start_environment(environment),
        ENVIRONMENT_VARIABLE: str(home.root),
        "PATH": os.pathsep.join([*folders, environment.get("PATH", os.defpath)]),
    }


def write_shim(home: Home) -> Path:
    """The folder that holds `pulumi`; one that is there may be in use, so it is replaced whole."""
    folder = home.programs
    folder.mkdir(exist_ok=True)
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
    file = folder / "pulumi"
    if not file.exists() or file.read_text() != text:
        temporary = folder / f".pulumi.{os.getpid()}"
        temporary.write_text(text)
        temporary.chmod(0o755)
        temporary.replace(file)
    return folder


def shim(words: list[str]) -> NoReturn:
    """The `pulumi` of the programs that `exec` started. It says nothing itself: its output may be parsed."""
    try:
        exec_pulumi(Home.find(), words, default_stack=None, quiet=True)
    except CommandError as error:
        note(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
