"""What commands print and ask, and their exit codes."""

import argparse
import os
import sys

from local_azure.engine.errors import EngineError

# The CLI's exit codes (P:pkg/cmd/pulumi/cmd/exit_codes.go).
FAILED, MISUSED, NO_SUCH_STACK, CHANGES_FOUND, CANCELLED = 1, 2, 6, 7, 8
NAME = "local Azure's embedded engine"


class UsageError(EngineError):
    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    sys.stderr.write(text + "\n")


def interactive(args: argparse.Namespace) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not args.non_interactive


def coloured(args: argparse.Namespace) -> bool:
    if args.color != "auto":
        return args.color == "always"
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def confirm(args: argparse.Namespace, question: str, agree: str) -> None:
    """Asks unless --yes is given; `agree` is what has to be typed. Raises UsageError."""
    if args.yes:
        return
    if not interactive(args):
        raise UsageError("--yes must be passed in to proceed when running in non-interactive mode")
    try:
        answer = input(f"{question} [{agree}/no] ").strip()
    except EOFError:
        answer = ""
    if answer != agree:
        raise UsageError("confirmation declined, not proceeding", CANCELLED)
