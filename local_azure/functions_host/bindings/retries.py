"""When the clients of the extension, Azure.Core and System.ClientModel, send a request again."""

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from local_azure.functions_host.bindings.errors import BindingError

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

RETRIABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
BACKOFF = (0.8, 1.6, 3.2)
"""Seconds before the second, third and fourth attempt."""

DELAY_LIMIT = 4_294_967.294
"""Seconds that `Task.Delay` of .NET can wait; a longer wait fails at once."""

ATTEMPT_TIMEOUT = 100.0
"""Seconds for one attempt (`NetworkTimeout`)."""


async def send(
    attempt: Callable[[], Awaitable[T]],
    status_and_headers: Callable[[T], tuple[int, Mapping[str, str]]],
    *,
    broken: tuple[type[Exception], ...],
    delay: Callable[[float, Mapping[str, str]], float],
    sleep: Sleep,
) -> T:
    """The last response, of whatever status. Raises the error of the last attempt, one of `broken`.

    `delay` makes a wait of the policy's and the response's headers.
    """
    for backoff in (*BACKOFF, None):
        wait = backoff
        try:
            response = await attempt()
        except broken:
            if backoff is None:
                raise
        else:
            status, headers = status_and_headers(response)
            if backoff is None or status not in RETRIABLE_STATUSES:
                return response
            wait = delay(backoff, headers)
            if wait > DELAY_LIMIT:
                raise BindingError(f"The service asks for a wait longer than .NET can do: {wait} s")
        await sleep(wait or 0)
    raise AssertionError


def retry_after(headers: Mapping[str, str], number: Callable[[str], float] = float) -> float | None:
    """The wait in seconds that a response asks for, as a number or a date; 0 for one of the past."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with suppress(KeyError, ValueError):
            seconds = number(headers[name]) * unit
            if math.isfinite(seconds):
                return max(0.0, seconds)
    with suppress(KeyError, ValueError):
        moment = parsedate_to_datetime(headers["Retry-After"]).astimezone(UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None
