"""Timer triggers: run on schedule, and once at the start of the host if an occurrence was missed."""

import asyncio
import fcntl
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from pathlib import Path

from local_azure import whole_file
from local_azure.functions_host.ncrontab import Schedule

log = logging.getLogger("Host.Triggers.Timer")

TRIGGER_TYPE = "timertrigger"
MAX_SLEEP = 3600.0
"""Seconds after which the clock is read again: a laptop may have slept, or its clock may have been set."""

LOGGED_OCCURRENCES = 5

LOCK_INTERVAL = 0.2
"""Seconds between two attempts to acquire the lock of a timer."""

NEVER = "0001-01-01T00:00:00"


@dataclass(frozen=True)
class TimerTrigger:
    parameter: str
    schedule: Schedule
    run_on_startup: bool = False
    use_monitor: bool = True
    """Stores the schedule status, so that a run that is past due at the start runs at once."""


ScheduleStatus = Mapping[str, str]
"""The extension's object: `Last`, `Next` and `LastUpdated`, ISO times in UTC; `Last` is NEVER at first."""

RunFunction = Callable[[str, str, str], Awaitable[None]]
"""Runs a function: its name, its parameter and the TimerInfo JSON. A failure is only logged."""


def timer_info(trigger: TimerTrigger, status: ScheduleStatus | None, *, past_due: bool) -> str:
    """The TimerInfo JSON that azure.functions converts to a TimerRequest; a manual run has no status."""
    return json.dumps(
        {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status if trigger.use_monitor else None,
            "IsPastDue": past_due,
        }
    )


class TimerListener:
    """Runs one timer function on its schedule; its status is stored in `folder` across hosts."""

    def __init__(
        self,
        function: str,
        trigger: TimerTrigger,
        folder: Path,
        run: RunFunction,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.status: ScheduleStatus | None = None
        self._function = function
        self._trigger = trigger
        self._file = folder / f"{function.lower()}.json"
        self._run = run
        self._now = now

    async def start(self) -> None:
        """Runs the function at once if a run is past due or the trigger has `runOnStartup`."""
        now = self._now()
        schedule = self._trigger.schedule
        upcoming = [schedule.after(now)]
        while len(upcoming) < LOGGED_OCCURRENCES and upcoming[-1].year < MAXYEAR:
            upcoming.append(schedule.after(upcoming[-1]))
        log.info(
            "The next %d occurrences of the '%s' schedule (Cron: '%s') will be: %s",
            len(upcoming),
            self._function,
            schedule.text,
            ", ".join(f"{occurrence:%Y-%m-%dT%H:%M:%SZ}" for occurrence in upcoming),
        )
        past_due = self._check_past_due(now)
        if past_due or self._trigger.run_on_startup:
            await self._invoke(now, past_due=past_due, scheduled=False)

    async def listen(self) -> None:
        """Runs until it is cancelled. A new host waits until the previous one releases the lock."""
        async with self._singleton_lock():
            await self.start()
            while True:
                await self.wait_for_occurrence()
                await self._invoke(self._now(), past_due=False, scheduled=True)

    @asynccontextmanager
    async def _singleton_lock(self) -> AsyncGenerator[None]:
        """A file lock, which ends with the process; the extension uses a lease of a blob."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._file.with_suffix(".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(LOCK_INTERVAL)
                else:
                    break
            yield

    async def wait_for_occurrence(self) -> None:
        """Returns at the next occurrence."""
        while (left := (self.next - self._now()).total_seconds()) > 0:  # noqa: ASYNC110 # a clock sets no event
            await asyncio.sleep(min(left, MAX_SLEEP))

    @property
    def next(self) -> datetime:
        return _moment(self.status["Next"]) if self.status is not None else datetime.max.replace(tzinfo=UTC)

    async def _invoke(self, now: datetime, *, past_due: bool, scheduled: bool) -> None:
        info = timer_info(self._trigger, self.status, past_due=past_due)
        await self._run(self._function, self._trigger.parameter, info)
        # Sleeping may end a little early, which must not run an occurrence twice.
        last = max(now, self.next) if scheduled else now
        self._save_status(_text(last), self._trigger.schedule.after(last), last)

    def _check_past_due(self, now: datetime) -> bool:
        schedule = self._trigger.schedule
        self.status = stored = self._read() if self._trigger.use_monitor else None
        if stored is None:
            self._save_status(NEVER, schedule.after(now), now)
            return False
        basis = _moment(stored["LastUpdated"])
        expected = schedule.after(basis)
        if _text(expected) != stored["Next"]:
            # The schedule has changed: occurrences of the old one are not run.
            if now > expected:
                basis, expected = now, schedule.after(now)
            self._save_status(NEVER, expected, basis)
        return now > expected

    def _read(self) -> ScheduleStatus | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored: dict[str, str] = json.loads(self._file.read_text())
            for name in ("Last", "Next", "LastUpdated"):
                _moment(stored[name])
            return stored
        return None

    def _save_status(self, last: str, upcoming: datetime, updated: datetime) -> None:
        self.status = {"Last": last, "Next": _text(upcoming), "LastUpdated": _text(updated)}
        if self._trigger.use_monitor:
            whole_file.write(self._file, json.dumps(self.status).encode(), 0o600)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
