"""The command line: the Pulumi CLI's verbs and flags, as far as local stacks need them."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from local_azure.engine.commands import arguments, operations, settings, stacks, state
from local_azure.engine.commands.output import CANCELLED, FAILED, NAME, UsageError, note, say
from local_azure.engine.errors import EngineError


def parser() -> arguments.Parser:
    shared = [arguments.common(), arguments.stack()]
    top = arguments.Parser(
        prog="python -m local_azure.engine",
        description=f"{NAME}: runs Pulumi programs against local Azure where there is no Pulumi CLI.",
    )
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True, parser_class=arguments.Parser)
    for group in (operations, settings, stacks, state):
        group.add_to(verbs, shared)
    version = verbs.add_parser("version", parents=[shared[0]], help="say what this is")
    version.set_defaults(run=_version)
    return top


def _version(_: argparse.Namespace) -> int:
    say(NAME)
    return 0


def _folder_and_rest(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The folder of `-C` or `--cwd`, which may stand anywhere, as in the CLI; and the other words."""
    flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flag.add_argument("-C", "--cwd")
    found, rest = flag.parse_known_args(argv)
    return found.cwd, rest


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    folder, words = _folder_and_rest(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(words)
    try:
        if folder:
            os.chdir(folder)
        return args.run(args)
    except UsageError as error:
        note(f"error: {error}")
        return error.code
    except (EngineError, OSError) as error:
        note(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:
        note("interrupted")
        return CANCELLED
    finally:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
