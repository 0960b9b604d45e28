"""NCRONTAB expressions, the schedules of timer triggers: `{second} {minute} {hour} {day} {month} {weekday}`.

NCrontab differs from cron libraries: the seconds come first (or are left out), a day must match the day of
the month *and* the weekday, and there is no `L`, `#`, `@daily` or weekday 7. Times are UTC, as on Azure.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

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
_LIST_ITEM = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_TIME_SPAN = re.compile(r"-?(\d+|(\d+\.)?\d+:\d+(:\d+(\.\d+)?)?)", re.ASCII)
_YEARS = 28
"""A period in which the 29th of February falls on every weekday."""


class ScheduleError(ValueError):
    """A schedule that the timer extension rejects, or that Flex Consumption does not support."""


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
        """The first occurrence later than the moment; `datetime.max` if there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        for number in range(_YEARS * 366):
            this = day + timedelta(days=number)
            if self._includes_day(this):
                occurrence = self._first_of_day(this, start if number == 0 else this)
                if occurrence is not None:
                    return occurrence
        return datetime.max.replace(tzinfo=moment.tzinfo, microsecond=0)

    def is_within_a_minute(self) -> bool:
        return len(self.seconds) > 1

    def _includes_day(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and (day.weekday() + 1) % 7 in self.weekdays

    def _first_of_day(self, day: datetime, start: datetime) -> datetime | None:
        times = product(sorted(self.hours), sorted(self.minutes), sorted(self.seconds))
        earliest = (start.hour, start.minute, start.second)
        occurrence = next((time for time in times if time >= earliest), None)
        return (
            day.replace(hour=occurrence[0], minute=occurrence[1], second=occurrence[2])
            if occurrence
            else None
        )


def parse(text: str) -> Schedule:
    """Raises ScheduleError."""
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) == 1 and _TIME_SPAN.fullmatch(fields[0]):
        raise ScheduleError(
            f"The schedule {text!r} is a TimeSpan, which only an App Service plan supports. "
            f'Use an NCRONTAB expression such as "0 */5 * * * *".'
        )
    if len(fields) != len(_FIELDS):
        raise _invalid(text, f"it has {len(fields)} fields")
    return Schedule(
        text, *(_values(field, *known, text) for field, known in zip(fields, _FIELDS, strict=True))
    )


def _values(  # noqa: PLR0917 # a field, its rules and the whole expression
    field: str, name: str, low: int, high: int, names: Mapping[str, int], text: str
) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        matched = _LIST_ITEM.fullmatch(part)
        if matched is None:
            raise _invalid(text, f"{part!r} is not a valid {name}")
        whole, first, last, step = matched.groups()
        start, end = (low, high) if whole == "*" else (_number(first, name, names, text),) * 2
        if last is not None:
            end = _number(last, name, names, text)
        elif step is not None:
            end = high
        start, end = min(start, end), max(start, end)
        if start < low or end > high:
            raise _invalid(text, f"{part!r} is outside {low} to {high}, the values of {name}")
        if step is not None and int(step) < 1:
            raise _invalid(text, f"the step of {part!r} is less than 1")
        values.update(range(start, end + 1, int(step or 1)))
    return frozenset(values)


def _number(value: str, name: str, names: Mapping[str, int], text: str) -> int:
    if value.isdigit():
        return int(value)
    # NCrontab accepts `Sunday` as well as `sun`.
    known = names.get(value[:3].upper()) if len(value) >= 3 else None
    if known is None:
        raise _invalid(text, f"{value!r} is not a valid {name}")
    return known


def _invalid(text: str, reason: str) -> ScheduleError:
    return ScheduleError(
        f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan "
        f"string: {reason}. NCRONTAB has the fields {', '.join(name for name, *_ in _FIELDS)}."
    )
