"""The output of commands: results on standard output, progress and errors on standard error."""

import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

_SHOW_AFTER = 0.3


class CommandError(Exception):
    """A command that fails; the message is for the user."""


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def note(text: str) -> None:
    """On standard error, so that a pipe gets the output of `say` alone."""
    sys.stderr.write(f"{text}\n")  # in a single call: threads may write at the same time
    sys.stderr.flush()


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def progress(title: str) -> Generator[Callable[[str], None]]:
    """A function that shows the current step in one line of a terminal, which is cleared at the end."""
    began = time.monotonic()

    def show(step: str) -> None:
        elapsed = time.monotonic() - began
        if sys.stderr.isatty() and elapsed >= _SHOW_AFTER:
            line = f"{title} ({elapsed:.0f} s) {step}"
            sys.stderr.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()

    try:
        yield show
    finally:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
