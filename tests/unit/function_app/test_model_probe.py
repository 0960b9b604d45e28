"""The model probe: its causes, and how often it sends a request."""

import json
import threading
from collections.abc import Mapping

import pytest
from assistants.identity import TokenError
from assistants.model_probe import Cause, ModelAnswer, ModelProbe, parse
from assistants.settings import ModelConnection, load

CONNECTION = ModelConnection("https://account.example/", "chat")


class Model:
    """Answers each request with `status` and `headers`, or raises `error`."""

    def __init__(self, status: int = 200, error: OSError | None = None) -> None:
        self.status = status
        self.error = error
        self.bodies: list[dict[str, object]] = []
        self.tokens: list[str] = []
        self.time = 0.0

    def send(self, _connection: ModelConnection, token: str, body: bytes) -> tuple[int, Mapping[str, str]]:
        self.tokens.append(token)
        self.bodies.append(json.loads(body))
        if self.error:
            raise self.error
        return self.status, {"retry-after": "7"}

    def probe(self, *, is_reasoning: bool = False) -> ModelProbe:
        return ModelProbe(
            CONNECTION, is_reasoning, lambda scope: f"for {scope}", self.send, lambda: self.time
        )


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (200, Cause.AVAILABLE),
        (400, Cause.AVAILABLE),
        (401, Cause.NO_ROLE),
        (403, Cause.DENIED),
        (404, Cause.NO_DEPLOYMENT),
        (408, Cause.NO_ANSWER),
        (500, Cause.NO_ANSWER),
        (503, Cause.NO_ANSWER),
    ],
)
def test_the_status_determines_the_cause(status: int, cause: Cause) -> None:
    assert Model(status).probe().probe() == ModelAnswer(cause)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", None), ("Wed, 30 Nov 2026 17:00:00 GMT", None), ("²", None)]
)
def test_a_rate_limit_comes_with_the_models_own_wait(header: str, seconds: int | None) -> None:
    assert parse(429, {"retry-after": header}) == ModelAnswer(Cause.RATE_LIMIT, seconds)


def test_no_answer_and_no_token_have_their_own_causes() -> None:
    assert Model(error=TimeoutError()).probe().probe() == ModelAnswer(Cause.NO_ANSWER)

    def refuse(_scope: str) -> str:
        raise TokenError("No token: 400", passes=False)

    probe = Model().probe()
    probe.get_token = refuse
    assert probe.probe() == ModelAnswer(Cause.NO_IDENTITY)


def test_the_smallest_request_is_sent_with_the_models_token() -> None:
    model = Model()
    model.probe().probe()
    model.probe(is_reasoning=True).probe()
    assert [set(body) for body in model.bodies] == [
        {"messages", "max_tokens"},
        {"messages", "max_completion_tokens"},
    ]
    assert set(model.tokens) == {"for https://cognitiveservices.azure.com/.default"}


def test_one_answer_serves_ten_seconds() -> None:
    model = Model(401)
    probe = model.probe()
    for model.time in (0.0, 9.9, 10.0, 19.0):
        assert probe.probe() == ModelAnswer(Cause.NO_ROLE)
    assert len(model.bodies) == 2


def test_no_second_probe_is_sent_during_the_first() -> None:
    model, probe = Model(), Model().probe()
    request_sent, may_answer = threading.Event(), threading.Event()

    def send(_connection: ModelConnection, _token: str, body: bytes) -> tuple[int, Mapping[str, str]]:
        model.bodies.append(json.loads(body))
        request_sent.set()
        may_answer.wait(30)
        return 200, {}

    probe.send = send
    thread = threading.Thread(target=probe.probe)
    thread.start()
    assert request_sent.wait(30)
    assert probe.probe() is None
    may_answer.set()
    thread.join(30)
    assert len(model.bodies) == 1


def test_an_app_without_an_identity_sends_no_probe() -> None:
    connection = load({"AzureOpenAI__endpoint": "https://account.example"}).model_connection
    model = Model()
    assert ModelProbe(connection, True, lambda _scope: "token", model.send).probe() is None
    assert model.bodies == []
