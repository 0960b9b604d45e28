"""The timer that deletes idle assistants."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from assistants import leases
from assistants.leases import Purpose
from assistants.retention import SweepResult, delete_idle, sweep
from assistants.routes import remove
from assistants.settings import Settings
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from azure.core.exceptions import ServiceRequestError

from tests.host_requests import functions_of
from tests.integration.function_app.rows import conversation

IDLE_SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def idle(tables: Tables, *assistant_ids: str) -> None:
    for assistant_id in assistant_ids:
        conversation(tables, assistant_id, "Hi", at="2020-01-01T08:00:00")


def remaining(tables: Tables) -> set[str]:
    return {row["PartitionKey"] for row in tables.chat_state.list_entities()}


@pytest.mark.parametrize("start", ["0", "c", "z"])
def test_idle_assistants_are_deleted_for_any_start_of_the_run(tables: Tables, start: str) -> None:
    idle(tables, "a", "c", "x", "x'y")
    conversation(tables, "b", "Hi")
    assert sweep(tables, IDLE_SINCE, start=start) == SweepResult(3, finished=True)
    assert remaining(tables) == {"b", "x'y"}, "a partition that no request can name is not the app's"


def test_a_run_stops_at_its_limits_and_reports_that_it_is_not_finished(tables: Tables) -> None:
    idle(tables, "a", "b", "c")
    assert sweep(tables, IDLE_SINCE, start="b", max_deleted=2) == SweepResult(2, finished=False)
    assert remaining(tables) == {"a"}
    assert sweep(tables, IDLE_SINCE, start="b", max_seconds=-1) == SweepResult(0, finished=False)


def test_an_assistant_that_is_or_was_written_meanwhile_is_kept(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(tables, "a", "b")
    leases.acquire(tables, "a", Purpose.WRITE)
    acquire = leases.acquire

    def acquire_after_a_write(*arguments: Any) -> Any:
        state = tables.chat_state.get_entity("b", "state")
        tables.chat_state.update_entity({**state, "LastUpdatedAt": IDLE_SINCE})
        return acquire(*arguments)

    monkeypatch.setattr(leases, "acquire", acquire_after_a_write)
    assert sweep(tables, IDLE_SINCE, start="a") == SweepResult(0, finished=True)
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
    with caplog.at_level(logging.INFO), pytest.raises(RuntimeError, match=r"^1 idle assistants could not be"):
        delete_idle(tables, 30)
    assert remaining(tables) == {"b"}
    assert "The idle assistant b could not be deleted" in caplog.text
    assert "Deleted 2 assistants idle since " in caplog.text


def test_a_sweep_without_a_table_deletes_nothing(tables: Tables) -> None:
    tables.chat_state.delete_table()
    assert sweep(tables, IDLE_SINCE, start="a") == SweepResult(0, finished=True)


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
