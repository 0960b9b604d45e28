"""Reads JSON as Newtonsoft.Json's JsonTextReader does, which takes much more than RFC 8259 allows.

Comments, single quotes, unquoted names, raw control characters, trailing commas, hexadecimal and octal
numbers, NaN, Infinity and undefined are read. Source: Newtonsoft.Json 13.0.3 and the recordings of the tests.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from local_azure.functions_host.bindings.dotnet import DEPTH_LIMIT, WHITE_SPACE, Raw, number

UNDEFINED = Raw("undefined")
_CONSTANTS: dict[str, object] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": UNDEFINED,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", **{same: same for same in "\\\"'/"}}
_SPACES = re.compile(rf"[\0{WHITE_SPACE}]*")
_BLANKS = re.compile(rf"(?:[\0{WHITE_SPACE}]+|/\*.*?\*/|//[^\r\n]*)*", re.DOTALL)
_QUOTED = {
    quote: re.compile(rf"{quote}([^{quote}\\]*(?:\\.[^{quote}\\]*)*){quote}", re.DOTALL) for quote in "\"'"
}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_NAME = re.compile(r"[\w$]+")
_NUMBER = re.compile(r"[-.\d][-+.\da-fA-FxX]*", re.ASCII)
_CONSTANT = re.compile("|".join(_CONSTANTS))
_LONGEST_INTEGER = 380
"""Characters of the longest integer that Newtonsoft.Json reads."""

_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d:\d\d)(?:\.(\d{1,7}))?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?", re.ASCII
)
_MICROSOFT_DATE = re.compile(r"/Date\((-?\d{1,18})([+-]\d{4})?\)/", re.ASCII)


class Date(str):
    """A string that is read as a date, in the form in which it is written again."""

    __slots__ = ()

    @property
    def invariant(self) -> str:
        """`DateTime.ToString` in the invariant culture."""
        return f"{self[5:7]}/{self[8:10]}/{self[:4]} {self[11:19]}"


class JsonObject(dict[str, Any]):
    """An object; the last of equal names counts."""


class Literal(str):
    """A number as it is written."""

    __slots__ = ()


def parse(text: str, *, dates: bool = True, literals: bool = False) -> Any:
    """Raises ValueError.

    With `dates` a string that looks like a date is a Date. With `literals` a number is a Literal, as where a
    member of type string is read.
    """
    reader = _Reader(text, dates=dates, literals=literals)
    value = reader.value(0)
    reader.skip_blanks()
    if reader.at < len(text):
        reader.fail("additional text")
    return value


class _Reader:
    def __init__(self, text: str, *, dates: bool, literals: bool) -> None:
        self.text = text
        self.at = 0
        self._dates = dates
        self._literals = literals

    def fail(self, problem: str) -> NoReturn:
        raise ValueError(f"{problem} at character {self.at} of {self.text[:200]!r}")

    def skip_blanks(self) -> str:
        """The next character that counts, empty at the end."""
        self.at = self._match(_BLANKS).end()
        return self.text[self.at : self.at + 1]

    def _match(self, pattern: re.Pattern[str], problem: str = "") -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            self.fail(problem)
        self.at = match.end()
        return match

    def value(self, depth: int) -> Any:
        match self.skip_blanks():
            case "{":
                return self._object(depth + 1)
            case "[":
                return self._array(depth + 1)
            case '"' | "'":
                text = self._string()
                return (date_of(text) or text) if self._dates else text
            case ",":
                # Nothing before a comma is undefined.
                return UNDEFINED
            case _ if constant := _CONSTANT.match(self.text, self.at):
                self.at = constant.end()
                return _CONSTANTS[constant[0]]
            case _:
                return self._number(self._match(_NUMBER, "no value")[0])

    def _object(self, depth: int) -> JsonObject:
        members = JsonObject()
        self._enter(depth)
        while (character := self.skip_blanks()) != "}":
            name = self._string() if character in ('"', "'") else self._match(_NAME, "no name of a member")[0]
            # No comment stands before the colon.
            self._match(_SPACES)
            if self.text[self.at : self.at + 1] != ":":
                self.fail("no colon after the name of a member")
            self.at += 1
            members[name] = self.value(depth)
            self._separator("}")
        self.at += 1
        return members

    def _array(self, depth: int) -> list[Any]:
        elements: list[Any] = []
        self._enter(depth)
        while self.skip_blanks() != "]":
            elements.append(self.value(depth))
            self._separator("]")
        self.at += 1
        return elements

    def _enter(self, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            self.fail(f"the maximum depth of {DEPTH_LIMIT} is exceeded")
        self.at += 1

    def _separator(self, end: str) -> None:
        character = self.skip_blanks()
        if character == ",":
            self.at += 1
        elif character != end:
            self.fail("no comma after a value")

    def _string(self) -> str:
        text = self._match(_QUOTED[self.text[self.at]], "unterminated string")[1]
        text = _ESCAPE.sub(self._unescape, text) if "\\" in text else text
        # Escapes of a surrogate pair are one character, half a pair is replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _unescape(self, escape: re.Match[str]) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        if escape[2] not in _ESCAPES:
            self.fail(f"bad escape {escape[0]!r}")
        return _ESCAPES[escape[2]]

    def _number(self, text: str) -> int | float | Literal:
        if text[0] == "0" and text[1:] and text[1] not in ".eE":
            base = 16 if text[1] in "xX" else 8
            number: int | float = int(text[2:] if base == 16 else text, base)  # hexadecimal
        elif re.fullmatch(r"-?\d+", text, re.ASCII):
            if len(text) > _LONGEST_INTEGER:
                self.fail("an integer of too many digits")
            number = int(text)
        else:
            number = float(text)
        return Literal(text) if self._literals else number


def date_of(text: str) -> Date | None:
    """The date that the text of a JSON string is read as; local time is UTC, as on Azure."""
    milliseconds = _MICROSOFT_DATE.fullmatch(text)
    try:
        if milliseconds is not None:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds[1]))
            return _written(moment, f"{int(milliseconds[1]) % 1000:03}", "+00:00" if milliseconds[2] else "Z")
        match = _DATE.fullmatch(text)
        if match is None:
            return None
        day, hour, rest, fraction, utc, sign, hours, minutes = match.groups(default="")
        if hour == "24" and (rest != "00:00" or fraction.strip("0")):
            return None
        moment = datetime.fromisoformat(f"{day}T{hour if hour != '24' else '00'}:{rest}")
        moment += timedelta(days=hour == "24")
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            moment += offset if sign == "-" else -offset
        return _written(moment, fraction, "+00:00" if sign else utc.upper())
    except (ValueError, OverflowError):
        return None


def _written(moment: datetime, fraction: str, zone: str) -> Date:
    digits = fraction.rstrip("0")
    return Date(f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{digits}" if digits else "") + zone)


def token_text(token: object) -> str | None:
    """`(string)token` of a parsed value; None for null and undefined. Raises ValueError."""
    if isinstance(token, Date):
        return token.invariant
    if token is None or token is UNDEFINED:
        return None
    if isinstance(token, bool):
        return "True" if token else "False"
    if isinstance(token, float):
        return number(token).removesuffix(".0")
    if isinstance(token, str | int):
        return str(token)
    raise ValueError(f"Can not convert {'Array' if isinstance(token, list) else 'Object'} to String.")
