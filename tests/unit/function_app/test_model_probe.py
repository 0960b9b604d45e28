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
    """Answers each request with `status`, or raises `error`."""

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

    def probe(self, connection: ModelConnection = CONNECTION, *, is_reasoning: bool = False) -> ModelProbe:
        return ModelProbe(
            connection, is_reasoning, lambda scope: f"for {scope}", self.send, lambda: self.time
        )


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((status, Cause.AVAILABLE) for status in (200, 400, 499)),
        (401, Cause.NO_ROLE),
        (403, Cause.DENIED),
        (404, Cause.NO_DEPLOYMENT),
        *((status, Cause.NO_ANSWER) for status in (408, 500, 503)),
    ],
)
def test_the_status_of_the_model_determines_the_cause(status: int, cause: Cause) -> None:
    assert Model(status).probe().probe() == ModelAnswer(cause)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("", None), ("soon", None), ("1.5", None), ("\u0661", None)]
)
def test_a_rate_limit_comes_with_the_models_own_retry_after(header: str, seconds: int | None) -> None:
    assert parse(429, {"retry-after": header}) == ModelAnswer(Cause.RATE_LIMIT, seconds)
    assert parse(429, {}) == ModelAnswer(Cause.RATE_LIMIT)


def test_no_answer_and_no_token_have_their_own_causes() -> None:
    assert Model(error=TimeoutError()).probe().probe() == ModelAnswer(Cause.NO_ANSWER)

    def refuse(_scope: str) -> str:
        raise TokenError("No token: 400", passes=False)

    probe = Model().probe()
    probe.get_token = refuse
    assert probe.probe() == ModelAnswer(Cause.NO_IDENTITY)


@pytest.mark.parametrize(("is_reasoning", "limit"), [(False, "max_tokens"), (True, "max_completion_tokens")])
def test_the_smallest_request_is_sent_with_the_models_token(is_reasoning: bool, limit: str) -> None:
    model = Model()
    model.probe(is_reasoning=is_reasoning).probe()
    assert model.tokens == ["for https://cognitiveservices.azure.com/.default"]
    assert model.bodies == [
        {"messages": [{"role": "user", "content": "Hi"}], limit: 16 if is_reasoning else 1}
    ]


def test_one_answer_is_used_for_ten_seconds() -> None:
    model = Model(401)
    probe = model.probe()
    for model.time in (0.0, 9.9, 10.0, 19.0):
        assert probe.probe() == ModelAnswer(Cause.NO_ROLE)
    assert len(model.bodies) == 2


def test_no_second_probe_is_sent_during_the_first() -> None:
    probe = Model().probe()
    request_sent, may_answer = threading.Event(), threading.Event()

    def send(_connection: ModelConnection, _token: str, _body: bytes) -> tuple[int, Mapping[str, str]]:
        assert not request_sent.is_set()
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


def test_an_app_without_an_identity_sends_no_probe() -> None:
    model = Model()
    connection = load({"AzureOpenAI__endpoint": "https://account.example"}).model_connection
    assert (model.probe(connection).probe(), model.bodies) == (None, [])
