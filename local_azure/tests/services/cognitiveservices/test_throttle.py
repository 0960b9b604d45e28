from dataclasses import dataclass

import pytest

from local_azure.services.cognitiveservices.chat import throttle
from local_azure.services.cognitiveservices.chat.throttle import NEVER_FITS, Limits, RateLimiter


@dataclass
class Clock:
    seconds: float = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(throttle, "monotonic", lambda: clock.seconds)
    return clock


def test_requests_above_the_minute_s_number_wait_until_the_first_is_a_minute_old(clock: Clock) -> None:
    limiter, limits = RateLimiter(), Limits(tokens=1000, requests=2)
    assert limiter.admit(1, limits).exceeded is None
    clock.seconds = 10
    assert limiter.admit(1, limits).exceeded is None
    clock.seconds = 20.5
    rejected = limiter.admit(1, limits)
    assert (rejected.exceeded, rejected.retry_after) == ("call", 40)
    clock.seconds += rejected.retry_after
    assert limiter.admit(1, limits).exceeded is None


def test_tokens_wait_until_enough_are_free_and_no_longer(clock: Clock) -> None:
    limiter, limits = RateLimiter(), Limits(tokens=100, requests=100)
    limiter.admit(30, limits)
    clock.seconds = 10
    limiter.admit(60, limits)
    clock.seconds = 15
    few, many = limiter.admit(40, limits), limiter.admit(80, limits)
    assert (few.exceeded, few.retry_after) == ("token", 45)
    assert (many.exceeded, many.retry_after) == ("token", 55)
    clock.seconds = 60
    assert limiter.admit(40, limits).exceeded is None


@pytest.mark.usefixtures("clock")
def test_a_rejected_request_does_not_count() -> None:
    limiter, limits = RateLimiter(), Limits(tokens=100, requests=6)
    assert limiter.admit(90, limits).headers == {
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-remaining-tokens": "10",
    }
    for _ in range(5):
        assert limiter.admit(50, limits).exceeded == "token"
    rejected = limiter.admit(101, limits)
    assert (rejected.exceeded, rejected.retry_after) == ("token", NEVER_FITS)
    assert limiter.admit(10, limits).exceeded is None


def test_tokens_of_an_answer_count_beside_the_request(clock: Clock) -> None:
    limiter, limits = RateLimiter(), Limits(tokens=100, requests=2)
    limiter.admit(10, limits)
    clock.seconds = 5
    limiter.spend(300)
    rejected = limiter.admit(10, limits)
    assert (rejected.exceeded, rejected.retry_after) == ("token", 60)
    assert rejected.headers["x-ratelimit-remaining-tokens"] == "0"
    assert rejected.headers["x-ratelimit-remaining-requests"] == "1"
