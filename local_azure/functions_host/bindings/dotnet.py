"""JSON, instants and numbers as .NET reads and writes them in rows and in binding values."""

import json
import math
import re
import struct
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

Instant = str
"""UTC with seven digits and `Z`, such as `2026-11-25T10:00:00.1234567Z`; sorts by time."""

NEVER: Instant = "0001-01-01T00:00:00.0000000Z"
"""`default(DateTime)`."""

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""`char.IsWhiteSpace`, for a character class of a pattern; Python counts U+001C to U+001F, too."""

DEPTH_LIMIT = 64
"""Nesting levels that Newtonsoft.Json and System.Text.Json read."""

_STORED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7})\d*)?Z?", re.ASCII)
_INTEGER_DIGITS = 20
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
_BLANK = re.compile(f"[{WHITE_SPACE}]*")


class Raw(str):
    """JSON that is written as it is."""

    __slots__ = ()


def is_blank(text: str | None) -> bool:
    """`string.IsNullOrWhiteSpace`."""
    return not text or _BLANK.fullmatch(text) is not None


def newtonsoft(value: object) -> str:
    """`JsonConvert.SerializeObject`: no spaces, characters beyond ASCII as they are."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return f"{{{','.join(f'{newtonsoft(name)}:{newtonsoft(member)}' for name, member in members)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(newtonsoft(element) for element in cast('Sequence[object]', value))}]"
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return f'"{value.translate(_NEWTONSOFT_TABLE)}"'
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else f'"{number(value)}"'
    return json.dumps(value)


def system_text(value: str | None) -> str:
    """A string as `System.Text.Json` writes it by default: HTML and non-ASCII characters are escaped."""

    def escape(match: re.Match[str]) -> str:
        units = match.group().encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2))

    if value is None:
        return "null"
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
    text = _shortest(repr(value), digits=17)
    return text if "." in text or "E" in text else f"{text}.0"


def single(value: float) -> str:
    """A single-precision number in the invariant culture: `1`, `0.7`, `1E+20`. Raises OverflowError."""
    bits = struct.pack("<f", value)
    nearest: float = struct.unpack("<f", bits)[0]
    texts = (f"{nearest:.{precision}g}" for precision in range(1, 10))
    return _shortest(next(text for text in texts if struct.pack("<f", float(text)) == bits), digits=9)


def _shortest(text: str, digits: int) -> str:
    """A finite number as .NET writes it: with an exponent if it has more `digits` before the point."""
    sign, significant, exponent = Decimal(text).normalize().as_tuple()
    number, point = "".join(map(str, significant)), len(significant) + int(exponent)
    if not -4 < point <= digits:  # 0.0001 has no exponent
        mantissa = f"{number[0]}.{number[1:]}".removesuffix(".")
        return f"{'-' * sign}{mantissa}E{point - 1:+03}"
    number = number.rjust(len(number) - min(point - 1, 0), "0")
    whole, fraction = number[: max(point, 1)].ljust(point, "0"), number[max(point, 1) :]
    return f"{'-' * sign}{whole}.{fraction}".removesuffix(".")


def strict_json(text: str) -> object:
    """Parses JSON as System.Text.Json does, up to DEPTH_LIMIT nesting levels. Raises ValueError."""
    depth = 0
    for bracket in _BRACKET.findall(_JSON_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEPTH_LIMIT:
            raise ValueError(f"The maximum depth of {DEPTH_LIMIT} has been exceeded")
    return json.loads(text, parse_int=_number, parse_constant=_reject_constant)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < _INTEGER_DIGITS else float(digits)


def utf8(value: object) -> str | None:
    """`JsonElement.GetString`. Raises ValueError for another type and for half a surrogate pair."""
    if not isinstance(value, str | None):
        raise ValueError(f"{value!r} is not a string")  # JSON of another shape
    if value is not None:
        value.encode()
    return value


def _reject_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def now() -> Instant:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 100:07d}Z"


def instant(text: str) -> Instant:
    """A date of table storage (`…Z`, any number of digits) as Instant. Raises ValueError."""
    match = _STORED.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date-time of table storage")
    return f"{match[1]}.{(match[2] or '').ljust(7, '0')}Z"


def newtonsoft_date(moment: Instant) -> str:
    """Without trailing zeros of the fraction."""
    return f"{moment.removesuffix('Z').rstrip('0').removesuffix('.')}Z"
