"""The rate limits of one deployment (Docs: Manage Azure OpenAI quota, "Understanding rate limits").

What a request may use at most counts when it comes in: the tokens of its prompt and its `max_tokens`. Azure
lets the minute begin anew for all; here it slides, so that a client waits for no longer than it must. The
one and ten second windows in which Azure spreads requests are not kept.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

MINUTE = 60.0
NEVER = 86_400
"""Seconds that Azure names for a request that is larger than the limit itself (microsoft issues quote it)."""


@dataclass(frozen=True)
class Limits:
    """Per minute."""

    tokens: int
    requests: int


@dataclass(frozen=True)
class Verdict:
    """`exceeded` says which limit refused the request, for `retry_after` seconds; None let it pass."""

    exceeded: Literal["token", "call"] | None
    retry_after: int
    headers: Mapping[str, str]


class Limiter:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, as time.monotonic."""
        self._clock = clock
        self._admitted: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def admit(self, tokens: int, limits: Limits) -> Verdict:
        """Counts the request when both limits have room for it, and nothing when they have not."""
        now = self._clock()
        while self._admitted and self._admitted[0][0] <= now - MINUTE:
            self._tokens -= self._admitted.popleft()[1]
        if tokens > limits.tokens:
            return Verdict("token", NEVER, self._headers(limits, now))
        if self._tokens + tokens > limits.tokens:
            return Verdict("token", self._until_free(tokens, limits.tokens, now), self._headers(limits, now))
        if len(self._admitted) >= limits.requests:
            surplus = len(self._admitted) - limits.requests
            return Verdict("call", self._left(self._admitted[surplus][0], now), self._headers(limits, now))
        self._admitted.append((now, tokens))
        self._tokens += tokens
        return Verdict(None, 0, self._headers(limits, now))

    def _until_free(self, tokens: int, limit: int, now: float) -> int:
        used = self._tokens
        for admitted, counted in self._admitted:
            used -= counted
            if used + tokens <= limit:
                return self._left(admitted, now)
        raise AssertionError("a request within the limit fits when nothing else counts")

    @staticmethod
    def _left(admitted: float, now: float) -> int:
        return max(1, math.ceil(admitted + MINUTE - now))

    def _headers(self, limits: Limits, now: float) -> dict[str, str]:
        reset = str(self._left(self._admitted[0][0], now) if self._admitted else 0)
        return {
            "x-ratelimit-limit-requests": str(limits.requests),
            "x-ratelimit-limit-tokens": str(limits.tokens),
            "x-ratelimit-remaining-requests": str(max(0, limits.requests - len(self._admitted))),
            "x-ratelimit-remaining-tokens": str(max(0, limits.tokens - self._tokens)),
            "x-ratelimit-reset-requests": reset,
            "x-ratelimit-reset-tokens": reset,
        }
