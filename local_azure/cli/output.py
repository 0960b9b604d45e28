"""The output of commands: results on standard output, progress and errors on standard error."""

import shutil
import sys
import time
from types import TracebackType
from typing import Self


class CommandError(Exception):
    """A command that fails; the message is for the user."""


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def note(text: str) -> None:
    """On standard error, so that a pipe gets the output of `say` alone."""
    sys.stderr.write(f"{text}\n")  # in a single call: threads may write at the same time
    sys.stderr.flush()


class Progress:
    """A line on a terminal that each `show` replaces; nothing when standard error is not a terminal."""

    _SHOW_AFTER = 0.3

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, doing: str) -> None:
        elapsed = time.monotonic() - self._began
        if elapsed < self._SHOW_AFTER or not sys.stderr.isatty():
            return
        self._shown = True
        line = f"{self._title} ({elapsed:.0f} s) {doing}"
        sys.stderr.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()
