"""The One Deploy protocol against a scripted Azure, with a clock that advances only by sleeping."""

import io
import json
from collections.abc import Callable, Mapping

import pytest
from requests import Session
from requests.exceptions import SSLError

from delivery.package import PACKAGE_VARIABLE
from delivery.publish import ACCEPTED, MISSING, DeploymentError, Publisher, Site
from delivery.retry import Clock
from delivery.signin import SignInError
from tests.fake_azure import (
    APP_SETTINGS,
    ASSISTANTS,
    DEPLOYMENT,
    FUNCTIONS,
    HEALTH,
    HOST_KEYS,
    HOST_STATUS,
    KEYED,
    LOG,
    PUBLISH,
    SITE,
    SITE_ID,
    Azure,
    Reply,
)

HASH = "ab" * 32
PACKAGE = b"zip bytes " * 1000
PUSHED = Reply(202, json.dumps("d1"))
OLD = Reply(200, {"status": "ok", "package": "old"})
NEW = Reply(200, {"package": HASH})


class Bench:
    """A publisher of the scripted site, with the lines that it prints and the time that it waits."""

    def __init__(self, azure: Azure, *, token: Callable[[], str] = lambda: "tok3n") -> None:
        azure.runs(HASH, "CreateAssistant", "Health")
        self.azure, self.time, self.sleeps, self.lines = azure, 0.0, list[float](), list[str]()
        self.publisher = Publisher(
            Site(SITE_ID, azure.host, azure.host),
            f"https://{azure.host}",
            token=token,
            session=Session(),
            print_line=self.lines.append,
            clock=Clock(lambda: self.time, self.sleep),
        )

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def publish(self) -> None:
        self.publisher.publish(io.BytesIO(PACKAGE), HASH)

    def failure(self) -> str:
        with pytest.raises(DeploymentError) as raised:
            self.publish()
        return str(raised.value)


@pytest.fixture
def bench(azure: Azure) -> Bench:
    return Bench(azure)


def test_pushes_the_package_and_returns_when_the_site_reports_its_hash(bench: Bench, azure: Azure) -> None:
    bench.publish()
    (push,) = azure.requests(PUBLISH)
    assert push.body == PACKAGE
    assert push.query == {"RemoteBuild": "false", "Deployer": "pulumi"}
    assert push.headers["Content-Type"] == "application/zip"
    assert push.headers["Content-Length"] == str(len(PACKAGE))
    assert bench.lines[-1] == f"https://{azure.host} runs package {HASH[:12]}."
    assert bench.sleeps == []


def test_the_token_is_sent_only_to_arm_and_the_deployment_site(bench: Bench, azure: Azure) -> None:
    bench.publish()
    for request in azure.received:
        signed = "sites/app" in request.route or request.route in (PUBLISH, DEPLOYMENT)
        assert request.headers.get("Authorization") == ("Bearer tok3n" if signed else None), request.route
    assert azure.requests(FUNCTIONS)[0].query == {"api-version": "2024-04-01"}


def test_only_the_push_may_take_minutes(bench: Bench, azure: Azure) -> None:
    bench.publish()
    assert {request.route for request in azure.received if request.timeout == (10, 300)} == {PUBLISH}
    assert {request.timeout for request in azure.received} == {(10, 300), (10, 60)}


Script = Mapping[str, Reply | Exception | list[Reply]]


def play(azure: Azure, script: Script) -> None:
    for route, replies in script.items():
        azure.answers(route, *(replies if isinstance(replies, list) else [replies]))


def statuses(*values: object) -> list[Reply]:
    return [Reply(202, {"status": value}) for value in values]


@pytest.mark.parametrize(
    ("script", "sleeps", "line"),
    [
        *(
            ({PUBLISH: [reply, reply, PUSHED]}, [1.0, 2.0], reason)
            for reply, reason in (
                (Reply(403, "forbidden"), "role assignment has not taken effect"),
                (Reply(404), "does not exist yet"),
                (Reply(409, "conflict"), "another deployment"),
                (Reply(400, '{"Code":"BlobUploadFailedException"}'), "container"),
                (Reply(400, '{"Code":"InaccessibleStorageException"}'), "container"),
                *((Reply(status), "has an error") for status in (500, 502, 503)),
                (Reply(429), "is rate limiting"),
                (Reply(408), "timed out"),
                (Reply(0), "cannot be reached"),
            )
        ),
        ({DEPLOYMENT: statuses(5, 4)}, [5.0], "Pushing the package"),
        ({DEPLOYMENT: statuses(2, 6)}, [1.0], "d1 succeeded in part: checking the site"),
        ({DEPLOYMENT: [*statuses(2), Reply(404)]}, [1.0], "d1 is no longer known: checking the site"),
        *(
            ({DEPLOYMENT: statuses(status, 4)}, [1.0], f"d1 is {state}")
            for status, state in ((0, "pending"), (1, "building"), (2, "deploying"), (99, "in status 99"))
        ),
        *(
            ({DEPLOYMENT: [reply, *statuses(4)]}, [1.0], "runs package")
            for reply in (
                Reply(404),
                Reply(0),
                Reply(503, {"status": 4}),
                Reply(200, "<html>"),
                *statuses("4", None),
            )
        ),
        ({HEALTH: [Reply(503), OLD, NEW]}, [1.0, 2.0], '"package": "old"'),
        (
            {FUNCTIONS: [*[Reply(200, {"value": []})] * 3, Reply(404), Reply(200, {"value": ["f"]})]},
            [1.0, 2.0, 4.0, 5.0],
            "its functions are not listed yet",
        ),
        ({HOST_KEYS: Reply(403, "AuthorizationFailed")}, [], "tables are not checked"),
        ({HOST_KEYS: Reply(200, {"functionKeys": None})}, [], "tables are not checked"),
        ({ASSISTANTS: Reply(503, "busy")}, [], "runs package"),
        ({ASSISTANTS: Reply(499, {"detail": "x"})}, [], "runs package"),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    bench: Bench, azure: Azure, script: Script, sleeps: list[float], line: str
) -> None:
    play(azure, script)
    bench.publish()
    assert bench.sleeps == sleeps
    assert line in "\n".join(bench.lines)
    assert {push.body for push in azure.requests(PUBLISH)} == {PACKAGE}
    assert bool(azure.requests(ASSISTANTS)) is (HOST_KEYS not in script)


@pytest.mark.parametrize(("retry_after", "seconds"), [("17", 17.0), ("0", 1.0), ("soon", 1.0)])
def test_retry_after_is_honored(bench: Bench, azure: Azure, retry_after: str, seconds: float) -> None:
    headers = {"Retry-After": retry_after}
    azure.answers(APP_SETTINGS, Reply(429, "", headers), Reply(200, {}))
    azure.answers(PUBLISH, Reply(503, "", headers), PUSHED)
    azure.answers(DEPLOYMENT, Reply(202, {"status": 1}, headers), Reply(200, {"status": 4}))
    bench.publish()
    assert bench.sleeps == [seconds] * 3


NOTICE = "numpy 2.1.0 is compiled for Python 3.12"


@pytest.mark.parametrize(
    ("notices", "line"),
    [
        ([NOTICE, NOTICE, NOTICE], f"Deployment d1 is deploying. {NOTICE}"),
        ([NOTICE], f"Deployment d1: {NOTICE}"),
    ],
)
def test_a_notice_of_the_deployment_site_is_printed_once(
    bench: Bench, azure: Azure, notices: list[str], line: str
) -> None:
    *first, last = notices
    azure.answers(
        DEPLOYMENT,
        *(Reply(202, {"status": 2, "status_text": notice}) for notice in first),
        Reply(200, {"status": 4, "status_text": last}),
    )
    bench.publish()
    assert [line for line in bench.lines if NOTICE in line] == [line]


NO_MODULE = "ModuleNotFoundError: No module named 'missing'"
REFUSED = "The 'CreateAssistant' function is in error: the binding type 'assistantCreate' is not registered."
WRONG = ["The app setting CHAT_MODEL_TEMPERATURE is '0,5': it must be a number.", "EXPOSE is 'yes'."]
RESTORE = "\n".join(WRONG) + "\nIf app settings were changed by hand, restore"
NO_PROBLEMS: tuple[object, ...] = (None, "text", {}, [])
NO_TABLE_ROLE = Reply(503, {"detail": "The identity has no role for the tables, or it has not arrived yet."})
ELSEWHERE = {"Location": "https://login.test/"}
REMOVE = "az functionapp config appsettings delete --resource-group g --name app --setting-names"
NOW, HALF_A_MINUTE, TWO_MINUTES = range(1), range(30, 61), range(90, 121)
FIVE_MINUTES, TWELVE_MINUTES = range(290, 301), range(690, 721)


def unhealthy(package_hash: str, problems: object = WRONG) -> Reply:
    return Reply(500, {"status": 500, "detail": "wrong", "package": package_hash, "problems": problems})


def host_errors(*errors: str) -> Reply:
    return Reply(200, {"state": "Running", "errors": errors})


@pytest.mark.parametrize(
    ("script", "seconds", "message"),
    [
        *(
            (
                {PUBLISH: Reply(status, "no zip", ELSEWHERE)},
                NOW,
                f"refused the package: HTTP {status}: no zip",
            )
            for status in (302, 400, 401, 405, 413, 415)
        ),
        *(
            ({PUBLISH: Reply(202, body)}, NOW, "sent no deployment id: HTTP 202")
            for body in ("", "null", "[]", "not json", '""')
        ),
        *(
            ({APP_SETTINGS: Reply(200, {"properties": {name: "s3cret", "X": "x"}})}, NOW, f"{REMOVE} {name}")
            for name in ("OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AzureOpenAI__Key", "openai_api_key")
        ),
        ({PUBLISH: SSLError("self-signed")}, NOW, "certificate is not trusted (self-signed)"),
        ({PUBLISH: Reply(503, "maintenance", {"Retry-After": "3600"})}, NOW, "HTTP 503: maintenance"),
        ({APP_SETTINGS: Reply(401)}, NOW, "HTTP 401. It requires Microsoft.Web/sites/config/list/action"),
        (
            {
                DEPLOYMENT: Reply(
                    200, {"status": 3, "status_text": "Zip extraction failed", "message": None}
                ),
                LOG: Reply(200, [{"message": "Uploading"}, {"message": "No module named 'x'"}, {}]),
            },
            NOW,
            "d1 failed. Zip extraction failed\nUploading\nNo module named 'x'",
        ),
        ({DEPLOYMENT: Reply(200, {"status": 3, "message": "m"}), LOG: Reply(404)}, NOW, "d1 failed. m"),
        ({DEPLOYMENT: Reply(200, {"status": 3}), LOG: Reply(200, {})}, NOW, "failed. It reported no reason"),
        ({DEPLOYMENT: Reply(200, {"status": -1})}, NOW, "d1 was cancelled. It reported no reason"),
        ({DEPLOYMENT: Reply(400, "no such id")}, NOW, "d1 cannot be tracked: HTTP 400: no such id"),
        ({DEPLOYMENT: Reply(401)}, NOW, "d1 cannot be tracked: HTTP 401"),
        (
            {HEALTH: Reply(503), HOST_STATUS: host_errors(NO_MODULE)},
            HALF_A_MINUTE,
            f"cannot run it:\n{NO_MODULE}",
        ),
        ({HOST_STATUS: host_errors(REFUSED)}, HALF_A_MINUTE, f"cannot run it:\n{REFUSED}"),
        ({HEALTH: unhealthy(HASH)}, HALF_A_MINUTE, f"cannot run it:\n{RESTORE}"),
        (
            {APP_SETTINGS: Reply(403, "no role")},
            TWELVE_MINUTES,
            "does not list its app settings: HTTP 403: no role",
        ),
        (
            {APP_SETTINGS: Reply(404, "ResourceNotFound")},
            TWO_MINUTES,
            f"HTTP 404: ResourceNotFound\n{MISSING}",
        ),
        ({PUBLISH: Reply(400, "BlobUploadFailedException")}, TWELVE_MINUTES, f"Exception\n{MISSING}"),
        ({PUBLISH: Reply(403, "AuthorizationFailed")}, TWELVE_MINUTES, "AuthorizationFailed"),
        ({PUBLISH: Reply(0)}, TWELVE_MINUTES, "cannot be reached"),
        ({DEPLOYMENT: Reply(404)}, TWELVE_MINUTES, "deployment d1: HTTP 404"),
        ({DEPLOYMENT: statuses(5)}, TWELVE_MINUTES, "d1 conflicted with another one"),
        ({KEYED: Reply(500)}, TWELVE_MINUTES, "blob role or identity: the identity of the app setting"),
        ({ASSISTANTS: NO_TABLE_ROLE}, TWELVE_MINUTES, "table role or identity: The identity has no role"),
        ({HEALTH: OLD}, FIVE_MINUTES, f"Expected: package {HASH}. The Functions host reports: no error"),
        ({HEALTH: OLD}, FIVE_MINUTES, '"package": "old"'),
        ({FUNCTIONS: Reply(403, "no")}, FIVE_MINUTES, "its functions cannot be listed: HTTP 403: no"),
        *(({HEALTH: unhealthy(HASH, value)}, FIVE_MINUTES, "does not respond") for value in NO_PROBLEMS),
    ],
)
def test_a_deployment_that_cannot_succeed_ends_with_the_reason(
    bench: Bench, azure: Azure, script: Script, seconds: range, message: str
) -> None:
    play(azure, script)
    failure = bench.failure()
    assert message in failure
    assert int(bench.time) in seconds
    minutes = {TWELVE_MINUTES: "12 minutes", FIVE_MINUTES: "5 minutes"}.get(seconds, "")
    assert not minutes or f"Deadline of {minutes} exceeded" in failure
    accepted = f"{ACCEPTED} https://{azure.host}/api/health now answers "
    assert (accepted in failure) is bool(azure.requests(DEPLOYMENT))
    assert not (MISSING in failure and "To go back" in failure)
    assert max(bench.sleeps, default=0) <= 30
    assert not [secret for secret in ("tok3n", "h0st-key", "s3cret") if secret in failure + str(bench.lines)]


@pytest.mark.parametrize(
    ("script", "parts"),
    [
        ({HEALTH: OLD}, ["answers package old, not the new one.", "run `ASSISTANT_PUSH_AGAIN=1 pulumi up`"]),
        ({FUNCTIONS: Reply(403)}, [f"answers package {HASH}, the new one.", "To go back"]),
        ({HEALTH: Reply(503, "starting")}, ["now answers HTTP 503: starting.", "To go back"]),
        (
            {KEYED: Reply(500)},
            [
                f"answers package {HASH}",
                "`python -m ops drift --stack STACK` lists it",
                "`pulumi up --refresh`",
            ],
        ),
    ],
)
def test_a_failed_push_names_the_package_that_answers_and_the_next_command(
    bench: Bench, azure: Azure, script: Script, parts: list[str]
) -> None:
    play(azure, script)
    failure = bench.failure()
    assert [part for part in parts if part not in failure] == []


def test_a_failed_push_of_a_release_leaves_the_way_back_to_ops(
    bench: Bench, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PACKAGE_VARIABLE, "x.zip")
    azure.answers(HEALTH, OLD)
    assert bench.failure().endswith("answers package old, not the new one.")


def test_a_sign_in_that_fails_after_the_push_names_the_effect_on_the_site(azure: Azure) -> None:
    tokens = iter(["tok3n"] * 2)  # for the app settings and the push

    def token() -> str:
        for value in tokens:
            return value
        raise SignInError("no token")

    bench = Bench(azure, token=token)
    failure = bench.failure()
    assert "no token" in failure
    assert ACCEPTED in failure
    with pytest.raises(SignInError):
        bench.publish()  # nothing was pushed


def test_an_error_that_goes_away_does_not_fail_the_deployment(bench: Bench, azure: Azure) -> None:
    azure.answers(HEALTH, *[unhealthy("old")] * 12, NEW)
    starting = [Reply(200, {"errors": ["starting"]})] * 5
    azure.answers(HOST_STATUS, *starting, Reply(200, {}), *starting, Reply(200, {}))
    bench.publish()
    assert bench.time > 30


def test_a_role_that_takes_effect_after_five_minutes_only_delays_the_deployment(
    bench: Bench, azure: Azure
) -> None:
    azure.computes(KEYED, lambda: Reply(500 if bench.time < 150 else 401))
    azure.computes(ASSISTANTS, lambda: NO_TABLE_ROLE if bench.time < 300 else Reply(200, {}))
    # The other deadline starts again after the roles.
    azure.computes(FUNCTIONS, lambda: Reply(200, {"value": [{"name": "a"}] if bench.time > 540 else []}))
    azure.answers(HOST_STATUS, Reply(500))
    bench.publish()
    assert 540 < bench.time < 560
    lines = "\n".join(bench.lines)
    assert "blob role or identity" in lines
    assert "has not arrived yet" in lines
    assert azure.requests(KEYED)[0].headers["x-functions-key"]
    request = azure.requests(ASSISTANTS)[0]
    assert (request.headers["x-functions-key"], request.query) == ("h0st-key", {"limit": "1"})


def test_progress_is_printed_when_it_changes_and_twice_a_minute(bench: Bench, azure: Azure) -> None:
    azure.answers(HEALTH, OLD)
    bench.failure()
    assert 8 <= len([line for line in bench.lines if line.startswith("Waiting for the new code")]) <= 11


def test_a_failure_behind_a_proxy_names_the_proxy_without_its_credential(
    bench: Bench, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@proxy.test:9")
    azure.answers(PUBLISH, Reply(0))
    failure = bench.failure()
    assert "no response (through the proxy proxy.test:9 (HTTPS_PROXY" in failure
    assert "s3cret" not in "".join([failure, *bench.lines])


@pytest.mark.parametrize(
    ("health", "running", "sleeps"),
    [
        ([OLD], "old", []),
        ([Reply(404)], "", []),
        ([Reply(200, "<html>")], "", []),
        ([Reply(503), Reply(0), OLD], "old", [1.0, 5.0]),
        ([Reply(503)], "", [1.0, 5.0]),
    ],
)
def test_reports_the_running_package(
    bench: Bench, azure: Azure, health: list[Reply], running: str, sleeps: list[float]
) -> None:
    azure.answers(HEALTH, *health)
    assert bench.publisher.running() == running
    assert bench.sleeps == sleeps


def test_reports_that_the_site_is_gone(bench: Bench, azure: Azure) -> None:
    azure.answers(SITE, Reply(404, {"error": {"code": "ResourceNotFound"}}))
    assert bench.publisher.running() is None
    assert azure.requests(HEALTH) == []


@pytest.mark.parametrize("status", [0, 403])
def test_an_error_of_arm_does_not_mean_that_the_site_is_gone(bench: Bench, azure: Azure, status: int) -> None:
    azure.answers(SITE, Reply(status, "reason"))
    with pytest.raises(DeploymentError, match="does not report whether"):
        bench.publisher.running()
