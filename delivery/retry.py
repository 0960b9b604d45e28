"""Repeats a step that may succeed later: new role assignments of Azure take effect after minutes."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


@dataclass(frozen=True)
class Clock:
    """A monotonic clock in seconds, and a function that waits."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def exponential_backoff(longest: float) -> Iterator[float]:
    """Seconds to wait between attempts: 1, 2, 4 and so on, at most `longest`."""
    seconds = 1.0
    while True:
        yield min(seconds, longest)
        seconds *= 2


def retry_until(
    attempt: Callable[[], T],
    errors: type[E] | tuple[type[E], ...],
    pauses: Iterable[float],
    *,
    wait: Callable[[E, float], float | None] = lambda _error, pause: pause,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `attempt` until it raises none of these errors, and return its value.

    `pauses` are the seconds between the attempts; after the last one the error is raised. `wait` gets the
    error and the next pause, and returns the seconds to wait, or None to raise the error at once.
    """
    for pause in pauses:
        try:
            return attempt()
        except errors as error:
            seconds = wait(error, pause)
            if seconds is None:
                raise
        sleep(seconds)
    return attempt()
