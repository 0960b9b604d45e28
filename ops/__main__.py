"""`python -m ops`: what pipelines do, and a person on call does by hand."""

import argparse
import os
import signal
import sys
from importlib import import_module

from local_azure.loopback import without_proxy
from ops.output import OpsError, TerminatedError, note

COMMANDS = {
    "preview": "what `pulumi up` would change, as a file for `comment`",
    "comment": "put previews into one comment of a pull request",
    "test-stack": "the stack of a pull request: up with its tests, or down",
    "sweep": "remove what closed pull requests left behind",
    "destroy": "take a stack down, with what Azure keeps of it",
    "unlock": "show who holds a stack's lock, and remove it",
    "deploy": "deploy a package to an environment, test it, go back where it fails",
    "drift": "find what was changed in Azure behind the program's back",
    "rollback": "deploy the previous good package again",
}
"""Name to summary. `a-name` is ops/commands/a_name.py; only the one asked for is loaded."""

_EPILOG = """\
Each command has its own --help, and --dry-run where it would change something.

exit codes:
  0  done
  1  failed; the reason is on standard error
  2  wrong usage
  further ones stand in the command's --help
"""


def _help() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    listed = "\n".join(f"{name:<12}{summary}" for name, summary in COMMANDS.items())
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND", help=listed)
    return parser


def main(words: list[str]) -> int:
    name = _help().parse_args(words[:1]).command
    os.environ.update(without_proxy(os.environ))
    try:
        module = import_module(f"ops.commands.{name.replace('-', '_')}")
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
