"""Parses what a request holds. Pure functions: they return all problems and raise nothing."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import unquote, unquote_plus, unquote_to_bytes

from assistants import rules
from assistants.tables.conversations import Moment

# The longest instructions with every unit written as \uXXXX take 192 KiB. Whatever is larger is not
# parsed: the host would take up to 100 MiB.
MAX_BODY_BYTES = 256 * 1024
MAX_PAGE = 100
DEFAULT_PAGE = 50

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,9}))?(Z|[-+ ][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request.

    `location` is `path`, `query`, `header` or `body`; `name` is the parameter, header or member, None for
    the body as a whole.
    """

    location: str
    name: str | None
    detail: str


def id_problems(assistant_id: str) -> list[Problem]:
    if rules.ID.fullmatch(assistant_id):
        return []
    rule = f"must be 1 to {rules.MAX_ID_CHARACTERS} characters, each one of A-Z, a-z, 0-9, '_' and '-'"
    return [Problem("path", "assistantId", rule)]


def parse_create_body(body: bytes) -> tuple[str | None, list[Problem]]:
    """The instructions of a create request, None for the default: no body, or an object that has none."""
    if not body:
        return None, []
    members, problems = _parse_object(body, ("instructions",), "a JSON object, or empty")
    if "instructions" not in members:
        return None, problems
    instructions, member_problems = _text_member(members, "instructions", rules.instructions_problems)
    return instructions, problems + member_problems


def parse_message_body(body: bytes) -> tuple[str, list[Problem]]:
    """Read the body of a message: a JSON object with the one member `message`."""
    members, problems = _parse_object(body, ("message",), "a JSON object with the member message")
    if "message" not in members:
        return "", problems or [_member("message", "is missing")]
    message, member_problems = _text_member(members, "message", rules.message_problems)
    return message or "", problems + member_problems


def query_values(url: str) -> dict[str, list[str]]:
    """The values of a URL's query by the name in lower case, in order and still escaped."""
    values: dict[str, list[str]] = {}
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        values.setdefault(unquote_plus(name).lower(), []).append(value)
    return values


def query_problems(url: str, *names: str) -> list[Problem]:
    """What the host's parsed parameters no longer show: one given twice, and escapes that are not UTF-8.

    The host compares names without regard to case, joins the values of one name with commas and leaves out
    an empty value; escapes that are not UTF-8 stay as they are, so that `%E9` and `%25E9` become one text
    (recordings `http/echo-all-headers`, `id/echo-bad-utf8`).
    """
    values = query_values(url)
    problems: list[Problem] = []
    for name in names:
        given = values.get(name.lower(), [])
        if len(given) > 1:
            problems.append(Problem("query", name, "is given more than once"))
        if not all(map(_is_utf8, given)):
            problems.append(Problem("query", name, "is not UTF-8: its percent-encoded bytes must be"))
    return problems


def _is_utf8(escaped: str) -> bool:
    try:
        unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeError:
        return False
    return True


def parse_limit(query: Mapping[str, str]) -> tuple[int, list[Problem]]:
    text = query.get("limit", str(DEFAULT_PAGE))
    if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= MAX_PAGE:
        return int(text), []
    return DEFAULT_PAGE, [Problem("query", "limit", f"must be a whole number from 1 to {MAX_PAGE}")]


def parse_switch(query: Mapping[str, str], name: str) -> tuple[bool, list[Problem]]:
    text = query.get(name, "false")
    if text in ("true", "false"):
        return text == "true", []
    return False, [Problem("query", name, "must be true or false")]


def parse_moment(query: Mapping[str, str], name: str) -> tuple[Moment | None, list[Problem]]:
    """An ISO date, with or without a time; without an offset it is in UTC.

    Escapes are undone once more, as the extension does; so a `+` of an offset may have become a blank.
    """
    text = query.get(name)
    if text is None:
        return None, []
    found = _MOMENT.fullmatch(unquote(text))
    try:
        if found is None:
            raise ValueError(text)
        day, clock, digits, zone = found.groups()
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}").replace(tzinfo=UTC)
        if zone and zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            moment = moment + offset if zone[0] == "-" else moment - offset
    except (ValueError, OverflowError):
        return None, [Problem("query", name, "must be a UTC time such as 2026-11-25T08:00:00Z")]
    digits = f"{digits or '':0<7}"[:7]
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return Moment(f"{whole}.{digits}Z", moment.replace(microsecond=int(digits[:6]))), []


def encode_token(kind: str, place: str) -> str:
    """A continuation token: opaque to clients, and of one kind, so that none is taken for another."""
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def parse_token(query: Mapping[str, str], kind: str, rule: re.Pattern[str]) -> tuple[str, list[Problem]]:
    """The place behind which a page begins, "" for the first page."""
    text = query.get("continuationToken")
    if text is None:
        return "", []
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    found, _, place = decoded.partition(":")
    if found != kind or not rule.fullmatch(place) or encode_token(kind, place) != text:
        return "", [Problem("query", "continuationToken", "is none that this request has given out")]
    return place, []


class _Object:
    """A JSON object that still has its duplicate members."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _parse_object(body: bytes, known: tuple[str, ...], rule: str) -> tuple[dict[str, Any], list[Problem]]:
    if len(body) > MAX_BODY_BYTES:
        return {}, [_body(f"has {len(body)} bytes: the most is {MAX_BODY_BYTES}")]
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return {}, [_body(f"is not UTF-8: byte {error.start} is wrong")]
    except json.JSONDecodeError as error:
        return {}, [_body(f"is not JSON: {error.msg} at position {error.pos}")]
    except (ValueError, RecursionError) as error:
        return {}, [_body(f"is not JSON that can be read: {error}")]
    if not isinstance(found, _Object):
        return {}, [_body(f"must be {rule}")]
    members: dict[str, Any] = {}
    twice: set[str] = set()
    for name, value in found.pairs:
        if name in members:
            twice.add(name)
        members[name] = value
    problems = [
        _member(name, f"is unknown: the members are {', '.join(known)}")
        for name in members
        if name not in known
    ]
    # RFC 8259 section 4 leaves it open which of two counts, so that two readers may see two requests.
    problems += [_member(name, "is given more than once") for name in members if name in twice]
    return members, problems


def _text_member(
    members: Mapping[str, Any], name: str, check: Callable[[str], list[str]]
) -> tuple[str | None, list[Problem]]:
    value = members[name]
    if not isinstance(value, str):
        return None, [_member(name, "must be a string")]
    return value, [_member(name, detail) for detail in check(value)]


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _body(detail: str) -> Problem:
    return Problem("body", None, detail)


def _member(name: str, detail: str) -> Problem:
    return Problem("body", name, detail)
