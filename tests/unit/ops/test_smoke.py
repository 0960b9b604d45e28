import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests import Session

from delivery.publish import Clock
from ops.output import OpsError
from ops.release.smoke import SmokeError, SmokeTest, Target, target_of
from ops.state import SITE, STORAGE_ACCOUNT, resources
from tests.unit.delivery.loopback import HEALTH, KEYED, Azure, Received, Reply, loopback

HASH = "0123456789abcdef" * 4
KEY = "s3cret-key"


class Rows:
    """The table, which the app fills; `may_read` and `may_remove` are the deployer's roles."""

    def __init__(self, *, may_read: bool = True, may_remove: bool = True, kept: bool = True) -> None:
        self.may_read, self.may_remove, self.kept = may_read, may_remove, kept
        self.held: set[str] = set()
        self.unreachable: Exception | None = None

    def rows(self, assistant_id: str) -> list[str]:
        if not self.may_read:
            raise PermissionError
        return ["state"] if assistant_id in self.held else []

    def remove(self, assistant_id: str) -> None:
        if not self.may_remove:
            raise PermissionError
        if self.unreachable is not None:
            raise self.unreachable
        self.held.discard(assistant_id)


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def app(tmp_path: Path) -> Iterator["App"]:
    with loopback(tmp_path) as azure:
        yield App(azure)


class App:
    """A site on the loopback that answers what a test says, and writes rows like the real one."""

    def __init__(self, azure: Azure) -> None:
        self.azure, self.table, self.time = azure, Rows(), Time()
        self.puts: list[str] = []
        self.runs(Reply(200, {"status": "ok", "package": HASH}))
        self.answer: Reply | None = None
        self.posts = [Reply(200, {"reply": "ready"})]
        self.deletes = Reply(204)
        respond = azure.reply

        def reply(received: Any) -> Reply:
            method, _, path = received.route.partition(" ")
            if method == "GET":
                return respond(received)
            azure.received.append(received)
            assistant_id = path.removeprefix("/api/assistants/")
            if method == "POST":
                return self.posts.pop(0) if len(self.posts) > 1 else self.posts[0]
            if method == "DELETE":
                if self.deletes.status == 204:
                    self.table.held.discard(assistant_id)
                return self.deletes
            self.puts.append(assistant_id)
            if self.answer is not None:
                return self.answer
            if self.table.kept:
                self.table.held.add(assistant_id)
            return Reply(202, {"assistantId": assistant_id})

        azure.reply = reply

    def runs(self, *replies: Reply) -> None:
        self.azure.answers(HEALTH, *replies)

    def sent(self, method: str) -> list[Received]:
        return [received for received in self.azure.received if received.route.startswith(f"{method} ")]

    def test(self, *, post_message: bool = True) -> list[str]:
        session = Session()
        session.trust_env = False
        session.verify = str(self.azure.ca_file)
        target = Target("g", "app", f"https://{self.azure.host}", "https://t.example")
        test = SmokeTest(
            target, lambda: KEY, self.table, session, self.time.clock(), post_message=post_message
        )
        return test.run(HASH)


def test_a_well_app_passes_and_nothing_is_left_behind(app: App) -> None:
    found = app.test()

    assert len(found) == 4
    assert len(app.puts) == 1
    assert app.table.held == set()


def test_the_assistant_is_made_with_the_function_key_and_the_key_is_not_told(app: App) -> None:
    found = app.test()

    (put,) = [received for received in app.azure.received if received.route.startswith("PUT")]
    assert put.headers["x-functions-key"] == KEY
    assert KEY not in "\n".join(found)


def test_each_test_takes_an_assistant_of_its_own(app: App) -> None:
    app.test()
    app.test()

    assert len(set(app.puts)) == 2


def test_a_package_that_comes_up_slowly_is_waited_for(app: App) -> None:
    app.runs(
        Reply(0),
        Reply(503, "starting"),
        Reply(200, {"package": "f" * 64}),
        Reply(200, {"package": HASH}),
    )

    assert app.test()
    assert app.time.seconds > 0


def test_one_message_is_posted_with_the_function_key(app: App) -> None:
    found = app.test()

    (post,) = app.sent("POST")
    assert post.route == f"POST /api/assistants/{app.puts[0]}/messages"
    assert post.headers["x-functions-key"] == KEY
    assert json.loads(post.body).keys() == {"message"}
    assert "answers 200 with a reply" in found[2]


def test_the_message_can_be_left_out_and_that_is_said(app: App) -> None:
    found = app.test(post_message=False)

    assert app.sent("POST") == []
    assert "no message was posted" in found[2]


@pytest.mark.parametrize(
    "detail",
    [
        "The model has no deployment chat.",
        "The app's identity has no role at the model.",
        "The model's rate limit.",
        "No token.",
    ],
)
def test_a_message_without_a_reply_fails_with_the_problems_detail_and_leaves_nothing(
    app: App, detail: str
) -> None:
    app.posts = [Reply(503, {"title": "Service Unavailable", "detail": detail})]

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert f"answers 503 ({detail}), not 200 with a reply" in str(failed.value)
    assert KEY not in str(failed.value)
    assert app.table.held == set()


def test_a_role_that_arrives_five_minutes_late_only_makes_it_later(app: App) -> None:
    late = Reply(503, {"detail": "The app's identity has no role at the model, or it has not arrived yet."})
    app.posts = [late] * 35 + [Reply(200, {"reply": "ready"})]

    assert app.test()
    assert 300 < app.time.seconds < 400


def test_what_is_no_role_is_not_waited_for_so_long(app: App) -> None:
    app.posts = [Reply(503, {"detail": "There is no deployment chat."})]

    with pytest.raises(SmokeError):
        app.test()

    assert app.time.seconds <= 90


def test_a_host_that_cannot_read_its_keys_is_named(app: App) -> None:
    app.answer = Reply(500)
    app.azure.answers(KEYED, Reply(500))

    with pytest.raises(SmokeError, match="blob role or identity"):
        app.test()


def test_an_instance_of_the_package_before_is_found_before_and_after(app: App) -> None:
    old, new = Reply(200, {"package": "f" * 64}), Reply(200, {"package": HASH})
    app.runs(new, new, old, *[new] * 5, new, old, new)

    assert app.test()

    assert len(app.azure.requests(HEALTH)) == 3 + 5 + 2 + 5


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(200, {"package": "f" * 64}), f"answers package {'f' * 64}, not package {HASH}"),
        (Reply(500, ""), "answers 500 with no body"),
        (Reply(200, "[]"), "answers package None"),
        (Reply(0), "answers nothing (ConnectionError)"),
    ],
)
def test_another_package_or_none_fails_with_what_answers(app: App, reply: Reply, told: str) -> None:
    app.runs(reply)

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert told in str(failed.value)
    assert app.puts == [], "no assistant is made by code that is not to be tested"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(500, ""), "answers 500 with no body"),
        (Reply(401, ""), "answers 401"),
        (Reply(202, {"assistantId": "another"}), "answers 202"),
        (Reply(404, {"title": "x" * 1000}), "answers 404"),
    ],
)
def test_an_assistant_that_is_not_made_fails_with_the_answer(app: App, reply: Reply, told: str) -> None:
    app.answer = reply

    with pytest.raises(SmokeError) as failed:
        app.test()

    assert told in str(failed.value)
    assert len(str(failed.value)) < 400
    assert KEY not in str(failed.value)


def test_a_certificate_that_is_not_trusted_says_nothing_about_the_app(app: App, tmp_path: Path) -> None:
    with loopback(tmp_path) as other:
        app.azure.ca_file = other.ca_file

        with pytest.raises(OpsError, match="not trusted"):
            app.test()


def test_an_answer_of_202_without_rows_fails(app: App) -> None:
    app.table.kept = False

    with pytest.raises(SmokeError, match="no row at all"):
        app.test()


def test_without_a_role_for_the_table_one_id_is_used_again_and_again(app: App) -> None:
    app.table.may_read, app.deletes = False, Reply(409, {"detail": "another request writes"})

    found = app.test()
    app.test()

    assert app.puts == ["smoke-test", "smoke-test"]
    assert "stay: DELETE /api/assistants/smoke-test answers 409 (another request writes)" in found[-1]


def test_without_a_role_for_the_table_the_app_removes_the_assistant(app: App) -> None:
    app.table.may_read = False

    found = app.test()

    assert "not checked" in found[-1]
    assert app.table.held == set()


def test_rows_that_cannot_be_removed_are_said(app: App) -> None:
    app.table.may_remove, app.deletes = False, Reply(500)

    found = app.test()

    assert f"the rows of {app.puts[-1]} stay" in found[-1]


UNREACHABLE = [OpsError("the table cannot be changed: no token"), SmokeError("the table is not there")]


@pytest.mark.parametrize("unreachable", UNREACHABLE)
def test_what_keeps_rows_from_being_removed_does_not_hide_what_the_test_found(
    app: App, unreachable: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    app.answer, app.table.unreachable, app.deletes = Reply(500, ""), unreachable, Reply(500)

    with pytest.raises(SmokeError, match="answers 500"):
        app.test()

    assert str(unreachable) in capsys.readouterr().err


@pytest.mark.parametrize("unreachable", UNREACHABLE)
def test_what_keeps_rows_from_being_removed_says_nothing_about_the_package(
    app: App, unreachable: Exception
) -> None:
    app.table.unreachable, app.deletes = unreachable, Reply(500)

    found = app.test()

    assert f"the rows of {app.puts[-1]} stay: {unreachable}" in found[-1]
    assert "removed again" not in found[-1]


def exported(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(listed)}}


SITE_STATE = {
    "urn": "urn:pulumi:dev::assistant::azure-native:web:WebApp::function-app",
    "type": SITE,
    "id": "/subscriptions/s/resourceGroups/rg-1/providers/Microsoft.Web/sites/func-1",
    "outputs": {"defaultHostName": "func-1.azurewebsites.net"},
}
ACCOUNT_STATE = {
    "urn": "urn:pulumi:dev::assistant::azure-native:storage:StorageAccount::storage-account",
    "type": STORAGE_ACCOUNT,
    "id": "/subscriptions/s/resourceGroups/rg-1/providers/Microsoft.Storage/storageAccounts/st1",
    "outputs": {"primaryEndpoints": {"table": "https://st1.table.core.windows.net/"}},
}


def test_the_state_says_where_the_app_and_its_table_are() -> None:
    assert target_of(resources(exported(SITE_STATE, ACCOUNT_STATE))) == Target(
        "rg-1", "func-1", "https://func-1.azurewebsites.net", "https://st1.table.core.windows.net"
    )


@pytest.mark.parametrize(
    "listed",
    [
        (),
        (SITE_STATE,),
        (SITE_STATE, SITE_STATE, ACCOUNT_STATE),
        (SITE_STATE | {"outputs": {}}, ACCOUNT_STATE),
        (SITE_STATE, ACCOUNT_STATE | {"outputs": {"primaryEndpoints": None}}),
        (SITE_STATE | {"delete": True}, ACCOUNT_STATE),
    ],
)
def test_a_state_that_does_not_say_it_is_refused(listed: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(OpsError, match="pulumi"):
        target_of(resources(exported(*listed)))
