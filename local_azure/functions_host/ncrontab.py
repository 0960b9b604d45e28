"""NCRONTAB, the schedules of timer triggers: `{second} {minute} {hour} {day} {month} {weekday}`.

No cron library reads it as NCrontab does: six fields with the seconds first, a day
that has to fit the month's day *and* the weekday, no `L`, `#`, `@daily` or weekday 7.
Five fields have no seconds. Times are UTC, as they are on Azure.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = {name.upper(): at for at, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name.upper(): (at + 1) % 7 for at, name in enumerate(calendar.day_abbr)}
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 6, _DAYS),
)
_ITEM = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_TIME_SPAN = re.compile(r"-?(\d+|(\d+\.)?\d+:\d+(:\d+(\.\d+)?)?)", re.ASCII)
_YEARS = 28
"""After so many years the weekdays of the 29th of February have come round."""


class ScheduleError(ValueError):
    """A schedule that the timer extension refuses, or that Flex Consumption does not run."""


@dataclass(frozen=True)
class Schedule:
    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than the moment; `datetime.max` when there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        for number in range(_YEARS * 366):
            this = day + timedelta(days=number)
            if self._has(this):
                found = self._in_day(this, start if number == 0 else this)
                if found is not None:
                    return found
        return datetime.max.replace(tzinfo=moment.tzinfo, microsecond=0)

    def is_within_a_minute(self) -> bool:
        return len(self.seconds) > 1

    def _has(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and (day.weekday() + 1) % 7 in self.weekdays

    def _in_day(self, day: datetime, start: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in sorted(self.seconds):
                    found = day.replace(hour=hour, minute=minute, second=second)
                    if found >= start:
                        return found
        return None


def parse(text: str) -> Schedule:
    """Raises ScheduleError."""
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) == 1 and _TIME_SPAN.fullmatch(fields[0]):
        raise ScheduleError(
            f"The schedule {text!r} is a TimeSpan, and those run on an App Service plan only. "
            f'Write it in NCRONTAB, such as "0 */5 * * * *".'
        )
    if len(fields) != len(_FIELDS):
        raise _refused(text, f"it has {len(fields)} fields")
    return Schedule(
        text, *(_values(field, *known, text) for field, known in zip(fields, _FIELDS, strict=True))
    )


def _values(  # noqa: PLR0917 # a field and what is known of it
    field: str, name: str, low: int, high: int, names: Mapping[str, int], text: str
) -> frozenset[int]:
    found: set[int] = set()
    for item in field.split(","):
        matched = _ITEM.fullmatch(item)
        if matched is None:
            raise _refused(text, f"{item!r} is no {name}")
        whole, first, last, step = matched.groups()
        start, end = (low, high) if whole == "*" else (_number(first, name, names, text),) * 2
        if last is not None:
            end = _number(last, name, names, text)
        elif step is not None:
            end = high
        start, end = min(start, end), max(start, end)
        if start < low or end > high:
            raise _refused(text, f"{item!r} lies outside {low} to {high}, the values of {name}")
        if step is not None and int(step) < 1:
            raise _refused(text, f"the step of {item!r} is less than 1")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(value: str, name: str, names: Mapping[str, int], text: str) -> int:
    if value.isdigit():
        return int(value)
    # NCrontab takes `Sunday` as well as `sun`.
    known = names.get(value[:3].upper()) if len(value) >= 3 else None
    if known is None:
        raise _refused(text, f"{value!r} is no {name}")
    return known


def _refused(text: str, reason: str) -> ScheduleError:
    return ScheduleError(
        f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan "
        f"string: {reason}. NCRONTAB has the fields {', '.join(name for name, *_ in _FIELDS)}."
    )
