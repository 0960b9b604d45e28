"""The smoke test on an app that answers from a script, without a network."""

import json
from typing import Any, cast

import pytest
from requests import PreparedRequest, Response, Session, exceptions
from requests.adapters import BaseAdapter

from delivery.publish import KEY_CHECK_PATH
from delivery.retry import Clock
from ops.output import OpsError
from ops.release.smoke import SmokeError, SmokeTest, Target, target_of
from ops.state import SITE, STORAGE_ACCOUNT, resources
from tests.unit.ops.world import exported, resource

HASH = "0123456789abcdef" * 4
KEY = "s3cret-key"
Answer = tuple[int, object] | Exception
"""A status and a body: text, or JSON."""

OLD: Answer = (200, {"package": "f" * 64})
NEW: Answer = (200, {"package": HASH})
NO_CONNECTION = exceptions.ConnectionError("refused")


class App(BaseAdapter):
    """Answers by method, for health by the word `health`, from a script whose last answer stays.

    Without a script it answers as the real app does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.script: dict[str, list[Answer]] = {"health": [NEW], "POST": [(200, {"reply": "ready"})]}
        self.keys_readable = True
        self.requests: list[PreparedRequest] = []
        self.assistants: set[str] = set()
        self.seconds = 0.0

    def send(self, request: PreparedRequest, *_args: object, **_options: object) -> Response:
        self.requests.append(request)
        answer = self._answer(str(request.method), request.path_url)
        if isinstance(answer, Exception):
            raise answer
        response = Response()
        response.status_code, body = answer
        response._content = (body if isinstance(body, str) else json.dumps(body)).encode()  # pyright: ignore[reportPrivateUsage]
        return response

    def _answer(self, method: str, path: str) -> Answer:
        if path == KEY_CHECK_PATH:
            return (401 if self.keys_readable else 500, "")
        if answers := self.script.get("health" if path == "/api/health" else method):
            return answers.pop(0) if len(answers) > 1 else answers[0]
        assistant_id = path.removeprefix("/api/assistants/")
        if method == "PUT":
            self.assistants.add(assistant_id)
            return (202, {"assistantId": assistant_id})
        if method == "GET":
            return (
                200 if assistant_id in self.assistants else 404,
                {"assistantId": assistant_id, "messages": []},
            )
        self.assistants.discard(assistant_id)
        return (204, "")

    def close(self) -> None:
        pass

    def sent(self, method: str) -> list[PreparedRequest]:
        """The requests by method; those for health by the word `health`."""
        names = [
            "health" if request.path_url == "/api/health" else request.method for request in self.requests
        ]
        return [request for request, name in zip(self.requests, names, strict=True) if name == method]

    def test(self, *, post_message: bool = True) -> list[str]:
        def sleep(seconds: float) -> None:
            self.seconds += seconds

        session = Session()
        session.mount("https://", self)
        clock = Clock(lambda: self.seconds, sleep)
        test = SmokeTest("https://app.example", lambda: KEY, session, clock, post_message=post_message)
        return test.run(HASH)


@pytest.fixture
def app() -> App:
    return App()


def test_an_app_that_works_passes_and_keeps_no_assistant(app: App) -> None:
    lines = app.test()

    requests = [app.sent(method) for method in ("PUT", "POST", "GET", "DELETE")]
    ((put,), (post,), (get,), (delete,)) = requests
    assert put.path_url == get.path_url == delete.path_url
    assert post.path_url == f"{put.path_url}/messages"
    assert json.loads(cast(bytes, post.body)) == {"message": "Reply with the one word: ready"}
    for request in (put, post, get, delete):
        assert request.headers["x-functions-key"] == KEY
    assert all(request.headers["Connection"] == "close" for request in app.sent("health"))
    assert len(app.sent("health")) == 10, "five before and five after, since an old instance may still answer"
    assert lines == [
        f"https://app.example/api/health answers package {HASH[:12]}",
        f"PUT {put.path_url} answers 202",
        f"POST {post.path_url} answers 200 with a reply of the model",
        f"GET {put.path_url} answers 200 with the assistant",
        f"DELETE {put.path_url} answers 204",
    ]
    assert app.assistants == set()
    app.test()
    assert app.sent("PUT")[1].path_url != put.path_url, (
        "an assistant that stays does not disturb the next test"
    )


def test_the_message_can_be_omitted(app: App) -> None:
    lines = app.test(post_message=False)

    assert app.sent("POST") == []
    assert "no message was posted" in lines[2]


def test_a_package_that_starts_slowly_or_on_another_instance_is_waited_for(app: App) -> None:
    app.script["health"] = [NO_CONNECTION, (503, "starting"), OLD, NEW, NEW, OLD, *[NEW] * 5, NEW, OLD, NEW]

    app.test()

    assert len(app.sent("health")) == 3 + 3 + 5 + 2 + 5
    assert app.seconds == 1 + 2 + 4 + 8 + 1


@pytest.mark.parametrize(
    ("detail", "shortest", "longest"),
    [
        ("There is no deployment chat.", 75, 90),
        ("The app's identity has no role at the model.", 700, 720),
        ("The ROLE has not arrived.", 700, 720),
        ("The model's payroll is unknown.", 75, 90),
    ],
)
def test_a_missing_role_is_waited_for_longer(app: App, detail: str, shortest: float, longest: float) -> None:
    app.script["POST"] = [(503, {"title": "Service Unavailable", "detail": detail})]

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert shortest <= app.seconds <= longest
    assert f"answers 503 ({detail}), not 200 with a reply" in str(failed.value)
    assert app.assistants == set()


@pytest.mark.parametrize(
    ("method", "answer", "reason"),
    [
        ("health", OLD, f"https://app.example/api/health answers package {'f' * 64}, not package {HASH}"),
        ("health", (500, ""), "answers 500 with no body"),
        ("health", (200, "[]"), "answers package None"),
        ("health", NO_CONNECTION, "answers nothing (ConnectionError)"),
        ("PUT", (500, "not JSON"), "answers 500 (not JSON), not 202 with the assistant's id"),
        ("PUT", (401, ""), "answers 401 with no body"),
        ("PUT", (202, {"assistantId": "another"}), "answers 202"),
        ("PUT", (200, {"assistantId": "another"}), "answers 200"),
        ("PUT", (404, {"title": "x" * 1000}), "answers 404"),
        ("POST", (200, {"title": "no reply"}), "answers 200"),
        ("POST", (201, {"reply": "ready"}), "answers 201"),
        ("GET", (404, ""), "answers 404 with no body, not 200 with the assistant"),
        ("GET", (200, {"assistantId": "another"}), "answers 200"),
    ],
)
def test_an_app_that_does_not_work_fails_with_its_answer(
    app: App, method: str, answer: Answer, reason: str
) -> None:
    app.script[method] = [answer]

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert reason in str(failed.value)
    assert len(str(failed.value)) < 400
    assert KEY not in str(failed.value)
    assert bool(app.sent("PUT")) == (method != "health"), "only the package under test creates an assistant"


@pytest.mark.parametrize(
    ("readable", "body", "explained"), [(False, "", True), (True, "", False), (False, "x", False)]
)
def test_a_host_that_cannot_read_its_keys_is_explained(
    app: App, readable: bool, body: str, explained: bool
) -> None:
    app.script["PUT"] = [(500, body)]
    app.keys_readable = readable

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert ("blob role or identity" in str(failed.value)) == explained


@pytest.mark.parametrize(
    ("detail", "missing"),
    [
        ("Access to the tables is denied: the app's identity lacks the role Storage Table Data", True),
        ("The model account does not have the deployment that the app setting names", True),
        ("the function app must have the identity whose client ID is", True),
        ("The model's payroll is unknown.", False),
    ],
)
def test_what_is_missing_in_azure_fails_every_package(detail: str, missing: bool) -> None:
    assert SmokeError(f"POST answers 503 ({detail})").missing is missing


def test_a_certificate_that_is_not_trusted_does_not_fail_the_app(app: App) -> None:
    app.script["health"] = [exceptions.SSLError("self-signed")]

    with pytest.raises(OpsError, match=r"not trusted \(self-signed\).*REQUESTS_CA_BUNDLE"):
        app.test()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ((409, {"detail": "another request"}), "answers 409 (another request), so the assistant stays"),
        (exceptions.SSLError("self-signed"), "the assistant stays: https://app.example/api/assistants/"),
    ],
)
@pytest.mark.parametrize("works", [True, False])
def test_an_assistant_that_cannot_be_deleted_does_not_change_the_result(
    app: App, answer: Answer, line: str, works: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    app.script["DELETE"] = [answer]
    if works:
        assert line in app.test()[-1]
    else:
        app.script["POST"] = [(500, "")]
        with pytest.raises(SmokeError, match="answers 500"):
            app.test()

    assert line in capsys.readouterr().err


SITE_ID = "/subscriptions/s/resourceGroups/rg-1/providers/Microsoft.Web/sites/func-1"
SITE_STATE = resource("function-app", SITE, id=SITE_ID, outputs={"defaultHostName": "func-1.example"})
TABLE_URL = {"primaryEndpoints": {"table": "https://st1.table.core.windows.net/"}}
ACCOUNT_STATE = resource("storage-account", STORAGE_ACCOUNT, id="st1", outputs=TABLE_URL)


def test_the_state_names_the_app_and_its_table() -> None:
    assert target_of(resources(exported(SITE_STATE, ACCOUNT_STATE))) == Target(
        "rg-1", "func-1", "https://func-1.example", "https://st1.table.core.windows.net"
    )


@pytest.mark.parametrize(
    "states",
    [
        [],
        [SITE_STATE],
        [SITE_STATE, SITE_STATE, ACCOUNT_STATE],
        [{**SITE_STATE, "id": "func-1"}, ACCOUNT_STATE],
        [{**SITE_STATE, "outputs": None}, ACCOUNT_STATE],
        [SITE_STATE, {**ACCOUNT_STATE, "outputs": {"primaryEndpoints": None}}],
        [{**SITE_STATE, "delete": True}, ACCOUNT_STATE],
    ],
)
def test_an_incomplete_state_is_refused_with_the_command(states: list[dict[str, Any]]) -> None:
    with pytest.raises(OpsError, match=r"run `pulumi (up|refresh)`"):
        target_of(resources(exported(*states)))
