"""Output of the commands: results to standard output, progress and errors to standard error."""

import sys


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
