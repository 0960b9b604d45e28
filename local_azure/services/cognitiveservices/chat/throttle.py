"""The rate limits of one deployment (Docs: Manage Azure OpenAI quota, "Understanding rate limits").

A request counts with the most that it may use: the tokens of its prompt and its `max_tokens`. Without
`max_tokens` Azure reserves the whole context until the real count is known, and rejects nothing for that
alone (Microsoft Q&A 1381398); here the answer's tokens count once it is complete. The windows of one and ten
seconds in which Azure spreads requests do not exist here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from local_azure.services.cognitiveservices.chat.errors import gateway_error

_MINUTE = 60.0
_NEVER_FITS = 86_400
"""Seconds that Azure names for a request that is larger than the limit itself (users quote it in issues)."""


@dataclass(frozen=True)
class Limits:
    """Per minute."""

    tokens: int
    requests: int


class RateLimiter:
    """Counts what was used in a minute, which begins with the first request after the one before."""

    def __init__(self) -> None:
        self._end = 0.0
        self._requests = 0
        self._tokens = 0

    def admit(self, tokens: int, limits: Limits, api_version: str) -> Mapping[str, str]:
        """Counts the request and returns what remains, as headers. Raises RequestError (429), uncounted."""
        now = monotonic()
        if now >= self._end:
            self._end, self._requests, self._tokens = now + _MINUTE, 0, 0
        exceeded = None
        if self._tokens + tokens > limits.tokens:
            exceeded = "token"
        elif self._requests >= limits.requests:
            exceeded = "call"
        else:
            self._requests += 1
            self._tokens += tokens
        remaining = {
            "x-ratelimit-remaining-requests": str(limits.requests - self._requests),
            "x-ratelimit-remaining-tokens": str(max(0, limits.tokens - self._tokens)),
        }
        if exceeded is None:
            return remaining
        seconds = _NEVER_FITS if tokens > limits.tokens else math.ceil(self._end - now)
        raise gateway_error(
            429,
            "429",
            f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {api_version} "
            f"have exceeded {exceeded} rate limit of your current OpenAI S0 pricing tier. Please retry after "
            f"{seconds} second{'' if seconds == 1 else 's'}. Please go here: "
            "https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit.",
            {"Retry-After": str(seconds), "retry-after-ms": str(seconds * 1000), **remaining},
        )

    def spend(self, tokens: int) -> None:
        """Counts the tokens of an answer to a request without `max_tokens`."""
        self._tokens += tokens
