"""`python -m ops`: the commands that pipelines, `make` and an on-call engineer run."""

import argparse
import os
import signal
import sys
from importlib import import_module
from types import ModuleType

from local_azure.loopback import without_proxy
from ops.output import OpsError, TerminatedError, note

COMMANDS = {
    "local": "bring the stack up on local Azure and create an assistant, or destroy it",
    "preview": "show what `pulumi up` would change, and what would be lost",
    "comment": "write the previews to one comment of a pull request",
    "test-stack": "deploy and test the stack of a pull request, or destroy it",
    "sweep": "remove the leftovers of closed pull requests",
    "destroy": "destroy a stack and purge its soft-deleted model account",
    "unlock": "show who holds a stack's lock, and remove the lock",
    "deploy": "deploy a package to an environment, test it, and roll back if it fails",
    "drift": "find changes that were made in Azure outside the program",
    "rollback": "deploy the previous good package again",
}
"""Command name to summary."""

_OTHER_MODULES = {"test-stack": "pull_request_stack"}  # pytest would collect a test_stack.py

_EPILOG = """\
Each command has its own --help. Commands that change a stack in Azure have --dry-run.

exit codes:
  0  done
  1  failed; the reason is on standard error
  2  wrong usage
  a command's --help lists its further codes
"""


def _help() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    listed = "\n".join(f"{name:<12}{summary}" for name, summary in COMMANDS.items())
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND ...", help=listed)
    return parser


def module_of(command: str) -> ModuleType:
    """The module of a command. Only the requested one is imported, because the imports take seconds."""
    return import_module(f"ops.commands.{_OTHER_MODULES.get(command, command)}")


def main(words: list[str]) -> int:
    name = _help().parse_args(words[:1]).command
    os.environ.update(without_proxy(os.environ))
    try:
        module = module_of(name)
    except ModuleNotFoundError as error:
        note(f"error: {sys.executable} has no {error.name}: run `make setup`, then `. .venv/bin/activate`")
        return 1
    parser = argparse.ArgumentParser(
        prog=f"python -m ops {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        return module.run(parser.parse_args(words[1:]))
    except OpsError as error:
        note(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _terminate(_number: int, _frame: object) -> None:
    raise TerminatedError


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main(sys.argv[1:]))
