"""DELETE, and the lease that it shares with PUT and POST."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from assistants import conversations, leases, remove
from assistants.create import respond as put_respond
from assistants.leases import Held, Lease
from assistants.storage import Tables
from azure.core.exceptions import HttpResponseError
from azure.functions.http import HttpResponseConverter

from tests.unit.function_app.conftest import conversation, request, rows_of
from tests.unit.function_app.test_create import HOSTILE_IDS, RecordingOut


def delete(tables: Tables, assistant_id: str) -> int:
    return remove.respond(request("DELETE", assistant_id), tables).status_code


def put(tables: Tables, assistant_id: str, **headers: str) -> tuple[int, str | None, int]:
    """Status, the header Assistant-Replaced, and how many creates were asked for."""
    out = RecordingOut()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = put_respond(request("PUT", assistant_id, headers=named), out, "Be brief.", tables)
    return response.status_code, response.headers.get("Assistant-Replaced"), len(out.values)


def created(tables: Tables, assistant_id: str) -> None:
    """What the extension makes of a create request."""
    conversations.delete(tables.chat_state, assistant_id)
    soon = datetime.now(UTC) + timedelta(seconds=1)  # the helper's times have no fractions
    conversation(tables.chat_state, assistant_id, at=soon.strftime("%Y-%m-%dT%H:%M:%S"))


def test_all_rows_of_one_go_and_all_of_others_stay(tables: Tables) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)
    for other in ("a-", "b", "A"):
        conversation(tables.chat_state, other, "Hi")

    assert delete(tables, "a") == 204

    assert rows_of(tables.chat_state, "a") == []
    assert [len(rows_of(tables.chat_state, other)) for other in ("a-", "b", "A")] == [3, 3, 3]
    assert rows_of(tables.leases, "a") == []


def test_it_can_be_repeated(tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    assert [delete(tables, "a") for _ in range(3)] == [204] * 3


class Failing:
    """A table client whose process is killed behind so many transactions."""

    def __init__(self, table: Any, left: int) -> None:
        self._table = table
        self._left = left

    def submit_transaction(self, operations: Any) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self._table.submit_transaction(operations)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def test_cut_off_half_way_it_leaves_nothing_that_is_shown_and_the_next_one_finishes(tables: Tables) -> None:
    conversation(tables.chat_state, "a", *("text",) * 230)
    cut: Any = type("Cut", (), {"chat_state": Failing(tables.chat_state, 1), "leases": tables.leases})

    with pytest.raises(KeyboardInterrupt):
        delete(cut, "a")

    left = rows_of(tables.chat_state, "a")
    assert len(left) == 132
    assert "state" not in {row["RowKey"] for row in left}
    assert delete(tables, "a") == 204
    assert rows_of(tables.chat_state, "a") == []


def test_while_somebody_writes_neither_delete_nor_put_touches_a_row(tables: Tables) -> None:
    conversation(tables.chat_state, "a", "Hi")
    before = rows_of(tables.chat_state, "a")
    lease = leases.acquire(tables, "a")
    assert isinstance(lease, Lease)

    response = remove.respond(request("DELETE", "a"), tables)
    assert (response.status_code, response.mimetype) == (409, "application/problem+json")
    assert 1 <= int(response.headers["Retry-After"]) <= 5
    assert put(tables, "a") == (409, None, 0)
    assert rows_of(tables.chat_state, "a") == before

    leases.release(tables.leases, lease)
    assert delete(tables, "a") == 204


def test_put_says_whether_it_replaces(tables: Tables) -> None:
    assert put(tables, "a") == (202, "false", 1)
    created(tables, "a")
    assert put(tables, "a") == (202, "true", 1)


def test_if_none_match_leaves_an_existing_one_alone_and_creates_a_missing_one_once(tables: Tables) -> None:
    conversation(tables.chat_state, "a")
    assert put(tables, "a", If_None_Match="*") == (412, None, 0)
    assert put(tables, "b", If_None_Match="*") == (202, "false", 1)
    assert put(tables, "b", If_None_Match="*") == (409, None, 0)
    created(tables, "b")
    assert put(tables, "b", If_None_Match="*") == (412, None, 0)
    assert {row["PartitionKey"] for row in tables.leases.list_entities()} == {"b"}


def test_if_none_match_sees_what_another_created_before_its_claim(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = leases.claim

    def after_another(*arguments: Any) -> Any:
        conversation(tables.chat_state, "a")
        return claim(*arguments)

    monkeypatch.setattr(leases, "claim", after_another)
    assert put(tables, "a", If_None_Match="*") == (412, None, 0)
    assert rows_of(tables.leases, "a") == []


@pytest.mark.parametrize("before", [0, 1, 3], ids=["new", "never posted to", "posted to"])
def test_until_the_rows_of_a_create_are_there_nobody_writes_and_then_everybody_at_once(
    tables: Tables, before: int
) -> None:
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


def test_a_create_that_failed_stands_in_the_way_until_its_claim_ends(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation(tables.chat_state, "a", "Hi")
    monkeypatch.setattr(leases, "CLAIM_SECONDS", -1)
    assert put(tables, "a")[0] == 202
    monkeypatch.undo()
    assert put(tables, "a")[0] == 202
    assert delete(tables, "a") == 409


def test_another_precondition_is_refused(tables: Tables) -> None:
    out = RecordingOut()
    response = put_respond(request("PUT", "a", headers={"If-None-Match": '"1"'}), out, "x", tables)
    assert (response.status_code, out.values) == (400, [])
    assert json.loads(response.get_body())["errors"][0] == {
        "in": "header",
        "name": "If-None-Match",
        "detail": "must be *, since an assistant has no entity tag",
    }


def test_a_lease_that_ended_is_taken_over_and_its_old_owner_cannot_give_it_back(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    ended = leases.acquire(tables, "a")
    assert isinstance(ended, Lease)
    monkeypatch.undo()

    taken = leases.acquire(tables, "a")

    assert isinstance(taken, Lease)
    leases.release(tables.leases, ended)
    assert isinstance(leases.acquire(tables, "a"), Held)


class AnswerLost:
    """A table client whose first answer to a write is lost: the SDK sends the request again."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def create_entity(self, *arguments: Any, **options: Any) -> Any:
        self._table.create_entity(*arguments, **options)
        return self._table.create_entity(*arguments, **options)

    def update_entity(self, *arguments: Any, **options: Any) -> Any:
        self._table.update_entity(*arguments, **options)
        return self._table.update_entity(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


@pytest.mark.parametrize("untouched", [False, True])
def test_a_lease_whose_answer_was_lost_is_had_all_the_same(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, untouched: bool
) -> None:
    conversation(tables.chat_state, "a")
    state = conversations.get_state(tables.chat_state, "a") if untouched else None
    lossy: Any = type("Lossy", (), {"chat_state": tables.chat_state, "leases": AnswerLost(tables.leases)})

    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    assert isinstance(leases.acquire(lossy, "a", state), Lease), "inserted"
    monkeypatch.undo()
    taken = leases.acquire(lossy, "a", state)

    assert isinstance(taken, Lease), "taken over"
    leases.release(tables.leases, taken)
    assert rows_of(tables.leases, "a") == []


@pytest.mark.parametrize("assistant_id", [one for one in HOSTILE_IDS if one])
def test_a_hostile_id_reaches_no_table(assistant_id: str) -> None:
    nothing: Any = None
    assert delete(nothing, assistant_id) == 400


def test_storage_that_is_busy_is_a_503_and_any_other_failure_a_500_without_its_words() -> None:
    from assistants.responses import answered

    def failing(status: int) -> Any:
        error = HttpResponseError("AccountKey=secret")
        error.status_code = status

        def handle() -> Any:
            raise error

        return handle

    busy, refused = answered(failing(503)), answered(failing(403))
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
    assert refused.status_code == 500
    assert b"secret" not in busy.get_body() + refused.get_body()


def test_the_204_has_a_content_type_though_no_body(tables: Tables) -> None:
    """`azure.functions` adds one to every answer, and the host sends it (recording `204-empty-bytes`)."""
    response = remove.respond(request("DELETE", "a"), tables)
    encoded = HttpResponseConverter.encode(response, expected_type=None).value
    assert (encoded["status_code"].value, encoded["body"].value) == ("204", b"")
    assert encoded["headers"]["content-type"].value == "text/plain; charset=utf-8"
