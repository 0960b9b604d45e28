"""Texts that `DateTime.TryParse` reads as a date in the invariant culture, where local time is UTC."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from local_azure.functions_host.bindings.dotnet import NEVER, Instant

_SEPARATOR = r"\s*[-/.]\s*"
_MONTH, _DAY = r"(?P<month>\d\d?)", r"(?P<day>\d\d?)"
_YEAR = r"(?P<year>\d{4}|\d\d)"
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _names(group: str, names: tuple[str, ...]) -> str:
    """Whole or the first three letters."""
    return f"(?P<{group}>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in names)})"


_NAME = _names("name", _MONTHS)
_DATES = (
    rf"(?P<year>\d{{4}}){_SEPARATOR}{_MONTH}(?:{_SEPARATOR}{_DAY})?",
    rf"{_MONTH}{_SEPARATOR}{_DAY}(?:{_SEPARATOR}{_YEAR})?",
    rf"{_MONTH}{_SEPARATOR}(?P<year>\d{{4}})",
    rf"{_DAY}[\s-]+{_NAME}(?:[\s,-]+{_YEAR})?",
    rf"{_NAME}\s+{_DAY}(?:[\s,]+{_YEAR})?",
    rf"{_NAME}[\s,]+(?P<year>\d{{4}})",
)
_TIME = (
    r"(?P<hour>\d\d?)(?:\s*:\s*(?P<minute>\d\d?)(?:\s*:\s*(?P<second>\d\d?)(?:\.(?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AP]M))?|\s*(?P<only_half>[AP]M))"
    r"\s*(?P<zone>Z|GMT|(?P<sign>[-+])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?)?"
)
_PATTERNS = [
    re.compile(rf"\s*{pattern}[\s\0]*", re.ASCII | re.IGNORECASE)
    for pattern in (
        *(
            rf"(?:{_names('weekday', _WEEKDAYS)}[\s,]+)?{date}(?:(?:\s*(?P<iso>T)\s*|\s+){_TIME})?"
            for date in _DATES
        ),
        _TIME,
    )
]
_LATEST_TWO_DIGIT_YEAR = 49
_HALF_DAY = 12
_TICKS = 10_000_000
_WIDEST_OFFSET = timedelta(hours=14)


def parse(text: str) -> Instant | None:
    """None where .NET does not parse the text."""
    # Python's \s with re.ASCII does not cover U+00A0.
    matches = (pattern.fullmatch(text.replace("\xa0", " ")) for pattern in _PATTERNS)
    match = next((match for match in matches if match is not None), None)
    if match is None:
        return None
    try:
        return _instant(match.groupdict())
    except ValueError:
        return None


def _instant(part: dict[str, str | None]) -> Instant:
    date = _date(part)
    minute, second = int(part["minute"] or 0), int(part["second"] or 0)
    moment = date.replace(hour=_hour(part), minute=minute, second=second)
    fraction = Decimal(f"0.{part['fraction'] or 0}") * _TICKS
    seconds, ticks = divmod(int(fraction.to_integral_value(ROUND_HALF_EVEN)), _TICKS)
    try:
        moment += timedelta(seconds=seconds) - _offset(part)
    except OverflowError as error:
        if moment.year == 1:
            return NEVER
        raise ValueError("after the year 9999") from error
    return f"{moment.isoformat()}.{ticks:07}Z"


def _date(part: dict[str, str | None]) -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if part.get("month") is None and part.get("name") is None:
        return today
    year = int(part["year"] or today.year)
    if len(part["year"] or "") == 2:  # digits
        year += 2000 if year <= _LATEST_TWO_DIGIT_YEAR else 1900
    month = int(part.get("month") or _index(part["name"], _MONTHS) + 1)
    date = datetime(year, month, int(part.get("day") or 1))  # noqa: DTZ001 # local time is UTC
    if part.get("weekday") and _index(part["weekday"], _WEEKDAYS) != date.weekday():
        raise ValueError("not the day of the week of this date")
    return date


def _index(name: str | None, names: tuple[str, ...]) -> int:
    return [known[:3] for known in names].index(str(name)[:3].lower())


def _hour(part: dict[str, str | None]) -> int:
    hour, half = int(part["hour"] or 0), (part["half"] or part["only_half"] or "").upper()
    if half == "AM" and hour > _HALF_DAY:
        raise ValueError("an hour after noon")
    return hour % _HALF_DAY + (_HALF_DAY if half == "PM" else 0) if half and hour <= _HALF_DAY else hour


def _offset(part: dict[str, str | None]) -> timedelta:
    if part["zone"] and part["zone"].upper() == "GMT" and part.get("iso"):
        raise ValueError("GMT in a date of ISO 8601")
    offset = timedelta(hours=int(part["hours"] or 0), minutes=int(part["minutes"] or 0))
    if offset > _WIDEST_OFFSET:
        raise ValueError("an offset of more than 14 hours")
    return -offset if part["sign"] == "-" else offset
