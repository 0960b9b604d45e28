"""Timer triggers: run on schedule, and once at the start of the host if an occurrence was missed."""

import asyncio
import fcntl
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_azure import whole_file
from local_azure.functions_host.ncrontab import Schedule

log = logging.getLogger("Host.Triggers.Timer")

TRIGGER_TYPE = "timertrigger"
MAX_SLEEP = 3600.0
"""Seconds after which the clock is read again: a laptop may have slept, or its clock may have been set."""

LOCK_INTERVAL = 0.2
"""Seconds between two attempts to acquire the lock of a timer."""

NEVER = "0001-01-01T00:00:00"


@dataclass(frozen=True)
class TimerTrigger:
    parameter: str
    schedule: Schedule
    run_on_startup: bool = False
    use_monitor: bool = True
    """Stores the schedule's status, so that a run that is past due at the start runs at once."""


ScheduleStatus = Mapping[str, str]
"""The extension's object: `Last`, `Next` and `LastUpdated`, ISO times in UTC; `Last` is NEVER at first."""

RunFunction = Callable[[str, str], Awaitable[None]]
"""Runs a function: its name and the TimerInfo JSON. A failure is only logged."""


def timer_info(status: ScheduleStatus | None, *, past_due: bool) -> str:
    """The TimerInfo JSON that azure.functions converts to a TimerRequest; a manual run has no status."""
    return json.dumps(
        {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status,
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
        self._function = function
        self._trigger = trigger
        self._file = folder / f"{function.lower()}.json"
        self._run = run
        self._now = now
        self._status: ScheduleStatus = {}
        # As in the extension, the status of a schedule within a minute is not stored.
        self._is_monitored = trigger.use_monitor and not trigger.schedule.is_within_a_minute()

    @property
    def next(self) -> datetime:
        """Of a listener that has started."""
        return datetime.fromisoformat(self._status["Next"])

    async def listen(self) -> None:
        """Runs until it is cancelled. A new host waits until the previous one releases the lock."""
        async with self._singleton_lock():
            await self.start()
            while True:
                await self.wait_for_occurrence()
                # Sleeping may end a little early, which must not run an occurrence twice.
                await self._invoke(max(self._now(), self.next), past_due=False)

    @asynccontextmanager
    async def _singleton_lock(self) -> AsyncGenerator[None]:
        """A file lock, which ends with the process; the extension uses a lease of a blob."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._file.with_suffix(".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(LOCK_INTERVAL)
            yield

    async def start(self) -> None:
        """Runs the function at once if a run is past due or the trigger has `runOnStartup`."""
        now = self._now()
        past_due = self._check_past_due(now)
        log.info(
            "The next occurrence of '%s' (%s) is %s", self._function, self._trigger.schedule.text, self.next
        )
        if past_due or self._trigger.run_on_startup:
            await self._invoke(now, past_due=past_due)

    async def wait_for_occurrence(self) -> None:
        """Returns at the next occurrence."""
        while (left := (self.next - self._now()).total_seconds()) > 0:  # noqa: ASYNC110 # a clock sets no event
            await asyncio.sleep(min(left, MAX_SLEEP))

    async def _invoke(self, now: datetime, *, past_due: bool) -> None:
        status = self._status if self._is_monitored else None
        await self._run(self._function, timer_info(status, past_due=past_due))
        self._save_status(now.isoformat(), self._trigger.schedule.after(now), now)

    def _check_past_due(self, now: datetime) -> bool:
        schedule = self._trigger.schedule
        stored = self._read() if self._is_monitored else None
        if stored is None:
            self._save_status(NEVER, schedule.after(now), now)
            return False
        self._status = stored
        basis = datetime.fromisoformat(stored["LastUpdated"])
        expected = schedule.after(basis)
        if expected != self.next:
            # The schedule has changed: occurrences of the old one are not run.
            if now > expected:
                basis, expected = now, schedule.after(now)
            self._save_status(NEVER, expected, basis)
        return now > expected

    def _read(self) -> ScheduleStatus | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored: dict[str, str] = json.loads(self._file.read_text())
            for name in ("Next", "LastUpdated"):
                datetime.fromisoformat(stored[name]).astimezone(UTC)
            return stored
        return None

    def _save_status(self, last: str, upcoming: datetime, updated: datetime) -> None:
        self._status = {"Last": last, "Next": upcoming.isoformat(), "LastUpdated": updated.isoformat()}
        if self._is_monitored:
            whole_file.write(self._file, json.dumps(self._status).encode(), 0o600)
