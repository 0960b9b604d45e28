"""The One Deploy protocol against a server that plays Azure; a clock that is set by hand takes no time."""

import io
import json
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from requests import Session

from delivery.publish import AFTERWARDS, DeploymentError, Publisher, Site
from delivery.publish import Clock as RealClock
from delivery.signin import SignInError
from local_azure.loopback import without_proxy
from tests.unit.delivery.loopback import (
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
    loopback,
)

HASH = "ab" * 32
PACKAGE = b"zip bytes " * 1000
ACCEPTED = Reply(202, json.dumps("d1"))


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.time, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Azure]:
    with loopback(tmp_path) as server:
        # Not Session.verify, which gives way to a bundle that the environment names.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        server.runs(HASH, "CreateAssistant", "Health")
        yield server


class Bench:
    """A publisher of the scripted site, with what it said and how long it slept."""

    def __init__(
        self, azure: Azure, *, scm_host: str | None = None, token: Callable[[], str] = lambda: "tok3n"
    ) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.publisher = Publisher(
            Site(SITE_ID, azure.host, scm_host or azure.host),
            f"https://{azure.host}",
            token=token,
            session=Session(),
            say=self.said.append,
            clock=RealClock(lambda: self.clock.time, self.clock.sleep),
        )

    def publish(self) -> None:
        self.publisher.publish(io.BytesIO(PACKAGE), HASH)

    def failure(self) -> str:
        with pytest.raises(DeploymentError) as raised:
            self.publish()
        return str(raised.value)


def test_pushes_the_package_with_a_token_and_returns_when_the_site_answers_its_hash(azure: Azure) -> None:
    bench = Bench(azure)
    bench.publish()
    (push,) = azure.requests(PUBLISH)
    assert push.body == PACKAGE
    assert push.query == {"RemoteBuild": "false", "Deployer": "pulumi"}
    assert push.headers["Content-Type"] == "application/zip"
    assert push.headers["Content-Length"] == str(len(PACKAGE))
    assert push.headers["Authorization"] == "Bearer tok3n"
    assert bench.clock.slept == []


def test_the_token_goes_to_arm_and_the_deployment_site_only(azure: Azure) -> None:
    azure.answers(HEALTH, Reply(503), Reply(200, {"package": HASH}))
    Bench(azure).publish()
    assert "Authorization" not in azure.requests(HEALTH)[0].headers
    for route in (DEPLOYMENT, FUNCTIONS, HOST_STATUS):
        assert azure.requests(route)[0].headers["Authorization"] == "Bearer tok3n"
    assert azure.requests(FUNCTIONS)[0].query.keys() == {"api-version"}


def test_the_token_is_never_shown(azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(403, "forbidden"), Reply(500), Reply(400, "no"))
    bench = Bench(azure)
    message = bench.failure()
    assert "tok3n" not in message
    assert not [line for line in bench.said if "tok3n" in line]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(403, "forbidden"), "role"),
        (Reply(404), "does not exist yet"),
        (Reply(409, "conflict"), "another deployment"),
        (Reply(400, '{"Code":"BlobUploadFailedException"}'), "container"),
        (Reply(400, '{"Code":"InaccessibleStorageException"}'), "container"),
        (Reply(500), "has an error"),
        (Reply(502), "has an error"),
        (Reply(503), "has an error"),
        (Reply(429), "is rate limiting"),
        (Reply(408), "timed out"),
        (Reply(0), "cannot be reached"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else f"{value.status}-{value.body}"[:40],
)
def test_an_answer_that_passes_by_itself_is_tried_again_with_the_whole_package(
    azure: Azure, reply: Reply, reason: str
) -> None:
    azure.answers(PUBLISH, reply, reply, ACCEPTED)
    bench = Bench(azure)
    bench.publish()
    assert [push.body for push in azure.requests(PUBLISH)] == [PACKAGE] * 3
    assert bench.clock.slept == [1.0, 2.0]
    assert any(reason in line for line in bench.said)


@pytest.mark.parametrize(
    "reply", [Reply(400, "bad zip"), Reply(401), Reply(405), Reply(413), Reply(302), Reply(415)]
)
def test_any_other_refusal_ends_at_once_with_the_hosts_words(azure: Azure, reply: Reply) -> None:
    azure.answers(PUBLISH, reply)
    bench = Bench(azure)
    assert f"refused the package: HTTP {reply.status}" in bench.failure()
    assert bench.clock.slept == []


def test_a_refusal_quotes_the_host(azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(400, '{"Message":"The zip is broken"}'))
    assert "The zip is broken" in Bench(azure).failure()


def test_pushing_ends_after_twelve_minutes_and_says_with_what(azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(403, "AuthorizationFailed"))
    bench = Bench(azure)
    message = bench.failure()
    assert "Deadline of 12 minutes" in message
    assert "AuthorizationFailed" in message
    assert 660 < bench.clock.time <= 720
    assert max(bench.clock.slept) == 30


def test_an_unreachable_deployment_site_ends_at_the_deadline(azure: Azure) -> None:
    message = Bench(azure, scm_host="127.0.0.1:9").failure()
    assert "Deadline of 12 minutes" in message
    assert "cannot be reached" in message


def test_a_site_that_a_proxy_does_not_lead_to_is_reported_with_the_proxy_and_no_credential(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@127.0.0.1:9")
    bench = Bench(azure, scm_host="app.scm.azurewebsites.example")
    message = bench.failure()
    assert "through the proxy 127.0.0.1:9 (HTTPS_PROXY" in message
    assert any("through the proxy 127.0.0.1:9" in line for line in bench.said)
    assert "s3cret" not in "".join([message, *bench.said])


def test_a_site_on_this_machine_is_pushed_to_without_the_proxy(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name, value in without_proxy({}).items():
        monkeypatch.setenv(name, value)
    Bench(azure).publish()
    assert len(azure.requests("POST /api/publish")) == 1


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:20 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 20.0),
        ({"Retry-After": "Mon, 23 Nov 2026 08:00:00 GMT", "Date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 1.0),
    ],
)
def test_retry_after_is_honoured(azure: Azure, headers: dict[str, str], slept: float) -> None:
    azure.answers(PUBLISH, Reply(503, "", headers), ACCEPTED)
    bench = Bench(azure)
    bench.publish()
    assert bench.clock.slept == [slept]


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(azure: Azure) -> None:
    azure.answers(PUBLISH, Reply(503, "maintenance", {"Retry-After": "3600"}))
    bench = Bench(azure)
    assert "maintenance" in bench.failure()
    assert bench.clock.slept == []


@pytest.mark.parametrize("body", ["", "null", "[]", "not json", '""'])
def test_an_accepted_push_without_a_deployment_id_is_an_error(azure: Azure, body: str) -> None:
    azure.answers(PUBLISH, Reply(202, body))
    assert "sent no deployment id" in Bench(azure).failure()


def test_polls_once_a_second_until_the_deployment_succeeds(azure: Azure) -> None:
    statuses = [Reply(404), Reply(404), *(Reply(202, {"status": status}) for status in (0, 1, 2, 99))]
    azure.answers(
        DEPLOYMENT, *statuses, Reply(0), Reply(503), Reply(200, "<html>"), Reply(200, {"status": 4})
    )
    bench = Bench(azure)
    bench.publish()
    assert bench.clock.slept == [1.0] * 9
    said = "\n".join(bench.said)
    for state in ("pending", "building", "deploying", "in status 99"):
        assert f"d1 is {state}" in said


def test_what_the_deployment_site_says_meanwhile_is_shown_once(azure: Azure) -> None:
    notice = "numpy 2.1.0 is compiled for Python 3.12"
    azure.answers(
        DEPLOYMENT, *[Reply(202, {"status": status, "status_text": notice}) for status in (2, 2)],
        Reply(200, {"status": 4, "status_text": notice}),
    )  # fmt: skip
    bench = Bench(azure)
    bench.publish()
    assert [line for line in bench.said if notice in line] == [f"Deployment d1 is deploying. {notice}"]


def test_what_the_deployment_site_says_at_the_end_is_shown(azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 4, "status_text": "a notice"}))
    bench = Bench(azure)
    bench.publish()
    assert "Deployment d1: a notice" in bench.said


def test_a_failed_deployment_says_why_in_the_hosts_words(azure: Azure) -> None:
    azure.answers(
        DEPLOYMENT, Reply(200, {"status": 3, "status_text": "Zip extraction failed", "message": None})
    )
    azure.answers(LOG, Reply(200, [{"message": "Uploading"}, {"message": "No module named 'x'"}, {}]))
    message = Bench(azure).failure()
    assert "d1 failed. Zip extraction failed\nUploading\nNo module named 'x'" in message
    assert "ASSISTANT_PUSH_AGAIN=1 pulumi up" in message
    assert azure.requests(HEALTH) == []


def test_signing_in_that_fails_after_the_push_says_what_that_means_for_the_site(azure: Azure) -> None:
    tokens = iter(["tok3n"] * 2)  # for the app settings and the push

    def token() -> str:
        for each in tokens:
            return each
        raise SignInError("no token")

    bench = Bench(azure, token=token)
    message = bench.failure()
    assert "no token" in message
    assert AFTERWARDS in message
    with pytest.raises(SignInError):
        bench.publish()  # nothing was pushed


def test_a_failed_deployment_without_a_reason_says_so(azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 3}))
    assert "It reported no reason" in Bench(azure).failure()


def test_a_cancelled_deployment_is_called_so(azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": -1}))
    assert "d1 was cancelled" in Bench(azure).failure()


def test_a_deployment_that_meets_another_is_pushed_again(azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 5}), Reply(200, {"status": 4}))
    Bench(azure).publish()
    assert len(azure.requests(PUBLISH)) == 2


@pytest.mark.parametrize("last", [Reply(200, {"status": 6}), Reply(404)], ids=["partial", "forgotten"])
def test_the_site_decides_where_the_deployment_does_not(azure: Azure, last: Reply) -> None:
    azure.answers(DEPLOYMENT, Reply(200, {"status": 2}), last)
    Bench(azure).publish()
    azure.answers(DEPLOYMENT, Reply(200, {"status": 2}), last)
    azure.answers(HEALTH, Reply(200, {"package": "old"}))
    assert "does not respond" in Bench(azure).failure()


def test_a_deployment_that_never_shows_up_ends_at_the_deadline(azure: Azure) -> None:
    azure.answers(DEPLOYMENT, Reply(404))
    bench = Bench(azure)
    message = bench.failure()
    assert "Deadline of 12 minutes" in message
    assert "deployment d1" in message


def test_a_deployer_who_may_not_list_the_functions_is_told_so(azure: Azure) -> None:
    azure.answers(FUNCTIONS, Reply(403, {"error": {"code": "AuthorizationFailed"}}))
    message = Bench(azure).failure()
    assert "its functions cannot be listed: HTTP 403" in message
    assert "AuthorizationFailed" in message


def test_waits_until_the_new_code_answers_and_its_functions_are_listed(azure: Azure) -> None:
    azure.answers(HEALTH, Reply(503), Reply(200, {"package": "old"}), Reply(200, {"package": HASH}))
    azure.answers(
        FUNCTIONS,
        *[Reply(200, {"value": []})] * 3,
        Reply(404),
        Reply(200, {"value": [{"name": "app/CreateAssistant"}]}),
    )
    bench = Bench(azure)
    bench.publish()
    assert len(azure.requests(FUNCTIONS)) == 5
    assert "its functions are not listed yet" in "\n".join(bench.said)
    assert bench.said[-1] == f"https://{azure.host} runs package {HASH[:12]}."


def test_a_host_that_cannot_run_the_code_fails_with_its_own_words(azure: Azure) -> None:
    azure.answers(HEALTH, Reply(503))
    error = "ModuleNotFoundError: No module named 'missing'"
    azure.answers(HOST_STATUS, Reply(200, {"state": "Error", "errors": [error]}))
    bench = Bench(azure)
    message = bench.failure()
    assert f"cannot run it:\n{error}" in message
    assert 30 <= bench.clock.time <= 60


WRONG = ["The app setting CHAT_MODEL_TEMPERATURE is '0,5': it must be a number.", "EXPOSE is 'yes'."]


def unhealthy(package_hash: str) -> Reply:
    body = {"status": 500, "detail": "wrong", "package": package_hash, "problems": WRONG}
    return Reply(500, body)


def test_new_code_with_wrong_app_settings_fails_with_all_that_is_wrong(azure: Azure) -> None:
    azure.answers(HEALTH, unhealthy(HASH))
    azure.answers(FUNCTIONS, Reply(200, {"value": [{"name": "app/Health"}]}))
    bench = Bench(azure)
    message = bench.failure()
    assert "cannot run it:\n" + "\n".join(WRONG) in message
    assert "--restore-app-settings" in message
    assert 30 <= bench.clock.time <= 60
    assert all("not listed yet" not in line for line in [*bench.said, message])


def test_what_was_wrong_with_the_code_before_does_not_fail_the_deployment(azure: Azure) -> None:
    azure.answers(HEALTH, *[unhealthy("old")] * 12, Reply(200, {"package": HASH}))
    bench = Bench(azure)
    bench.publish()
    assert bench.clock.time > 30


@pytest.mark.parametrize("problems", [None, "text", {}, []])
def test_a_health_that_names_no_problems_is_waited_for(azure: Azure, problems: object) -> None:
    azure.answers(HEALTH, Reply(500, {"package": HASH, "problems": problems}))
    assert "Deadline of 5 minutes" in Bench(azure).failure()


def test_a_function_that_the_host_refuses_fails_although_the_new_code_answers(azure: Azure) -> None:
    error = (
        "The 'CreateAssistant' function is in error: the binding type 'assistantCreate' is not registered."
    )
    azure.answers(HOST_STATUS, Reply(200, {"state": "Running", "errors": [error]}))
    assert f"cannot run it:\n{error}" in Bench(azure).failure()


def test_an_error_that_goes_away_does_not_fail_the_deployment(azure: Azure) -> None:
    azure.answers(HEALTH, *[Reply(503)] * 12, Reply(200, {"package": HASH}))
    starting = [Reply(200, {"errors": ["starting"]})] * 5
    azure.answers(HOST_STATUS, *starting, Reply(200, {}), *starting, Reply(200, {}))
    Bench(azure).publish()


def test_a_blob_role_that_arrives_five_minutes_late_at_the_first_up_only_makes_it_later(azure: Azure) -> None:
    bench = Bench(azure)

    def keyed() -> Reply:
        return Reply(500 if bench.clock.time < 300 else 401)

    azure.computes(KEYED, keyed)
    # Nothing else may run out of time meanwhile: this is synchronised after the role came.
    azure.computes(
        FUNCTIONS, lambda: Reply(200, {"value": [{"name": "a"}] if bench.clock.time > 540 else []})
    )
    azure.answers(HOST_STATUS, Reply(500))

    bench.publish()

    assert 540 < bench.clock.time < 560
    assert any("blob role or identity" in line for line in bench.said)
    assert azure.requests(KEYED)[0].headers["x-functions-key"]
    assert "Authorization" not in azure.requests(KEYED)[0].headers


def test_keys_that_stay_unreadable_end_after_twelve_minutes_and_name_blob_role_or_identity(
    azure: Azure,
) -> None:
    azure.answers(KEYED, Reply(500))
    bench = Bench(azure)
    message = bench.failure()
    assert "Deadline of 12 minutes" in message
    assert "blob role or identity" in message
    assert "AzureWebJobsStorage__clientId" in message
    assert AFTERWARDS in message
    assert 660 < bench.clock.time <= 720


NO_TABLE_ROLE = Reply(503, {"detail": "The identity has no role for the tables, or it has not arrived yet."})


def test_a_table_role_that_arrives_five_minutes_late_at_the_first_up_only_makes_it_later(
    azure: Azure,
) -> None:
    bench = Bench(azure)
    well = Reply(200, {"assistants": []})
    azure.computes(ASSISTANTS, lambda: NO_TABLE_ROLE if bench.clock.time < 300 else well)

    bench.publish()

    assert 300 <= bench.clock.time < 310
    assert any("has not arrived yet" in line for line in bench.said)
    (asked, *_) = azure.requests(ASSISTANTS)
    assert asked.headers["x-functions-key"] == "h0st-key"
    assert "Authorization" not in asked.headers


def test_tables_that_stay_closed_end_after_twelve_minutes_in_the_apps_words_without_the_key(
    azure: Azure,
) -> None:
    azure.answers(ASSISTANTS, NO_TABLE_ROLE)
    bench = Bench(azure)
    message = bench.failure()
    assert "Deadline of 12 minutes" in message
    assert "table role or identity: The identity has no role for the tables" in message
    assert "h0st-key" not in message + "".join(bench.said)


def test_a_deployer_who_may_not_list_keys_deploys_and_is_told_what_was_not_looked_at(azure: Azure) -> None:
    azure.answers(HOST_KEYS, Reply(403, {"error": {"code": "AuthorizationFailed"}}))
    bench = Bench(azure)
    bench.publish()
    assert any("tables are not checked" in line for line in bench.said)
    assert azure.requests(ASSISTANTS) == []


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AzureOpenAI__Key", "openai_api_key"])
def test_a_site_with_a_setting_that_replaces_the_identity_gets_no_code(azure: Azure, name: str) -> None:
    azure.answers(APP_SETTINGS, Reply(200, {"properties": {name: "s3cret", "HTTP_AUTH_LEVEL": "function"}}))
    message = Bench(azure).failure()
    command = "az functionapp config appsettings delete --resource-group g --name app --setting-names"
    assert f"{command} {name}" in message
    assert "s3cret" not in message
    assert azure.requests(PUBLISH) == []


def test_app_settings_that_cannot_be_listed_yet_are_asked_for_again(azure: Azure) -> None:
    azure.answers(APP_SETTINGS, Reply(403), Reply(200, {"properties": {"OPENAI_API_KEY": "x"}}))
    assert "api.openai.com" in Bench(azure).failure()


def test_old_code_that_goes_on_serving_ends_at_a_deadline_of_its_own(azure: Azure) -> None:
    azure.answers(HEALTH, Reply(200, {"status": "ok", "package": "old"}))
    bench = Bench(azure)
    message = bench.failure()
    assert "Deadline of 5 minutes" in message
    assert HASH in message
    assert '"package": "old"' in message
    assert bench.clock.time <= 300


def test_progress_is_shown_when_it_changes_and_twice_a_minute(azure: Azure) -> None:
    azure.answers(HEALTH, Reply(200, {"package": "old"}))
    bench = Bench(azure)
    bench.failure()
    waiting = [line for line in bench.said if line.startswith("Waiting for the new code")]
    assert 8 <= len(waiting) <= 11


def test_a_certificate_that_is_not_trusted_ends_at_once(azure: Azure, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with loopback(tmp_path / "other") as other:
        bench = Bench(azure, scm_host=other.host)
        assert "certificate is not trusted" in bench.failure()
        assert bench.clock.slept == []


@pytest.mark.parametrize(
    ("health", "running"),
    [
        ([Reply(200, {"package": "old"})], "old"),
        ([Reply(404)], ""),
        ([Reply(200, "<html>")], ""),
        ([Reply(503), Reply(0), Reply(200, {"package": "old"})], "old"),
        ([Reply(503)], ""),
    ],
)
def test_tells_what_runs(azure: Azure, health: list[Reply], running: str) -> None:
    azure.answers(HEALTH, *health)
    assert Bench(azure).publisher.running() == running


def test_tells_that_the_site_is_gone(azure: Azure) -> None:
    azure.answers(SITE, Reply(404, {"error": {"code": "ResourceNotFound"}}))
    assert Bench(azure).publisher.running() is None
    assert azure.requests(HEALTH) == []


@pytest.mark.parametrize("status", [0, 401, 403, 500])
def test_does_not_take_an_arm_that_cannot_tell_for_a_site_that_is_gone(azure: Azure, status: int) -> None:
    azure.answers(SITE, Reply(status, "reason"))
    with pytest.raises(DeploymentError, match="does not report whether"):
        Bench(azure).publisher.running()
