"""The timer that deletes idle assistants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest
from assistants import leases
from assistants.leases import Purpose
from assistants.retention import SweepResult, sweep
from assistants.routes import remove
from assistants.settings import Settings
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from azure.core.exceptions import ServiceRequestError

from tests.host_requests import conversation, rows_of

LONG_AGO = "2020-01-01T08:00:00"
IDLE_SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def left(tables: Tables) -> set[str]:
    return {row["PartitionKey"] for row in tables.chat_state.list_entities()}


@pytest.mark.parametrize("start", ["0", "c", "z"])
def test_idle_assistants_are_deleted_for_any_start_of_the_run(tables: Tables, start: str) -> None:
    for assistant_id in ("a", "c", "x", "x'y"):
        conversation(tables.chat_state, assistant_id, "Hi", "Hello.", at=LONG_AGO)
    conversation(tables.chat_state, "b", "Hi")

    assert sweep(tables, IDLE_SINCE, start=start) == SweepResult(3, finished=True)

    assert left(tables) == {"b", "x'y"}, "a partition that no request can name is not the app's"


def test_a_run_stops_at_its_limits_and_reports_that_it_is_not_finished(tables: Tables) -> None:
    for assistant_id in ("a", "b", "c"):
        conversation(tables.chat_state, assistant_id, at=LONG_AGO)
    assert sweep(tables, IDLE_SINCE, start="b", max_deleted=2) == SweepResult(2, finished=False)
    assert left(tables) == {"a"}
    assert sweep(tables, IDLE_SINCE, start="b", max_seconds=-1) == SweepResult(0, finished=False)


def test_an_assistant_that_is_being_written_is_kept(tables: Tables) -> None:
    conversation(tables.chat_state, "a", at=LONG_AGO)
    leases.acquire(tables, "a", Purpose.WRITE)
    assert sweep(tables, IDLE_SINCE, start="a") == SweepResult(0, finished=True)
    assert len(rows_of(tables.chat_state, "a")) == 2


def test_a_failed_removal_does_not_end_the_sweep(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for assistant_id in ("a", "b", "c"):
        conversation(tables.chat_state, assistant_id, at=LONG_AGO)
    delete = conversations.delete

    def fail_for_b(table: Any, assistant_id: str, before_each: Any) -> None:
        if assistant_id == "b":
            raise ServiceRequestError("no route")
        delete(table, assistant_id, before_each)

    monkeypatch.setattr(conversations, "delete", fail_for_b)
    assert sweep(tables, IDLE_SINCE, start="a") == SweepResult(2, finished=True, failed=1)
    assert left(tables) == {"b"}
    assert "The idle assistant b could not be deleted" in caplog.text


def test_a_sweep_without_a_table_deletes_nothing(tables: Tables) -> None:
    tables.chat_state.delete_table()
    try:
        assert sweep(tables, IDLE_SINCE, start="a") == SweepResult(0, finished=True)
    finally:
        tables.chat_state.create_table()


def test_only_expired_leases_are_deleted(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    lease_rows.delete_ended(tables, 10)  # there is no table yet
    for assistant_id in ("a", "b"):
        leases.acquire(tables, assistant_id, Purpose.WRITE)
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    monkeypatch.setattr(lease_rows, "_CLOCK_DIFFERENCE", timedelta(0))
    for assistant_id in ("c", "d", "e"):
        leases.acquire(tables, assistant_id, Purpose.CREATE)

    for most, left_over in ((2, 3), (10, 2)):
        lease_rows.delete_ended(tables, most)
        assert len(list(tables.leases.list_entities())) == left_over
    assert {row["PartitionKey"] for row in tables.leases.list_entities()} == {"a", "b"}


@pytest.mark.parametrize(("days", "rows"), [(0, 2), (30, 0)])
def test_the_timer_deletes_expired_leases_and_with_a_retention_idle_assistants(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch, days: int, rows: int
) -> None:
    conversation(tables.chat_state, "a", at=LONG_AGO)
    monkeypatch.setattr(leases, "LEASE_SECONDS", -1)
    monkeypatch.setattr(lease_rows, "_CLOCK_DIFFERENCE", timedelta(0))
    leases.acquire(tables, "never written", Purpose.CREATE)
    app = func.FunctionApp()
    app.register_functions(remove.blueprint(replace(settings, retention_days=days), tables))
    (function,) = [f for f in app.get_functions() if f.get_function_name() == "RemoveIdleAssistants"]
    timer_request: Any = None

    function.get_user_function()(timer_request)

    assert len(rows_of(tables.chat_state, "a")) == rows
    assert list(tables.leases.list_entities()) == []
