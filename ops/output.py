"""What commands print: results on standard output, progress and errors on standard error."""

import sys


class OpsError(Exception):
    """A command that cannot do what it was asked for: the thing, the value, the rule, and what mends it."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: a runner that cancels a job, or a person's `kill`."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """For what is not the result itself, so that the result can be piped."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
