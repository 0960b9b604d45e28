"""The One Deploy protocol against a scripted Azure, with a clock that advances only by sleeping."""

import io
import json
from collections.abc import Callable, Mapping, Sequence

import pytest
from requests import Session
from requests.exceptions import SSLError

from delivery.publish import AFTERWARDS, DeploymentError, Publisher, Site
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
ACCEPTED = Reply(202, json.dumps("d1"))
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
            say=self.lines.append,
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


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(403, "forbidden"), "role assignment has not taken effect"),
        (Reply(404), "does not exist yet"),
        (Reply(409, "conflict"), "another deployment"),
        (Reply(400, '{"Code":"BlobUploadFailedException"}'), "container"),
        (Reply(400, '{"Code":"InaccessibleStorageException"}'), "container"),
        *((Reply(status), "has an error") for status in (500, 502, 503)),
        (Reply(429), "is rate limiting"),
        (Reply(408), "timed out"),
        (Reply(0), "cannot be reached"),
    ],
    ids=str,
)
def test_a_transient_answer_to_the_push_is_retried_with_the_whole_package(
    bench: Bench, azure: Azure, reply: Reply, reason: str
) -> None:
    azure.answers(PUBLISH, reply, reply, ACCEPTED)
    bench.publish()
    assert [push.body for push in azure.requests(PUBLISH)] == [PACKAGE] * 3
    assert bench.sleeps == [1.0, 2.0]
    assert any(reason in line for line in bench.lines)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        *(
            ({PUBLISH: Reply(status, "The zip is broken")}, f"refused the package: HTTP {status}: The zip is")
            for status in (302, 400, 401, 405, 413, 415)
        ),
        *(
            ({PUBLISH: Reply(202, body)}, "sent no deployment id")
            for body in ("", "null", "[]", "not json", '""')
        ),
        ({PUBLISH: SSLError("self-signed")}, "certificate is not trusted (self-signed)"),
        ({APP_SETTINGS: Reply(401)}, "It requires Microsoft.Web/sites/config/list/action"),
    ],
)
def test_any_other_refusal_ends_at_once_with_nothing_pushed(
    bench: Bench, azure: Azure, script: Mapping[str, Reply | Exception], message: str
) -> None:
    for route, reply in script.items():
        azure.answers(route, reply)
    failure = bench.failure()
    assert message in failure
    assert AFTERWARDS not in failure
    assert bench.sleeps == []


WRONG = ["The app setting CHAT_MODEL_TEMPERATURE is '0,5': it must be a number.", "EXPOSE is 'yes'."]


def unhealthy(package_hash: str, problems: object = WRONG) -> Reply:
    return Reply(500, {"status": 500, "detail": "wrong", "package": package_hash, "problems": problems})


NO_TABLE_ROLE = Reply(503, {"detail": "The identity has no role for the tables, or it has not arrived yet."})
NO_PROBLEMS: tuple[object, ...] = (None, "text", {}, [])
FORGOTTEN = [Reply(200, {"status": 2}), Reply(404)]


@pytest.mark.parametrize(
    ("script", "minutes", "texts"),
    [
        ({APP_SETTINGS: [Reply(403, "no role")]}, 12, ["app settings of", "cannot be listed: HTTP 403: no"]),
        ({PUBLISH: [Reply(403, "AuthorizationFailed")]}, 12, ["AuthorizationFailed"]),
        ({PUBLISH: [Reply(0)]}, 12, ["cannot be reached"]),
        ({DEPLOYMENT: [Reply(404)]}, 12, ["deployment d1: HTTP 404"]),
        ({DEPLOYMENT: [Reply(200, {"status": 5})]}, 12, ["d1 conflicted with another one"]),
        ({KEYED: [Reply(500)]}, 12, ["blob role or identity", "AzureWebJobsStorage__clientId"]),
        ({ASSISTANTS: [NO_TABLE_ROLE]}, 12, ["table role or identity: The identity has no role"]),
        ({HEALTH: [OLD]}, 5, ["does not respond", '"package": "old"', HASH, "reports: no error"]),
        ({DEPLOYMENT: FORGOTTEN, HEALTH: [OLD]}, 5, ["does not respond"]),
        ({FUNCTIONS: [Reply(403, "no")]}, 5, ["its functions cannot be listed: HTTP 403: no"]),
        *(({HEALTH: [unhealthy(HASH, problems)]}, 5, ["does not respond"]) for problems in NO_PROBLEMS),
    ],
)
def test_each_step_ends_at_its_deadline_with_the_last_answer(
    bench: Bench, azure: Azure, script: Mapping[str, Sequence[Reply]], minutes: int, texts: Sequence[str]
) -> None:
    for route, replies in script.items():
        azure.answers(route, *replies)
    failure = bench.failure()
    assert f"Deadline of {minutes} minutes" in failure
    assert all(text in failure for text in texts)
    assert (AFTERWARDS in failure) is any(route not in (APP_SETTINGS, PUBLISH) for route in script)
    assert "h0st-key" not in failure + "".join(bench.lines)
    assert minutes * 60 - 60 < bench.time <= minutes * 60 + 10
    assert max(bench.sleeps) <= 30


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:20 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 20.0),
        ({"Retry-After": "Mon, 23 Nov 2026 08:00:00 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 1.0),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:20 GMT"}, 1.0),
    ],
)
def test_retry_after_is_honored(bench: Bench, azure: Azure, headers: dict[str, str], seconds: float) -> None:
    azure.answers(APP_SETTINGS, Reply(429, "", headers), Reply(200, {}))
    azure.answers(PUBLISH, Reply(503, "", headers), ACCEPTED)
    azure.answers(DEPLOYMENT, Reply(202, {"status": 1}, headers), Reply(200, {"status": 4}))
    bench.publish()
    assert bench.sleeps == [seconds] * 3


def test_a_retry_after_beyond_the_deadline_ends_at_once(bench: Bench, azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(503, "maintenance", {"Retry-After": "3600"}))
    assert "maintenance" in bench.failure()
    assert bench.sleeps == []


def test_polls_once_a_second_until_the_deployment_succeeds(bench: Bench, azure: Azure) -> None:
    statuses = [Reply(404), *(Reply(202, {"status": status}) for status in (0, 1, 2, 99))]
    unusable = [Reply(0), Reply(503), Reply(200, "<html>"), Reply(200, {"status": "4"}), Reply(201)]
    azure.answers(DEPLOYMENT, *statuses, *unusable, Reply(200, {"status": 4}))
    bench.publish()
    assert bench.sleeps == [1.0] * 10
    lines = "\n".join(bench.lines)
    for state in ("pending", "building", "deploying", "in status 99"):
        assert f"d1 is {state}" in lines


NOTICE = "numpy 2.1.0 is compiled for Python 3.12"


@pytest.mark.parametrize(
    ("notices", "line"),
    [
        ([NOTICE, NOTICE, NOTICE], f"Deployment d1 is deploying. {NOTICE}"),
        ([NOTICE], f"Deployment d1: {NOTICE}"),
    ],
)
def test_a_notice_of_the_deployment_site_is_printed_once(
    bench: Bench, azure: Azure, notices: Sequence[str], line: str
) -> None:
    *first, last = notices
    azure.answers(
        DEPLOYMENT,
        *(Reply(202, {"status": 2, "status_text": notice}) for notice in first),
        Reply(200, {"status": 4, "status_text": last}),
    )
    bench.publish()
    assert [line for line in bench.lines if NOTICE in line] == [line]


@pytest.mark.parametrize(
    ("reply", "log", "message"),
    [
        (
            Reply(200, {"status": 3, "status_text": "Zip extraction failed", "message": None}),
            Reply(200, [{"message": "Uploading"}, {"message": "No module named 'x'"}, {}]),
            "d1 failed. Zip extraction failed\nUploading\nNo module named 'x'",
        ),
        (Reply(200, {"status": 3, "message": "m"}), Reply(404), "d1 failed. m"),
        (Reply(200, {"status": 3}), Reply(200, {}), "d1 failed. It reported no reason"),
        (Reply(200, {"status": -1}), Reply(404), "d1 was cancelled. It reported no reason"),
        (Reply(400, "no such id"), Reply(404), "d1 cannot be tracked: HTTP 400: no such id"),
        (Reply(401), Reply(404), "d1 cannot be tracked: HTTP 401"),
    ],
)
def test_a_failed_deployment_gives_the_reasons_of_the_site(
    bench: Bench, azure: Azure, reply: Reply, log: Reply, message: str
) -> None:
    azure.answers(DEPLOYMENT, reply)
    azure.answers(LOG, log)
    failure = bench.failure()
    assert message in failure
    assert failure.endswith(f"\n{AFTERWARDS}")
    assert azure.requests(HEALTH) == []


def test_a_sign_in_that_fails_after_the_push_names_the_effect_on_the_site(azure: Azure) -> None:
    tokens = iter(["tok3n"] * 2)  # for the app settings and the push

    def token() -> str:
        for value in tokens:
            return value
        raise SignInError("no token")

    bench = Bench(azure, token=token)
    failure = bench.failure()
    assert "no token" in failure
    assert AFTERWARDS in failure
    with pytest.raises(SignInError):
        bench.publish()  # nothing was pushed


def test_a_deployment_that_conflicts_with_another_one_is_pushed_again(bench: Bench, azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 5}), Reply(200, {"status": 4}))
    bench.publish()
    assert [push.body for push in azure.requests(PUBLISH)] == [PACKAGE] * 2
    assert bench.sleeps == [5.0]


@pytest.mark.parametrize("last", [Reply(200, {"status": 6}), Reply(404)], ids=["partial", "forgotten"])
def test_the_site_decides_if_the_deployment_does_not(bench: Bench, azure: Azure, last: Reply) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 2}), last)
    bench.publish()
    assert any("checking the site" in line for line in bench.lines)


def test_waits_until_the_new_code_responds_and_its_functions_are_listed(bench: Bench, azure: Azure) -> None:
    azure.answers(HEALTH, Reply(503), OLD, NEW)
    listing = Reply(200, {"value": [{"name": "app/CreateAssistant"}]})
    azure.answers(FUNCTIONS, *[Reply(200, {"value": []})] * 3, Reply(404), listing)
    bench.publish()
    assert len(azure.requests(FUNCTIONS)) == 5
    assert "its functions are not listed yet" in "\n".join(bench.lines)
    assert bench.sleeps == [1.0, 2.0, 4.0, 5.0]


MISSING = "ModuleNotFoundError: No module named 'missing'"
REFUSED = "The 'CreateAssistant' function is in error: the binding type 'assistantCreate' is not registered."


@pytest.mark.parametrize(
    ("health", "host_errors", "errors"),
    [
        (Reply(503), [MISSING], [MISSING]),
        (NEW, [REFUSED], [REFUSED]),
        (unhealthy(HASH), [], WRONG),
        (unhealthy(HASH), [MISSING], [*WRONG, MISSING]),
    ],
)
def test_errors_that_stay_for_half_a_minute_fail_the_deployment(
    bench: Bench, azure: Azure, health: Reply, host_errors: list[str], errors: Sequence[str]
) -> None:
    azure.answers(HEALTH, health)
    azure.answers(HOST_STATUS, Reply(200, {"state": "Running", "errors": host_errors}))
    failure = bench.failure()
    assert "cannot run it:\n" + "\n".join(errors) in failure
    assert ("--restore-app-settings" in failure) is (errors != host_errors)
    assert 30 <= bench.time <= 60
    assert "not listed" not in "".join(bench.lines)


def test_an_error_that_goes_away_does_not_fail_the_deployment(bench: Bench, azure: Azure) -> None:
    azure.answers(HEALTH, *[unhealthy("old")] * 12, NEW)
    starting = [Reply(200, {"errors": ["starting"]})] * 5
    azure.answers(HOST_STATUS, *starting, Reply(200, {}), *starting, Reply(200, {}))
    bench.publish()
    assert bench.time > 30


def test_a_blob_role_that_takes_effect_after_five_minutes_only_delays_the_deployment(
    bench: Bench, azure: Azure
) -> None:
    azure.computes(KEYED, lambda: Reply(500 if bench.time < 300 else 401))
    # The other deadline starts again after the role.
    azure.computes(FUNCTIONS, lambda: Reply(200, {"value": [{"name": "a"}] if bench.time > 540 else []}))
    azure.answers(HOST_STATUS, Reply(500))
    bench.publish()
    assert 540 < bench.time < 560
    assert any("blob role or identity" in line for line in bench.lines)
    assert azure.requests(KEYED)[0].headers["x-functions-key"]


def test_a_table_role_that_takes_effect_after_five_minutes_only_delays_the_deployment(
    bench: Bench, azure: Azure
) -> None:
    azure.computes(ASSISTANTS, lambda: NO_TABLE_ROLE if bench.time < 300 else Reply(200, {}))
    bench.publish()
    assert 300 <= bench.time < 310
    assert any("has not arrived yet" in line for line in bench.lines)
    request = azure.requests(ASSISTANTS)[0]
    assert (request.headers["x-functions-key"], request.query) == ("h0st-key", {"limit": "1"})


@pytest.mark.parametrize("reply", [Reply(403, "AuthorizationFailed"), Reply(200, {"functionKeys": None})])
def test_a_deployer_who_may_not_list_keys_deploys_without_the_check_of_the_tables(
    bench: Bench, azure: Azure, reply: Reply
) -> None:
    azure.answers(HOST_KEYS, reply)
    bench.publish()
    assert any("tables are not checked" in line for line in bench.lines)
    assert azure.requests(ASSISTANTS) == []


@pytest.mark.parametrize("reply", [Reply(503, "busy"), Reply(499, {"detail": "x"})])
def test_an_answer_of_the_app_that_names_no_missing_role_passes(
    bench: Bench, azure: Azure, reply: Reply
) -> None:
    azure.answers(ASSISTANTS, reply)
    bench.publish()
    assert bench.sleeps == []


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AzureOpenAI__Key", "openai_api_key"])
def test_a_site_with_a_setting_that_replaces_the_identity_gets_no_code(
    bench: Bench, azure: Azure, name: str
) -> None:
    settings = Reply(200, {"properties": {name: "s3cret", "HTTP_AUTH_LEVEL": "function"}})
    azure.answers(APP_SETTINGS, Reply(403), settings)
    failure = bench.failure()
    command = "az functionapp config appsettings delete --resource-group g --name app --setting-names"
    assert f"{command} {name}" in failure
    assert "s3cret" not in failure
    assert azure.requests(PUBLISH) == []


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


@pytest.mark.parametrize("status", [0, 401, 403, 500])
def test_an_error_of_arm_does_not_mean_that_the_site_is_gone(bench: Bench, azure: Azure, status: int) -> None:
    azure.answers(SITE, Reply(status, "reason"))
    with pytest.raises(DeploymentError, match="does not report whether"):
        bench.publisher.running()
