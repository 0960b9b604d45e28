"""Timers with a clock of the test's own, and through the host."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_azure.functions_host import ncrontab, timers
from local_azure.functions_host.timers import TimerListener, TimerTrigger
from local_azure.tests.functions_host.harness import DEADLINE, LocalAzure, TestSite, until

HOURLY = "0 0 * * * *"
START = datetime(2026, 11, 25, 10, 20, tzinfo=UTC)


class Clock:
    def __init__(self, folder: Path) -> None:
        self.now = START
        self.folder = folder
        self.runs: list[dict[str, Any]] = []
        self.fired: asyncio.Queue[None] = asyncio.Queue()
        self.takes = timedelta()

    async def run(self, _function: str, info: str) -> None:
        self.runs.append(json.loads(info))
        self.fired.put_nowait(None)
        self.now += self.takes

    def timer(self, schedule: str = HOURLY, **flags: bool) -> TimerListener:
        trigger = TimerTrigger("timer", ncrontab.parse(schedule), **flags)
        return TimerListener("Retain", trigger, self.folder, self.run, lambda: self.now)

    async def start(self, schedule: str = HOURLY, **flags: bool) -> datetime:
        """Starts a new timer and returns its next occurrence."""
        timer = self.timer(schedule, **flags)
        await timer.start()
        return timer.next


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "timers")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-25T{text}+00:00")


async def test_what_was_missed_while_nothing_ran_is_run_once(clock: Clock) -> None:
    assert await clock.start() == at("11:00:00")
    assert clock.runs == []
    clock.now = at("14:30:00")
    assert await clock.start() == at("15:00:00")
    assert [run["IsPastDue"] for run in clock.runs] == [True]
    times = {"Last": timers.NEVER, "Next": at("11:00:00").isoformat(), "LastUpdated": START.isoformat()}
    assert clock.runs[0]["ScheduleStatus"] == times
    await clock.start()
    assert len(clock.runs) == 1


@pytest.mark.parametrize(("schedule", "flags"), [("* * * * * *", {}), (HOURLY, {"use_monitor": False})])
async def test_a_schedule_within_a_minute_or_without_a_monitor_is_not_remembered(
    clock: Clock, schedule: str, flags: dict[str, bool]
) -> None:
    await clock.start(schedule, **flags)
    assert not clock.folder.exists()


async def test_run_on_startup_runs_at_each_start(clock: Clock) -> None:
    await clock.start(run_on_startup=True)
    await clock.start(run_on_startup=True)
    assert [run["IsPastDue"] for run in clock.runs] == [False, False]


async def test_a_schedule_that_changed_runs_nothing_that_the_old_one_missed(clock: Clock) -> None:
    await clock.start()
    clock.now = at("14:30:00")
    assert await clock.start("0 45 * * * *") == at("14:45:00")
    assert clock.runs == []


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"Last": "x", "Next": "y", "LastUpdated": "z"}'])
async def test_a_file_that_is_broken_is_begun_anew(clock: Clock, content: str) -> None:
    clock.folder.mkdir()
    (clock.folder / "retain.json").write_text(content)
    assert await clock.start() == at("11:00:00")


async def test_a_run_that_takes_longer_than_its_interval_skips_occurrences(clock: Clock) -> None:
    clock.takes = timedelta(hours=2)
    await clock.start()
    clock.now = at("14:30:00")
    timer = clock.timer()
    await timer.start()
    # The start counts, not the end: what came due meanwhile is run once, at once.
    assert timer.next == at("15:00:00")
    await timer.wait_for_occurrence()


async def test_a_new_host_waits_for_the_one_before_it(clock: Clock) -> None:
    await clock.start()
    clock.now = at("14:30:00")
    first, second = (asyncio.create_task(clock.timer().listen()) for _ in range(2))
    try:
        await asyncio.wait_for(clock.fired.get(), DEADLINE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(clock.fired.get(), 2 * timers.LOCK_INTERVAL)
        clock.now = at("16:30:00")
        first.cancel()
        await asyncio.wait_for(clock.fired.get(), DEADLINE)
    finally:
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


# Through the host

APP = r"""
import logging
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
def Retain(timer: func.TimerRequest) -> None:
    logging.info("retained, past due: %s", timer.past_due)

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def Yearly(timer: func.TimerRequest) -> None:
    raise ValueError("a timer that fails")

@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def Off(timer: func.TimerRequest) -> None:
    logging.info("off by schedule or hand")

@app.timer_trigger(arg_name="timer", schedule="00:05:00")
def Span(timer: func.TimerRequest) -> None:
    pass

@app.route(route="hello")
def Hello(req: func.HttpRequest) -> str:
    return "hello"
"""


@pytest.fixture(scope="module")
def site(local_azure: LocalAzure) -> Iterator[TestSite]:
    site = local_azure.new_site(SCHEDULE="* * * * * *", AzureWebJobs_Off_Disabled="true")
    yield site.start(APP)
    site.delete()


@pytest.mark.parametrize(
    ("name", "status", "entry"),
    [
        # Disabled for its schedule only.
        ("off", 202, "off by schedule or hand"),
        ("Yearly", 202, "ValueError: a timer that fails"),
        ("Hello", 202, "only timers can be run manually"),
        ("Unknown", 404, ""),
        ("Span", 404, ""),
    ],
)
def test_a_function_is_run_manually(site: TestSite, name: str, status: int, entry: str) -> None:
    before = site.log.count(entry)
    headers = {"Content-Type": "application/json", "x-functions-key": site.keys["master"]}
    response = site.send("POST", f"/admin/functions/{name}", b'{"input": "x"}', headers)
    assert response.status == status
    if entry:
        until(lambda: site.log.count(entry) > before, f"{entry!r} in the log")


@pytest.mark.parametrize(
    ("key", "kind", "body", "status"),
    [
        ("default", "application/json", b"{}", 403),
        ("master", "application/json", b"[]", 400),
        ("master", "application/json", b"{broken", 400),
        ("master", "text/plain", b"{}", 415),
    ],
)
def test_a_manual_run_needs_the_master_key_and_a_json_object(
    site: TestSite, key: str, kind: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": kind, "x-functions-key": site.keys[key]}
    assert site.send("POST", "/admin/functions/Retain", body, headers).status == status


def test_a_timer_runs_by_its_schedule_and_a_failure_does_not_end_the_host(site: TestSite) -> None:
    until(lambda: site.log.count("retained, past due: False") >= 2, "two runs")
    assert site.send("GET", "/api/hello").body == b"hello"


def test_a_timer_that_is_disabled_or_in_error_has_no_listener_and_no_route(site: TestSite) -> None:
    assert "The next occurrence of 'Retain'" in site.log
    assert "The next occurrence of 'Off'" not in site.log
    assert any("'00:05:00' was not recognized" in error for error in site.host_status["errors"])
    assert site.functions == ["Retain", "Yearly", "Off", "Hello"]
    assert site.send("POST", "/api/Retain").status == 404
