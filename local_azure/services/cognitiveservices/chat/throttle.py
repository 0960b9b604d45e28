"""The rate limits of one deployment (Docs: Manage Azure OpenAI quota, "Understanding rate limits").

A request counts with the most that it may use: the tokens of its prompt and its `max_tokens`. Without
`max_tokens` Azure reserves the whole context until the real count is known, and rejects nothing for that
alone (Microsoft Q&A 1381398); here the answer's tokens count once it is complete. Azure starts the minute for
all requests at once; here it slides, so that `Retry-After` is exact. The windows of one and ten seconds in
which Azure spreads requests do not exist here.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

MINUTE = 60.0
NEVER_FITS = 86_400
"""Seconds that Azure names for a request that is larger than the limit itself (users quote it in issues)."""


@dataclass(frozen=True)
class Limits:
    """Per minute."""

    tokens: int
    requests: int


@dataclass(frozen=True)
class Admission:
    """`exceeded` is the limit that rejects the request, for `retry_after` seconds; None: it is admitted."""

    exceeded: Literal["token", "call"] | None
    retry_after: int
    headers: Mapping[str, str]


class RateLimiter:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, as time.monotonic."""
        self._clock = clock
        self._requests: deque[float] = deque()
        self._spent: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def admit(self, tokens: int, limits: Limits) -> Admission:
        """Counts the request only when both limits have room for it."""
        now = self._clock()
        self._drop_before(now - MINUTE)
        if tokens > limits.tokens:
            return Admission("token", NEVER_FITS, self._headers(limits, now))
        if self._tokens + tokens > limits.tokens:
            return Admission(
                "token", self._until_free(tokens, limits.tokens, now), self._headers(limits, now)
            )
        if len(self._requests) >= limits.requests:
            first = self._requests[len(self._requests) - limits.requests]
            return Admission("call", self._left(first, now), self._headers(limits, now))
        self._requests.append(now)
        self._spend(now, tokens)
        return Admission(None, 0, self._headers(limits, now))

    def spend(self, tokens: int) -> None:
        """Counts the tokens of an answer to a request without `max_tokens`."""
        self._spend(self._clock(), tokens)

    def _spend(self, now: float, tokens: int) -> None:
        self._spent.append((now, tokens))
        self._tokens += tokens

    def _drop_before(self, until: float) -> None:
        while self._requests and self._requests[0] <= until:
            self._requests.popleft()
        while self._spent and self._spent[0][0] <= until:
            self._tokens -= self._spent.popleft()[1]

    def _until_free(self, tokens: int, limit: int, now: float) -> int:
        used = self._tokens
        for spent, counted in self._spent:
            used -= counted
            if used + tokens <= limit:
                return self._left(spent, now)
        raise AssertionError("a request within the limit fits when nothing else counts")

    @staticmethod
    def _left(begun: float, now: float) -> int:
        return max(1, math.ceil(begun + MINUTE - now))

    def _headers(self, limits: Limits, now: float) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(limits.requests),
            "x-ratelimit-limit-tokens": str(limits.tokens),
            "x-ratelimit-remaining-requests": str(max(0, limits.requests - len(self._requests))),
            "x-ratelimit-remaining-tokens": str(max(0, limits.tokens - self._tokens)),
            "x-ratelimit-reset-requests": str(self._left(self._requests[0], now) if self._requests else 0),
            "x-ratelimit-reset-tokens": str(self._left(self._spent[0][0], now) if self._spent else 0),
        }
