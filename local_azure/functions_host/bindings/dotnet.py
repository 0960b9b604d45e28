"""JSON, dates and numbers as .NET reads and writes them in rows and in binding values."""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import cast

Instant = str
"""UTC with seven digits and `Z`, such as `2026-11-25T10:00:00.1234567Z`; sorts by time."""

NEVER: Instant = "0001-01-01T00:00:00.0000000Z"
"""`default(DateTime)`."""

ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7})\d*)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
"""A string that Newtonsoft.Json parses as a date where it reads JSON without a target type."""

DEPTH_LIMIT = 64
"""Nesting levels that Newtonsoft.Json and System.Text.Json read."""

_MICROSOFT_DATE = re.compile(r"/Date\((-?\d{1,13})\)/", re.ASCII)
"""Milliseconds since 1970 (13 digits: years 1653 to 2286); Newtonsoft.Json parses it as a date, too."""

_BRACKET = re.compile(r"[\[{\]}]")
_JSON_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_NEWTONSOFT = {**{chr(code): f"\\u{code:04x}" for code in [*range(0x20), 0x85, 0x2028, 0x2029]}, **_SHORT}
_SYSTEM_TEXT = {
    **{chr(code): f"\\u{code:04X}" for code in [*range(0x20), 0x7F]},
    **{character: f"\\u{ord(character):04X}" for character in "\"&'+<>`"},
    **{character: escape for character, escape in _SHORT.items() if character != '"'},
}
_NEWTONSOFT_TABLE = str.maketrans(_NEWTONSOFT)
_SYSTEM_TEXT_TABLE = str.maketrans(_SYSTEM_TEXT)
_NON_ASCII = re.compile(r"[^\x00-\x7f]")


def newtonsoft(value: object) -> str:
    """`JsonConvert.SerializeObject`: no spaces, characters beyond ASCII as they are."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return f"{{{','.join(f'{newtonsoft(name)}:{newtonsoft(member)}' for name, member in members)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(newtonsoft(element) for element in cast('Sequence[object]', value))}]"
    if isinstance(value, str):
        return f'"{value.translate(_NEWTONSOFT_TABLE)}"'
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else f'"{number(value)}"'
    return json.dumps(value)


def system_text(value: str) -> str:
    """A string as `System.Text.Json` writes it by default: HTML and non-ASCII characters are escaped."""

    def escape(match: re.Match[str]) -> str:
        units = match.group().encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2))

    return f'"{_NON_ASCII.sub(escape, value.translate(_SYSTEM_TEXT_TABLE))}"'


def well_formed(text: str) -> str:
    """Replaces unpaired surrogates by U+FFFD, as .NET does when it writes UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def number(value: float) -> str:
    """A double in the invariant culture: `1.0` stays `1.0` in JSON, exponents are `E+20`."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return re.sub(r"e([+-])(\d+)", lambda match: f"E{match[1]}{match[2]}", repr(value))


def check_depth(text: str) -> None:
    """Raises ValueError for JSON with more than DEPTH_LIMIT nesting levels."""
    depth = 0
    for bracket in _BRACKET.findall(_JSON_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEPTH_LIMIT:
            raise ValueError(f"The maximum depth of {DEPTH_LIMIT} has been exceeded")


def strict_json(text: str) -> object:
    """Parses JSON as System.Text.Json does, numbers as floats. Raises ValueError."""
    check_depth(text)
    return json.loads(text, parse_int=float, parse_constant=_reject_constant)


def _reject_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def token_text(token: object) -> str | None:
    """`(string)token` of a parsed JSON value, where an ISO date-time is a date. Raises ValueError."""
    if token is None:
        return None
    if isinstance(token, bool):
        return "True" if token else "False"
    if isinstance(token, float):
        return number(token).removesuffix(".0")
    if isinstance(token, str):
        milliseconds = _MICROSOFT_DATE.fullmatch(token)
        if milliseconds is not None:
            return _invariant(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds[1])))
        match = ISO.fullmatch(token)
        return token if match is None else _invariant_date(token, match)
    if isinstance(token, int):
        return str(token)
    raise ValueError(f"Can not convert {'Array' if isinstance(token, list) else 'Object'} to String.")


def _invariant_date(token: str, match: re.Match[str]) -> str:
    try:
        moment = datetime.fromisoformat(match[1] + (match[3] if match[3] and match[3] != "Z" else ""))
    except ValueError:
        return token
    # .NET converts an offset to local time, which on Azure is UTC.
    return _invariant(moment.astimezone(UTC) if moment.tzinfo else moment)


def _invariant(moment: datetime) -> str:
    return f"{moment.month:02}/{moment.day:02}/{moment.year:04} {moment:%H:%M:%S}"


def now() -> Instant:
    return instant_of(time.time_ns())


def instant_of(nanoseconds: int) -> Instant:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 100:07d}Z"


def instant(text: str) -> Instant:
    """A date of table storage (`…Z`, any number of digits) as Instant. Raises ValueError."""
    match = ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date-time of table storage")
    return f"{match[1]}.{(match[2] or '').ljust(7, '0')}Z"


def newtonsoft_date(moment: Instant) -> str:
    """Without trailing zeros of the fraction; `default(DateTime)` has no kind, and so no `Z`."""
    if moment == NEVER:
        return "0001-01-01T00:00:00"
    return f"{moment.removesuffix('Z').rstrip('0').removesuffix('.')}Z"


_DATE_FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m-%dT%H:%M",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p",
)
_LONG = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,7})\d*)?\s?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def parse_date(text: str) -> Instant | None:
    """`DateTime.TryParse(…).ToUniversalTime()` where local time is UTC; None where it does not parse.

    Covers the formats that people and programs send, not every one that .NET accepts.
    """
    text = text.strip()
    if not text.isascii():
        return None
    match = _LONG.fullmatch(text)
    try:
        if match is not None:
            day, clock, fraction, zone = match.groups()
            moment = datetime.fromisoformat(f"{day}T{clock}")
            if zone and zone.upper() != "Z":
                hours, minutes = int(zone[1:3]), int(zone[-2:])
                offset = timedelta(hours=hours, minutes=minutes)
                moment += offset if zone[0] == "-" else -offset
            return f"{moment.isoformat()}.{(fraction or '').ljust(7, '0')}Z"
    except (ValueError, OverflowError):
        return None
    for form in _DATE_FORMS:
        try:
            return f"{datetime.strptime(text, form).isoformat()}.0000000Z"  # noqa: DTZ007 # local is UTC
        except ValueError:
            continue
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return f"{parsed.replace(tzinfo=None).isoformat()}.0000000Z" if text.endswith("GMT") else None
