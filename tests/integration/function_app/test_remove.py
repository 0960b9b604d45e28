"""DELETE, and the lease that it shares with PUT and POST."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from assistants import leases
from assistants.errors import LeaseConflictError, LeaseLostError
from assistants.identity import TokenError
from assistants.leases import Lease, Purpose
from assistants.routes import remove
from assistants.routes.create import respond as put_respond
from assistants.routes.responses import handle_errors
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.functions.http import HttpResponseConverter

from tests.host_requests import (
    Forwarding,
    RecordingOut,
    answer,
    conversation,
    created,
    delete,
    put,
    request,
    rows_of,
)


def test_delete_removes_all_rows_of_one_assistant_and_none_of_others(tables: Tables) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)
    for other in ("a-", "b", "A"):
        conversation(tables.chat_state, other, "Hi")

    assert delete(tables, "a") == 204

    assert rows_of(tables.chat_state, "a") == []
    assert [len(rows_of(tables.chat_state, other)) for other in ("a-", "b", "A")] == [3, 3, 3]
    assert rows_of(tables.leases, "a") == []


def test_delete_can_be_repeated(tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    assert [delete(tables, "a") for _ in range(3)] == [204] * 3


class Failing(Forwarding):
    """A table client whose process is killed behind so many transactions."""

    def __init__(self, table: Any, left: int) -> None:
        super().__init__(table)
        self._left = left

    def submit_transaction(self, operations: Any) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.table.submit_transaction(operations)


def test_an_interrupted_delete_leaves_no_visible_message_and_the_next_one_finishes(tables: Tables) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)
    cut: Any = type("Cut", (), {"chat_state": Failing(tables.chat_state, 1), "leases": tables.leases})

    with pytest.raises(KeyboardInterrupt):
        delete(cut, "a")

    left = rows_of(tables.chat_state, "a")
    assert len(left) == 132
    assert "state" not in {row["RowKey"] for row in left}
    assert delete(tables, "a") == 204
    assert rows_of(tables.chat_state, "a") == []


def test_while_another_request_writes_delete_and_put_change_no_row(tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Hi")
    before = rows_of(tables.chat_state, "a")
    lease = leases.acquire(tables, "a", Purpose.WRITE)

    response = answer(remove.respond, request("DELETE", "a"), tables)
    assert (response.status_code, response.mimetype) == (409, "application/problem+json")
    assert 1 <= int(response.headers["Retry-After"]) <= 5
    assert put(tables, "a") == (409, None, 0)
    assert rows_of(tables.chat_state, "a") == before

    lease.release()
    assert delete(tables, "a") == 204


def test_put_reports_whether_it_replaces(tables: Tables) -> None:
    assert put(tables, "a") == (202, "false", 1)
    created(tables, "a")
    assert put(tables, "a") == (202, "true", 1)


def test_if_none_match_creates_a_missing_assistant_once_and_keeps_an_existing_one(tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    assert put(tables, "a", If_None_Match="*") == (412, None, 0)
    assert put(tables, "b", If_None_Match="*") == (202, "false", 1)
    assert put(tables, "b", If_None_Match="*") == (409, None, 0)
    created(tables, "b")
    assert put(tables, "b", If_None_Match="*") == (412, None, 0)
    assert {row["PartitionKey"] for row in tables.leases.list_entities()} == {"b"}


def test_if_none_match_detects_a_create_before_its_lease(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = leases.acquire

    def after_another(*arguments: Any) -> Any:
        conversation(tables.chat_state, "a")
        return acquire(*arguments)

    monkeypatch.setattr(leases, "acquire", after_another)
    assert put(tables, "a", If_None_Match="*") == (412, None, 0)
    assert rows_of(tables.leases, "a") == []


@pytest.mark.parametrize("before", [0, 1, 3], ids=["new", "never posted to", "posted to"])
def test_nothing_else_writes_until_the_rows_of_a_create_exist(tables: Tables, before: int) -> None:
    if before:
        conversation(tables.chat_state, "a", *("text",) * (before - 1))
    rows = rows_of(tables.chat_state, "a")

    assert put(tables, "a")[0] == 202
    assert put(tables, "a") == (409, None, 0)
    assert delete(tables, "a") == 409
    assert rows_of(tables.chat_state, "a") == rows

    created(tables, "a")
    assert put(tables, "a") == (202, "true", 1)
    created(tables, "a")
    assert delete(tables, "a") == 204
    assert rows_of(tables.leases, "a") == []


def test_a_failed_create_blocks_writes_until_its_lease_expires(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", "Hi")
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    assert put(tables, "a")[0] == 202
    monkeypatch.undo()
    assert put(tables, "a")[0] == 202
    assert delete(tables, "a") == 409


def test_any_other_precondition_is_rejected(tables: Tables) -> None:
    out = RecordingOut()
    response = answer(put_respond, request("PUT", "a", headers={"If-None-Match": '"1"'}), out, "x", tables)
    assert (response.status_code, out.values) == (400, [])
    assert json.loads(response.get_body())["errors"][0] == {
        "in": "header",
        "name": "If-None-Match",
        "detail": "must be *, since an assistant has no entity tag",
    }


def test_an_expired_lease_is_taken_over_and_its_old_owner_cannot_release_it(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    ended = leases.acquire(tables, "a", Purpose.WRITE)
    monkeypatch.undo()

    leases.acquire(tables, "a", Purpose.WRITE)

    ended.release()
    with pytest.raises(LeaseLostError):
        ended.renew()
    with pytest.raises(LeaseConflictError):
        leases.acquire(tables, "a", Purpose.WRITE)


def test_a_long_delete_renews_its_lease_and_stops_when_it_is_lost(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)
    monkeypatch.setattr(leases, "_RENEW_AFTER_SECONDS", 0)
    renewals: list[str] = []
    renew = Lease.renew

    def take_over_before_the_third(lease: Lease) -> None:
        renewals.append("renew")
        if len(renewals) == 3:
            row = tables.leases.get_entity("a", "lease")
            tables.leases.update_entity({**row, "Owner": "another"})
        renew(lease)

    monkeypatch.setattr(Lease, "renew", take_over_before_the_third)

    assert delete(tables, "a") == 409

    assert len(renewals) == 3
    assert len(rows_of(tables.chat_state, "a")) == 32
    assert rows_of(tables.leases, "a")[0]["Owner"] == "another"


def test_a_delayed_delete_removes_no_row_of_a_newer_conversation(tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Hi")
    stale = list(tables.chat_state.query_entities("PartitionKey eq 'a'"))
    created(tables, "a")
    fresh = rows_of(tables.chat_state, "a")

    class Stale(Forwarding):
        def query_entities(self, *_arguments: Any, **_options: Any) -> Any:
            return stale

    stale_tables: Any = SimpleNamespace(chat_state=Stale(tables.chat_state))
    with pytest.raises(HttpResponseError):
        conversations.delete(stale_tables, "a", bool)
    assert rows_of(tables.chat_state, "a") == fresh


def test_a_delete_continues_after_a_lost_response(tables: Tables) -> None:
    conversation(tables.chat_state, "a", *("text",) * 130)

    class Lossy(Forwarding):
        lost = False

        def submit_transaction(self, operations: Any) -> None:
            self.table.submit_transaction(operations)
            if not self.lost:
                self.lost = True
                raise ServiceResponseError("lost")

    lossy: Any = SimpleNamespace(chat_state=Lossy(tables.chat_state), leases=tables.leases)
    assert delete(lossy, "a") == 204
    assert rows_of(tables.chat_state, "a") == []


def test_a_lease_that_cannot_be_released_does_not_change_the_response(
    tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    conversation(tables.chat_state, "a", "Hi")

    class Unreleased(Forwarding):
        def delete_entity(self, *_arguments: Any, **_options: Any) -> None:
            raise ServiceRequestError("no route")

    failing: Any = SimpleNamespace(chat_state=tables.chat_state, leases=Unreleased(tables.leases))
    assert delete(failing, "a") == 204
    assert "The lease of a could not be released" in caplog.text


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_difference_does_not_change_the_length_of_a_lease(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    class OtherClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(minutes=minutes)

    for module in (leases, lease_rows):
        monkeypatch.setattr(module, "datetime", OtherClock)
    leases.acquire(tables, "a", Purpose.WRITE)
    with pytest.raises(LeaseConflictError) as conflict:
        leases.acquire(tables, "a", Purpose.WRITE)
    left = (conflict.value.locked_until - datetime.now(UTC)).total_seconds()
    assert 25 < left <= 32, "by the table service's clock"
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    leases.acquire(tables, "b", Purpose.WRITE)
    leases.acquire(tables, "b", Purpose.WRITE)


def test_a_row_of_an_earlier_version_is_a_lease(tables: Tables) -> None:
    tables.leases.create_table()
    row = {"PartitionKey": "a", "RowKey": "lease", "Owner": "x", "Purpose": "post"}
    tables.leases.create_entity({**row, "ExpiresAt": datetime.now(UTC) + timedelta(seconds=300)})
    assert delete(tables, "a") == 409


def test_a_put_that_loses_its_lease_during_the_delete_creates_nothing(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)

    def lose(lease: Lease) -> None:
        raise leases.lost_lease(lease.assistant_id)

    monkeypatch.setattr(Lease, "renew", lose)
    assert put(tables, "a") == (409, None, 0)


def test_a_long_conversation_is_deleted_before_the_extension_replaces_it(tables: Tables) -> None:
    conversation(tables.chat_state, "short", *("text",) * 98)
    conversation(tables.chat_state, "long", *("text",) * 230)
    assert (put(tables, "short"), put(tables, "long")) == ((202, "true", 1),) * 2
    assert len(rows_of(tables.chat_state, "short")) == 100
    assert rows_of(tables.chat_state, "long") == []
    assert delete(tables, "long") == 409, "until the extension has written"


class AnswerLost(Forwarding):
    """The first answer to each write is lost: the SDK repeats an update, and reports a lost insert."""

    def create_entity(self, *arguments: Any, **options: Any) -> Any:
        self.table.create_entity(*arguments, **options)
        raise ServiceResponseError("lost")

    def update_entity(self, *arguments: Any, **options: Any) -> Any:
        self.table.update_entity(*arguments, **options)
        return self.table.update_entity(*arguments, **options)


@pytest.mark.parametrize("untouched", [False, True])
def test_a_lease_is_acquired_even_if_the_response_is_lost(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, untouched: bool
) -> None:
    conversation(tables.chat_state, "a")
    state = conversations.get_state(tables, "a") if untouched else None
    lossy: Any = SimpleNamespace(chat_state=tables.chat_state, leases=AnswerLost(tables.leases))

    with monkeypatch.context() as patch:
        patch.setattr(leases, "LEASE_SECONDS", -1)
        leases.acquire(lossy, "a", Purpose.POST, state)
    taken = leases.acquire(lossy, "a", Purpose.POST, state)

    before = conversations.get_state(tables, "a")
    assert before
    taken.start_call(before)
    assert taken.release() is None
    assert rows_of(tables.leases, "a") == []


def test_an_insert_with_a_lost_response_detects_the_row_of_another_writer(tables: Tables) -> None:
    leases.acquire(tables, "a", Purpose.WRITE)

    class Lost(Forwarding):
        def create_entity(self, *_arguments: Any, **_options: Any) -> Any:
            raise ServiceResponseError("lost")

    lossy: Any = SimpleNamespace(chat_state=tables.chat_state, leases=Lost(tables.leases))
    with pytest.raises(LeaseConflictError):
        leases.acquire(lossy, "a", Purpose.WRITE)
    with pytest.raises(ServiceResponseError):
        leases.acquire(lossy, "b", Purpose.WRITE)


def test_unavailable_storage_is_a_503_and_any_other_error_a_500_without_its_message() -> None:
    def failing(status: int) -> Any:
        error = HttpResponseError("AccountKey=secret")
        error.status_code = status

        def handle() -> Any:
            raise error

        return handle

    busy, refused = handle_errors(failing(503)), handle_errors(failing(400))
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
    assert refused.status_code == 500
    assert b"secret" not in busy.get_body() + refused.get_body()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (HttpResponseError("AuthorizationPermissionMismatch: secret"), "Storage Table Data Contributor"),
        (TokenError("No token: 400 secret", passes=False), "AzureWebJobsStorage__clientId"),
        (TokenError("No token: refused secret", passes=True), "token endpoint is temporarily unavailable"),
    ],
    ids=str,
)
def test_a_missing_role_or_identity_is_named_and_can_be_retried(error: HttpResponseError, words: str) -> None:
    if not isinstance(error, TokenError):
        error.status_code = 403

    def handle() -> Any:
        raise error

    response = handle_errors(handle)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert words in json.loads(response.get_body())["detail"]
    assert b"secret" not in response.get_body()


def test_the_204_has_a_content_type_although_no_body(tables: Tables) -> None:
    """`azure.functions` adds one to every answer, and the host sends it (recording `204-empty-bytes`)."""
    response = answer(remove.respond, request("DELETE", "a"), tables)
    encoded = HttpResponseConverter.encode(response, expected_type=None).value
    assert (encoded["status_code"].value, encoded["body"].value) == ("204", b"")
    assert encoded["headers"]["content-type"].value == "text/plain; charset=utf-8"
