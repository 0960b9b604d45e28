"""The timer that deletes idle assistants."""

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from assistants import leases, retention
from assistants.leases import Purpose
from assistants.retention import delete_idle
from assistants.routes import remove
from assistants.settings import Settings
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from azure.core.exceptions import ServiceRequestError

from tests.host_requests import functions_of
from tests.integration.function_app.rows import before_acquire, conversation


def idle(tables: Tables, *assistant_ids: str) -> None:
    for assistant_id in assistant_ids:
        conversation(tables, assistant_id, "Hi", at="2020-01-01T08:00:00")


def remaining(tables: Tables) -> set[str]:
    return {row["PartitionKey"] for row in tables.chat_state.list_entities()}


@pytest.fixture(autouse=True)
def _log_all(caplog: pytest.LogCaptureFixture) -> None:  # pyright: ignore[reportUnusedFunction] # pytest calls it
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("start", ["0", "c", "z"])
def test_idle_assistants_are_deleted_for_any_start_of_the_run(
    tables: Tables, caplog: pytest.LogCaptureFixture, start: str
) -> None:
    idle(tables, "a", "c", "x", "x'y")
    conversation(tables, "b", "Hi", at=f"{datetime.now(UTC) - timedelta(days=29):%Y-%m-%dT%H:%M:%S}")
    delete_idle(tables, 30, start=start)
    assert remaining(tables) == {"b", "x'y"}, "a partition that no request can name is not the app's"
    assert re.search(r"Deleted 3 assistants idle since \S+ \S+\n", caplog.text)


def test_a_run_stops_at_its_limits_and_says_so(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idle(tables, "a", "b", "c")
    for limit, value, kept in (("MAX_SECONDS", -1, {"a", "b", "c"}), ("MAX_DELETED", 2, {"a"})):
        with monkeypatch.context() as patch:
            patch.setattr(retention, limit, value)
            delete_idle(tables, 30, start="b")
        assert remaining(tables) == kept
        assert "the limit is reached, and the next run continues" in caplog.messages.pop()


def test_an_assistant_that_is_or_was_written_meanwhile_is_kept(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(tables, "a", "b")
    leases.acquire(tables, "a", Purpose.WRITE)
    state = tables.chat_state.get_entity("b", "state")
    written = {**state, "LastUpdatedAt": datetime.now(UTC)}
    before_acquire(monkeypatch, lambda: tables.chat_state.update_entity(written))
    delete_idle(tables, 30)
    assert remaining(tables) == {"a", "b"}


def test_a_failed_removal_does_not_end_the_sweep_but_fails_the_run(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idle(tables, "a", "b", "c")
    delete = conversations.delete

    def fail_for_b(table: Any, assistant_id: str, before_each: Any) -> None:
        if assistant_id == "b":
            raise ServiceRequestError("no route")
        delete(table, assistant_id, before_each)

    monkeypatch.setattr(conversations, "delete", fail_for_b)
    with pytest.raises(RuntimeError, match=r"^1 idle assistants could not be"):
        delete_idle(tables, 30)
    assert remaining(tables) == {"b"}
    assert "The idle assistant b could not be deleted" in caplog.text
    assert "Deleted 2 assistants idle since " in caplog.text


def test_a_sweep_without_a_table_deletes_nothing(tables: Tables, caplog: pytest.LogCaptureFixture) -> None:
    tables.chat_state.delete_table()
    delete_idle(tables, 30)
    assert "Deleted 0 assistants idle since " in caplog.text


def test_only_expired_leases_are_deleted(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    lease_rows.delete_ended(tables, 10)  # there is no table yet
    for assistant_id in ("a", "b"):
        leases.acquire(tables, assistant_id, Purpose.WRITE)
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    monkeypatch.setattr(lease_rows, "_CLOCK_DIFFERENCE", timedelta(0))
    for assistant_id in ("c", "d", "e"):
        leases.acquire(tables, assistant_id, Purpose.CREATE)

    for max_rows, rows in ((2, 3), (10, 2)):
        lease_rows.delete_ended(tables, max_rows)
        assert len(list(tables.leases.list_entities())) == rows
    assert {row["PartitionKey"] for row in tables.leases.list_entities()} == {"a", "b"}


@pytest.mark.parametrize(("days", "assistants"), [(0, {"a"}), (30, set[str]())])
def test_the_timer_deletes_expired_leases_and_with_a_retention_idle_assistants(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch, days: int, assistants: set[str]
) -> None:
    idle(tables, "a")
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    monkeypatch.setattr(lease_rows, "_CLOCK_DIFFERENCE", timedelta(0))
    leases.acquire(tables, "never written", Purpose.CREATE)
    app = functions_of(remove.blueprint(replace(settings, retention_days=days), tables))

    app["RemoveIdleAssistants"].get_user_function()(None)

    assert remaining(tables) == assistants
    assert list(tables.leases.list_entities()) == []
