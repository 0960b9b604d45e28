"""The rate limits of one deployment (Docs: Manage Azure OpenAI quota, "Understanding rate limits").

A request counts with the most that it may use: the tokens of its prompt and its `max_tokens`. Without
`max_tokens` Azure reserves the whole context until the real count is known, and rejects nothing for that
alone (Microsoft Q&A 1381398); here the answer's tokens count once it is complete. Azure starts the minute for
all requests at once; here it slides, so that `Retry-After` is exact. The windows of one and ten seconds in
which Azure spreads requests do not exist here.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic
from typing import Literal

_MINUTE = 60.0
NEVER_FITS = 86_400
"""Seconds that Azure names for a request that is larger than the limit itself (users quote it in issues)."""


Exceeded = Literal["token", "call"] | None


@dataclass(frozen=True)
class Limits:
    """Per minute."""

    tokens: int
    requests: int


@dataclass(frozen=True)
class Admission:
    """`exceeded` is the limit that rejects the request, for `retry_after` seconds; None: it is admitted."""

    exceeded: Exceeded
    retry_after: int
    headers: Mapping[str, str]


class RateLimiter:
    def __init__(self) -> None:
        self._requests: deque[float] = deque()
        self._spent: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def admit(self, tokens: int, limits: Limits) -> Admission:
        """Counts the request only when both limits have room for it."""
        now = monotonic()
        self._drop_before(now - _MINUTE)
        exceeded, retry_after = self._exceeded(tokens, limits, now)
        if exceeded is None:
            self._requests.append(now)
            self.spend(tokens)
        headers = {
            "x-ratelimit-remaining-requests": str(max(0, limits.requests - len(self._requests))),
            "x-ratelimit-remaining-tokens": str(max(0, limits.tokens - self._tokens)),
        }
        return Admission(exceeded, retry_after, headers)

    def spend(self, tokens: int) -> None:
        """Counts the tokens of a request, or of an answer to a request without `max_tokens`."""
        self._spent.append((monotonic(), tokens))
        self._tokens += tokens

    def _drop_before(self, until: float) -> None:
        while self._requests and self._requests[0] <= until:
            self._requests.popleft()
        while self._spent and self._spent[0][0] <= until:
            self._tokens -= self._spent.popleft()[1]

    def _exceeded(
        self, tokens: int, limits: Limits, now: float
    ) -> tuple[Literal["token", "call"] | None, int]:
        """The limit without room for so many tokens, and the seconds until it has room."""
        if tokens > limits.tokens:
            return "token", NEVER_FITS
        excess = self._tokens + tokens - limits.tokens
        if excess > 0:
            # The first entry whose end makes room: all of them together would.
            freed = accumulate(counted for _, counted in self._spent)
            spent = next(
                begun for (begun, _), total in zip(self._spent, freed, strict=True) if total >= excess
            )
            return "token", _seconds_left(spent, now)
        if len(self._requests) >= limits.requests:
            return "call", _seconds_left(self._requests[-limits.requests], now)
        return None, 0


def _seconds_left(begun: float, now: float) -> int:
    return max(1, math.ceil(begun + _MINUTE - now))
