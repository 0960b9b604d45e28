"""Parses requests. Pure functions that return all problems and raise nothing."""

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

# The longest instructions with every unit written as \uXXXX take 192 KiB. A larger body is not
# parsed: the host accepts up to 100 MiB.
MAX_BODY_BYTES = 256 * 1024
MAX_PAGE = 100
DEFAULT_PAGE = 50
_ID_RULE = f"must be 1 to {rules.MAX_ID_CHARACTERS} characters, each one of A-Z, a-z, 0-9, '_' and '-'"

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,9}))?(Z|[-+ ][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True)
class Problem:
    """A validation error.

    `location` is `path`, `query`, `header` or `body`; `name` is the parameter, header or member, None for
    the whole body.
    """

    location: str
    name: str | None
    detail: str


def id_problems(assistant_id: str) -> list[Problem]:
    if rules.ID.fullmatch(assistant_id):
        return []
    return [Problem("path", "assistantId", _ID_RULE)]


def parse_create_body(body: bytes) -> tuple[str | None, list[Problem]]:
    """The instructions of a create request; None, for the default, if there is no body or no such member."""
    if not body:
        return None, []
    members, problems = _parse_object(body, ("instructions",), "a JSON object, or empty")
    if "instructions" not in members:
        return None, problems
    instructions, member_problems = _text_member(members, "instructions", rules.text_problems)
    return instructions, problems + member_problems


@dataclass(frozen=True)
class Message:
    """`total_messages`: how many messages the conversation must have; None if that does not matter."""

    text: str
    total_messages: int | None = None


def parse_message_body(body: bytes) -> tuple[Message, list[Problem]]:
    """The message in a body: a JSON object with `message`, and optionally `totalMessages`."""
    known = ("message", "totalMessages")
    members, problems = _parse_object(body, known, "a JSON object with the member message")
    total = members.get("totalMessages")
    if "totalMessages" in members and (type(total) is not int or total < 0):  # True is an int, too
        problems.append(_member("totalMessages", "must be a whole number from 0"))
    if "message" not in members:
        return Message(""), problems or [_member("message", "is missing")]
    message, member_problems = _text_member(members, "message", rules.message_problems)
    return Message(message or "", total), problems + member_problems


def query_values(url: str) -> dict[str, list[str]]:
    """The values in a URL's query, by parameter name in lower case. They are in order and still encoded."""
    values: dict[str, list[str]] = {}
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        values.setdefault(unquote_plus(name).lower(), []).append(value)
    return values


def query_problems(url: str, *names: str) -> list[Problem]:
    """Problems that the host's own parsing hides: duplicate parameters, and encoded bytes that are not UTF-8.

    The host compares names case-insensitively, joins the values of one name with commas and drops empty
    values. It leaves encoded bytes that are not UTF-8 as they are, so that `%E9` and `%25E9` become the same
    text (recordings `http/echo-all-headers`, `id/echo-bad-utf8`).
    """
    values = query_values(url)
    problems: list[Problem] = []
    for name in names:
        encoded_values = values.get(name.lower(), [])
        if len(encoded_values) > 1:
            problems.append(Problem("query", name, "is given more than once"))
        if not all(map(_is_utf8, encoded_values)):
            problems.append(
                Problem("query", name, "is not UTF-8: its percent-encoded bytes must be valid UTF-8")
            )
    return problems


def _is_utf8(encoded: str) -> bool:
    try:
        unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeError:
        return False
    return True


def parse_limit(query: Mapping[str, str]) -> tuple[int, list[Problem]]:
    text = query.get("limit", str(DEFAULT_PAGE))
    if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= MAX_PAGE:
        return int(text), []
    return DEFAULT_PAGE, [Problem("query", "limit", f"must be a whole number from 1 to {MAX_PAGE}")]


def parse_prefix(query: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The beginning of an id, "" for none. It has the characters of an id, and so may stand in a filter."""
    text = query.get("prefix", "")
    if not text or rules.ID.fullmatch(text):
        return text, []
    return "", [Problem("query", "prefix", _ID_RULE)]


def parse_switch(query: Mapping[str, str], name: str) -> tuple[bool, list[Problem]]:
    text = query.get(name, "false")
    if text in ("true", "false"):
        return text == "true", []
    return False, [Problem("query", name, "must be true or false")]


def parse_moment(query: Mapping[str, str], name: str) -> tuple[Moment | None, list[Problem]]:
    """An ISO 8601 date, with or without a time; without an offset it is in UTC.

    The value is percent-decoded a second time, as the extension does; so the `+` of an offset may have become
    a space.
    """
    text = query.get(name)
    if text is None:
        return None, []
    match = _MOMENT.fullmatch(unquote(text))
    try:
        if match is None:
            raise ValueError(text)
        day, clock, digits, zone = match.groups()
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}").replace(tzinfo=UTC)
        if zone and zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            moment = moment + offset if zone[0] == "-" else moment - offset
    except (ValueError, OverflowError):
        return None, [Problem("query", name, "must be a UTC time such as 2026-11-25T08:00:00Z")]
    digits = f"{digits or '':0<7}"[:7]
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return Moment(f"{whole}.{digits}Z", moment.replace(microsecond=int(digits[:6]))), []


def encode_token(kind: str, last_key: str) -> str:
    """A continuation token, opaque to clients. Each operation has its own `kind`, and accepts no other."""
    return base64.urlsafe_b64encode(f"{kind}:{last_key}".encode()).decode().rstrip("=")


def parse_token(query: Mapping[str, str], kind: str, rule: re.Pattern[str]) -> tuple[str, list[Problem]]:
    """The key after which the page begins, "" for the first page. `rule` is the form of such a key."""
    text = query.get("continuationToken")
    if text is None:
        return "", []
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    token_kind, _, last_key = decoded.partition(":")
    if token_kind != kind or not rule.fullmatch(last_key) or encode_token(kind, last_key) != text:
        detail = "is not a valid continuation token for this operation"
        return "", [Problem("query", "continuationToken", detail)]
    return last_key, []


class _Object:
    """A JSON object with its duplicate members."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _parse_object(body: bytes, known: tuple[str, ...], rule: str) -> tuple[dict[str, Any], list[Problem]]:
    if len(body) > MAX_BODY_BYTES:
        return {}, [_body(f"has {len(body)} bytes: the maximum is {MAX_BODY_BYTES}")]
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return {}, [_body(f"is not UTF-8: the byte at position {error.start} is invalid")]
    except json.JSONDecodeError as error:
        return {}, [_body(f"is not JSON: {error.msg} at position {error.pos}")]
    except (ValueError, RecursionError) as error:
        return {}, [_body(f"is not JSON that can be parsed: {error}")]
    if not isinstance(content, _Object):
        return {}, [_body(f"must be {rule}")]
    members: dict[str, Any] = {}
    duplicates: set[str] = set()
    for name, value in content.pairs:
        if name in members:
            duplicates.add(name)
        members[name] = value
    problems = [
        _member(name, f"is unknown: the members are {', '.join(known)}")
        for name in members
        if name not in known
    ]
    # RFC 8259 section 4 does not define which duplicate counts: two parsers may read two different requests.
    problems += [_member(name, "is given more than once") for name in members if name in duplicates]
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
