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
_FIELDS: Mapping[str, tuple[int, int, Mapping[str, int]]] = {
    "second": (0, 59, {}),
    "minute": (0, 59, {}),
    "hour": (0, 23, {}),
    "day": (1, 31, {}),
    "month": (1, 12, _MONTHS),
    "weekday": (0, 6, _DAYS),
}
_LIST_ITEM = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_YEARS = 28
"""A period in which the 29th of February falls on every weekday."""


class ScheduleError(ValueError):
    """A schedule that the timer extension rejects, or that Flex Consumption does not support (TimeSpan)."""

    def __init__(self, schedule: str, reason: str) -> None:
        super().__init__(
            f"The schedule expression {schedule!r} was not recognized as a valid cron expression: {reason}. "
            f"NCRONTAB has the fields {', '.join(_FIELDS)}, such as in '0 */5 * * * *'."
        )


@dataclass(frozen=True)
class Schedule:
    text: str
    second: frozenset[int]
    minute: frozenset[int]
    hour: frozenset[int]
    day: frozenset[int]
    month: frozenset[int]
    weekday: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than the moment; `datetime.max` if there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        times = list(product(sorted(self.hour), sorted(self.minute), sorted(self.second)))
        for number in range(_YEARS * 366):
            day = start + timedelta(days=number)
            if day.month in self.month and day.day in self.day and (day.weekday() + 1) % 7 in self.weekday:
                earliest = (start.hour, start.minute, start.second) if number == 0 else (0, 0, 0)
                for hour, minute, second in (time for time in times if time >= earliest):
                    return day.replace(hour=hour, minute=minute, second=second)
        return datetime.max.replace(tzinfo=moment.tzinfo, microsecond=0)

    def is_within_a_minute(self) -> bool:
        return len(self.second) > 1


def parse(text: str) -> Schedule:
    """Raises ScheduleError."""
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != len(_FIELDS):
        raise ScheduleError(text, f"it has {len(fields)} fields")
    return Schedule(text, *(_values(field, name, text) for field, name in zip(fields, _FIELDS, strict=True)))


def _values(field: str, name: str, text: str) -> frozenset[int]:
    low, high, names = _FIELDS[name]

    def number(value: str) -> int:
        # NCrontab accepts `Sunday` as well as `sun`.
        known = int(value) if value.isdigit() else names.get(value[:3].upper())
        if known is None or not low <= known <= high:
            raise ScheduleError(text, f"{value!r} is not a {name} ({low} to {high})")
        return known

    values: set[int] = set()
    for part in field.split(","):
        matched = _LIST_ITEM.fullmatch(part)
        if matched is None or int(matched[4] or 1) < 1:
            raise ScheduleError(text, f"{part!r} is not a valid {name}")
        whole, first, last, step = matched.groups()
        start, end = (low, high) if whole == "*" else (number(first), number(last or first))
        if last is None and step is not None:
            end = high
        values.update(range(min(start, end), max(start, end) + 1, int(step or 1)))
    return frozenset(values)
