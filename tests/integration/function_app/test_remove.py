"""DELETE, and the lease that it shares with PUT and POST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from assistants import leases
from assistants.errors import LeaseConflictError, LeaseLostError
from assistants.leases import Lease, Purpose
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.functions.http import HttpResponseConverter

from tests.host_requests import Api, body_of
from tests.integration.function_app.rows import (
    before_acquire,
    conversation,
    create,
    failing,
    rows_of,
    with_methods,
)


def put(api: Api, *, only_if_new: bool = False) -> tuple[int, str | None]:
    """Status, and the header Assistant-Replaced."""
    response = api.put(headers={"If-None-Match": "*"} if only_if_new else {})
    return response.status_code, response.headers.get("Assistant-Replaced")


def test_delete_removes_all_rows_of_one_assistant_and_none_of_others(api: Api) -> None:
    conversation(api.tables, "a", *("text",) * 230)
    for other in ("a-", "b", "A"):
        conversation(api.tables, other, "Hi")

    assert [api.delete().status_code for _ in range(2)] == [204, 204]

    assert rows_of(api.tables.chat_state, "a") == []
    assert [len(rows_of(api.tables.chat_state, other)) for other in ("a-", "b", "A")] == [3, 3, 3]
    assert rows_of(api.tables.leases, "a") == []


def test_the_204_has_a_content_type_although_no_body(api: Api) -> None:
    """`azure.functions` adds one to every response, and the host sends it (recording `204-empty-bytes`)."""
    encoded = HttpResponseConverter.encode(api.delete(), expected_type=None).value
    assert (encoded["status_code"].value, encoded["body"].value) == ("204", b"")
    assert encoded["headers"]["content-type"].value == "text/plain; charset=utf-8"


def test_an_interrupted_delete_leaves_no_visible_message_and_the_next_one_finishes(
    api: Api, tables: Tables
) -> None:
    conversation(tables, "a", *("text",) * 230)
    transactions: list[object] = []

    def submit_one(submit: Any, operations: Any) -> None:
        if transactions:
            raise KeyboardInterrupt
        transactions.append(submit(operations))

    api.tables = with_methods(tables, "chat_state", submit_transaction=submit_one)
    with pytest.raises(KeyboardInterrupt):
        api.delete()

    rows = rows_of(tables.chat_state, "a")
    assert len(rows) == 132
    assert "state" not in {row["RowKey"] for row in rows}
    api.tables = tables
    assert api.delete().status_code == 204
    assert rows_of(tables.chat_state, "a") == []


def test_while_another_request_writes_delete_and_put_change_no_row(api: Api) -> None:
    conversation(api.tables, "a", "Hi")
    rows = rows_of(api.tables.chat_state, "a")
    lease = leases.acquire(api.tables, "a", Purpose.WRITE)

    conflict = api.delete()
    assert (conflict.status_code, conflict.headers["Retry-After"]) == (409, "5")
    assert "Another request is writing the assistant a." in body_of(conflict)["detail"]
    assert put(api) == (409, None)
    assert rows_of(api.tables.chat_state, "a") == rows

    lease.release()
    assert api.delete().status_code == 204


def test_if_none_match_creates_a_missing_assistant_once_and_keeps_an_existing_one(api: Api) -> None:
    assert put(api, only_if_new=True) == (202, "false")
    assert put(api, only_if_new=True) == (409, None)
    create(api.tables, "a")
    assert put(api, only_if_new=True) == (412, None)
    assert [row["PartitionKey"] for row in api.tables.leases.list_entities()] == ["a"]


def test_if_none_match_detects_a_create_before_its_lease(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    before_acquire(monkeypatch, lambda: conversation(api.tables, "a"))
    assert put(api, only_if_new=True) == (412, None)
    assert rows_of(api.tables.leases, "a") == []


@pytest.mark.parametrize("messages", [0, 1, 3], ids=["new", "never posted to", "posted to"])
def test_nothing_else_writes_until_the_rows_of_a_create_exist(api: Api, messages: int) -> None:
    if messages:
        conversation(api.tables, "a", *("text",) * (messages - 1))
    rows = rows_of(api.tables.chat_state, "a")

    assert put(api) == (202, "true" if messages else "false")
    (row,) = rows_of(api.tables.leases, "a")
    assert row["Purpose"] == "create", "as an instance with another version of the app reads it"
    assert put(api) == (409, None)
    assert api.delete().status_code == 409
    assert rows_of(api.tables.chat_state, "a") == rows

    create(api.tables, "a")
    assert put(api) == (202, "true")
    create(api.tables, "a")
    assert api.delete().status_code == 204
    assert rows_of(api.tables.leases, "a") == []


def test_a_failed_create_blocks_writes_until_its_lease_expires(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a", "Hi")
    with monkeypatch.context() as patch:
        patch.setattr(leases, "LEASE_SECONDS", -1)
        assert put(api) == (202, "true")
    assert put(api) == (202, "true")
    assert api.delete().status_code == 409


def test_an_expired_lease_is_taken_over_and_its_old_owner_cannot_release_it(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(leases, "LEASE_SECONDS", -1)
        expired = leases.acquire(tables, "a", Purpose.WRITE)

    leases.acquire(tables, "a", Purpose.WRITE)

    assert expired.release() is None
    with pytest.raises(LeaseLostError):
        expired.renew()
    with pytest.raises(LeaseConflictError):
        leases.acquire(tables, "a", Purpose.WRITE)


def test_a_long_delete_renews_its_lease_and_stops_when_it_is_lost(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a", *("text",) * 230)
    monkeypatch.setattr(leases, "_RENEW_AFTER_SECONDS", 0)
    renewals: list[Lease] = []
    renew = Lease.renew

    def take_over_before_the_third(lease: Lease) -> None:
        renewals.append(lease)
        if len(renewals) == 3:
            row = api.tables.leases.get_entity("a", "lease")
            api.tables.leases.update_entity({**row, "Owner": "another"})
        renew(lease)

    monkeypatch.setattr(Lease, "renew", take_over_before_the_third)

    assert api.delete().status_code == 409
    assert len(renewals) == 3
    assert len(rows_of(api.tables.chat_state, "a")) == 32
    assert rows_of(api.tables.leases, "a")[0]["Owner"] == "another"


def test_a_short_delete_does_not_renew_its_lease(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation(api.tables, "a", *("text",) * 230)
    monkeypatch.setattr(Lease, "renew", failing(AssertionError("renewed")))
    assert api.delete().status_code == 204


def test_a_delayed_delete_removes_no_row_of_a_newer_conversation(tables: Tables) -> None:
    conversation(tables, "a", "Hi")
    stale = list(tables.chat_state.query_entities("PartitionKey eq 'a'"))
    create(tables, "a")
    fresh = rows_of(tables.chat_state, "a")

    stale_tables = with_methods(tables, "chat_state", query_entities=lambda *_, **__: stale)
    with pytest.raises(HttpResponseError):
        conversations.delete(stale_tables, "a", bool)
    assert rows_of(tables.chat_state, "a") == fresh


def test_a_delete_continues_after_a_lost_response(api: Api, tables: Tables) -> None:
    conversation(tables, "a", *("text",) * 130)
    transactions: list[object] = []

    def lose_the_first_response(submit: Any, operations: Any) -> None:
        transactions.append(submit(operations))
        if len(transactions) == 1:
            raise ServiceResponseError("lost")

    api.tables = with_methods(tables, "chat_state", submit_transaction=lose_the_first_response)
    assert api.delete().status_code == 204
    assert rows_of(tables.chat_state, "a") == []


def test_a_lease_that_cannot_be_released_does_not_change_the_response(
    api: Api, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    conversation(tables, "a", "Hi")
    api.tables = with_methods(tables, "leases", delete_entity=failing(ServiceRequestError("no route")))
    assert api.delete().status_code == 204
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
    seconds_left = (conflict.value.locked_until - datetime.now(UTC)).total_seconds()
    assert 25 < seconds_left <= 32, "by the table service's clock"
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    leases.acquire(tables, "b", Purpose.WRITE)
    leases.acquire(tables, "b", Purpose.WRITE)


def test_a_put_that_loses_its_lease_during_the_delete_creates_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(api.tables, "a", *("text",) * 230)
    monkeypatch.setattr(Lease, "renew", failing(leases.lost_lease("a")))
    response = api.put()
    assert (response.status_code, response.headers["Retry-After"], api.create_requests) == (409, "1", [])


def test_a_long_conversation_is_deleted_before_the_extension_replaces_it(api: Api) -> None:
    conversation(api.tables, "short", *("text",) * 98)
    conversation(api.tables, "long", *("text",) * 99)
    assert [api.put(assistant_id).status_code for assistant_id in ("short", "long")] == [202, 202]
    assert len(rows_of(api.tables.chat_state, "short")) == 100
    assert rows_of(api.tables.chat_state, "long") == []
    assert api.delete("long").status_code == 409, "until the extension has written"


@pytest.mark.parametrize("is_untouched", [False, True])
def test_a_lease_is_acquired_even_if_the_response_is_lost(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, is_untouched: bool
) -> None:
    """The SDK repeats an update whose response is lost, and reports a lost insert."""

    def insert(create_entity: Any, row: Any) -> None:
        create_entity(row)
        raise ServiceResponseError("lost")

    def update(update_entity: Any, *arguments: Any, **options: Any) -> Any:
        update_entity(*arguments, **options)
        return update_entity(*arguments, **options)

    conversation(tables, "a")
    before = conversations.get_state(tables, "a")
    assert before
    lossy = with_methods(tables, "leases", create_entity=insert, update_entity=update)

    with monkeypatch.context() as patch:
        patch.setattr(leases, "LEASE_SECONDS", -1)
        leases.acquire(lossy, "a", Purpose.POST, before if is_untouched else None)
    lease = leases.acquire(lossy, "a", Purpose.POST, before if is_untouched else None)

    lease.start_call(before)
    assert lease.release() is None
    assert rows_of(tables.leases, "a") == []


def test_an_insert_with_a_lost_response_detects_the_row_of_another_writer(tables: Tables) -> None:
    leases.acquire(tables, "a", Purpose.WRITE)
    lossy = with_methods(tables, "leases", create_entity=failing(ServiceResponseError("lost")))
    with pytest.raises(LeaseConflictError):
        leases.acquire(lossy, "a", Purpose.WRITE)
    with pytest.raises(ServiceResponseError):
        leases.acquire(lossy, "b", Purpose.WRITE)
