"""The app's credential: when it requests a token, and how it handles errors of the endpoint."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from assistants.identity import ManagedIdentity, TokenError
from assistants.settings import IdentityEndpoint

SCOPE = "https://storage.azure.com/.default"
Answer = tuple[int, bytes] | Exception


def token(name: str, seconds: int) -> tuple[int, bytes]:
    return 200, json.dumps({"access_token": name, "expires_on": str(int(time.time()) + seconds)}).encode()


class Endpoint:
    """A stand-in for the token endpoint: `answers` in turn, then the last one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers)
        self.resources: list[str] = []
        self.sleeps: list[float] = []
        self.before_answer: Callable[[], object] = lambda: None

        def get(_identity: ManagedIdentity, resource: str) -> tuple[int, bytes]:
            return self.answer(resource)

        monkeypatch.setattr(ManagedIdentity, "_get", get)
        self.identity = ManagedIdentity(IdentityEndpoint("http://endpoint", "secret"), self.sleeps.append)

    def answer(self, resource: str) -> tuple[int, bytes]:
        self.resources.append(resource)
        self.before_answer()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self) -> str:
        return self.identity.get_token(SCOPE).token


def test_a_token_is_requested_once_in_its_lifetime(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(monkeypatch, token("first", 3600))
    assert [endpoint.get() for _ in range(3)] == ["first"] * 3
    assert endpoint.resources == ["https://storage.azure.com/"]


def test_a_token_is_renewed_in_its_last_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(monkeypatch, token("first", 299), token("second", 301), token("third", 3600))
    assert [endpoint.get() for _ in range(3)] == ["first", "second", "second"]


@pytest.mark.parametrize("failure", [(500, b"no"), (400, b"no"), OSError("refused"), (200, b"[]")], ids=str)
def test_a_valid_token_is_kept_after_a_failed_renewal_which_is_retried_after_30_seconds(
    monkeypatch: pytest.MonkeyPatch, failure: Answer
) -> None:
    endpoint = Endpoint(monkeypatch, token("first", 299), failure)
    assert endpoint.get() == "first"
    assert endpoint.get() == "first"
    requests_before = len(endpoint.resources)
    assert endpoint.get() == "first"
    assert len(endpoint.resources) == requests_before

    later = time.time() + 30
    monkeypatch.setattr(time, "time", lambda: later)
    assert endpoint.get() == "first"
    assert len(endpoint.resources) > requests_before


@pytest.mark.parametrize(
    ("answer", "tries", "passes"),
    [
        ((400, b"No User Assigned or Delegated Managed Identity found"), 1, False),
        ((401, b"wrong header"), 1, False),
        ((429, b"slow"), 3, True),
        ((500, b"failure"), 3, True),
        (OSError("refused"), 3, True),
        (TimeoutError("timed out"), 3, True),
        ((200, b"<html>"), 1, True),
        ((200, b'{"access_token": "t"}'), 1, True),
    ],
    ids=str,
)
def test_an_error_states_whether_it_is_temporary(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, tries: int, passes: bool
) -> None:
    endpoint = Endpoint(monkeypatch, answer)
    with pytest.raises(TokenError, match="No token: ") as raised:
        endpoint.get()
    assert (len(endpoint.resources), raised.value.passes) == (tries, passes)
    assert endpoint.sleeps == [1, 2][: tries - 1]


def test_a_failure_is_remembered_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(monkeypatch, OSError("refused"))
    for _ in range(5):
        with pytest.raises(TokenError):
            endpoint.get()
    assert len(endpoint.resources) == 3

    later = time.time() + 3
    monkeypatch.setattr(time, "time", lambda: later)
    endpoint.answers = [token("first", 3600)]
    assert endpoint.get() == "first"


@pytest.mark.parametrize("answer", [token("first", 3600), OSError("refused")], ids=["token", "none"])
def test_one_request_renews_the_token_for_all_waiting_threads(
    monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    endpoint = Endpoint(monkeypatch, answer)
    may_answer = threading.Event()
    endpoint.before_answer = lambda: may_answer.wait(30)

    def get(_number: int) -> str:
        try:
            return endpoint.get()
        except TokenError as error:
            return str(error)

    with ThreadPoolExecutor(5) as executor:
        outcomes = executor.map(get, range(5))
        may_answer.set()
        assert len(set(outcomes)) == 1
    assert len(endpoint.resources) == (1 if isinstance(answer, tuple) else 3)
