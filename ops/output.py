"""Output of the commands: results to standard output, progress and errors to standard error."""

import os
import sys
from collections.abc import Callable

LOST = "DATA WILL BE LOST"


class OpsError(Exception):
    """A command failed. The message states the object, the value, the rule and the command that fixes it."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, from a runner that cancels a job or from `kill`."""


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print progress or an error to standard error, so that standard output can be piped."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def check_all(*checks: Callable[[], object]) -> None:
    """Call every check. Raises OpsError with the messages of all that fail."""
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except OpsError as error:
            problems.append(str(error))
    if problems:
        raise OpsError("\n  ".join(["these are missing:", *problems] if problems[1:] else problems))


def is_coloured() -> bool:
    """Whether standard output is a terminal, and nobody has turned colours off (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def is_confirmed(question: str, stack: str, refusal: str) -> bool:
    """Whether the user types the stack's name. Raises OpsError with the refusal if there is no terminal."""
    if not sys.stdin.isatty():
        raise OpsError(refusal)
    try:
        return input(question).strip() == stack
    except EOFError:
        return False
