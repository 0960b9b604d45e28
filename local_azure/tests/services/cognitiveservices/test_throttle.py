from dataclasses import dataclass

import pytest

from local_azure.services.cognitiveservices.chat import throttle
from local_azure.services.cognitiveservices.chat.errors import RequestError
from local_azure.services.cognitiveservices.chat.throttle import Limits, RateLimiter

LIMITS = Limits(tokens=100, requests=2)


@dataclass
class Clock:
    seconds: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttle, "monotonic", lambda: clock.seconds)
    return clock


def remaining(headers: dict[str, str]) -> tuple[str, str]:
    return headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-remaining-tokens"]


def test_requests_and_tokens_have_limits_until_the_minute_is_over(clock: Clock) -> None:
    limiter = RateLimiter()

    def admitted(tokens: int) -> tuple[str, str]:
        return remaining(dict(limiter.admit(tokens, LIMITS, "v")))

    def refused(tokens: int) -> tuple[str, str, str]:
        """The limit, Retry-After, and what remains of requests."""
        with pytest.raises(RequestError, match="exceeded") as caught:
            limiter.admit(tokens, LIMITS, "2024-10-21")
        response = caught.value.response
        assert "under Azure OpenAI API version 2024-10-21 have" in response.error["message"]
        assert response.headers["retry-after-ms"] == f"{response.headers['Retry-After']}000"
        limit = "token" if "exceeded token rate limit" in response.error["message"] else "call"
        return limit, response.headers["Retry-After"], remaining(dict(response.headers))[0]

    assert admitted(10) == ("1", "90")
    clock.seconds += 20.5
    assert refused(91) == ("token", "40", "1")
    assert refused(101) == ("token", "86400", "1")
    assert admitted(90) == ("0", "0")
    assert refused(0) == ("call", "40", "0")
    clock.seconds += 39.5
    assert admitted(100) == ("1", "0")


@pytest.mark.usefixtures("clock")
def test_tokens_of_an_answer_count_beside_the_request() -> None:
    limiter = RateLimiter()
    limiter.admit(10, LIMITS, "v")
    limiter.spend(300)
    with pytest.raises(RequestError, match="exceeded token") as caught:
        limiter.admit(10, LIMITS, "v")
    assert remaining(dict(caught.value.response.headers)) == ("1", "0")
