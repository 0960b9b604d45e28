"""What a request may hold. Pure functions: they return all problems, and raise nothing."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_ID_CHARACTERS = 64
# A string property of an Azure table row holds at most 64 KiB of UTF-16. The extension deletes the
# old rows before it inserts the new ones, so a longer text costs the conversation and fails.
MAX_INSTRUCTIONS_UNITS = 32_768
# The longest instructions with every unit written as \uXXXX take 192 KiB. Whatever is larger is not
# parsed: the host would take up to 100 MiB.
MAX_BODY_BYTES = 256 * 1024
MEMBERS = ("instructions",)

# The extension puts the id into an OData filter without escaping it, so a quote in an id deletes
# other people's rows. The route has the same rule, but there `$` also matches before a final newline.
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_CHARACTERS}}}")
# What XML 1.0 does not call a character; XML was the table service's first format. Such a character would
# be refused, if at all, after the old rows are gone, and a lone surrogate has no UTF-8 form.
_NOT_STORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request.

    `location` is `path` or `body`; `name` is the parameter or member, None for the body as a whole.
    """

    location: str
    name: str | None
    detail: str


@dataclass(frozen=True)
class CreateBody:
    """A checked body. `instructions` is None where the request leaves them to the default."""

    instructions: str | None


def utf16_units(text: str) -> int:
    """The length that .NET and the table service count: a character beyond U+FFFF is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def id_problems(assistant_id: str) -> list[Problem]:
    if _ID.fullmatch(assistant_id):
        return []
    rule = f"must be 1 to {MAX_ID_CHARACTERS} characters, each one of A-Z, a-z, 0-9, '_' and '-'"
    return [Problem("path", "assistantId", rule)]


def instructions_problems(instructions: str) -> list[str]:
    """Why this text cannot be a system prompt, each as the end of a sentence."""
    problems: list[str] = []
    units = utf16_units(instructions)
    if units > MAX_INSTRUCTIONS_UNITS:
        problems.append(f"has {units} UTF-16 code units: the most is {MAX_INSTRUCTIONS_UNITS}")
    if found := _NOT_STORABLE.search(instructions):
        problems.append(
            f"holds U+{ord(found.group()):04X} at position {found.start()}: control characters other than"
            " tab, line feed and carriage return, lone surrogates, U+FFFE and U+FFFF cannot be stored"
        )
    return problems


def parse_create_body(body: bytes) -> tuple[CreateBody, list[Problem]]:
    """Read the body of a create request: nothing at all, or a JSON object with known members."""
    nothing = CreateBody(None)
    if not body:
        return nothing, []
    if len(body) > MAX_BODY_BYTES:
        return nothing, [_body(f"has {len(body)} bytes: the most is {MAX_BODY_BYTES}")]
    try:
        members = json.loads(body.decode("utf-8"), object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return nothing, [_body(f"is not UTF-8: byte {error.start} is wrong")]
    except json.JSONDecodeError as error:
        return nothing, [_body(f"is not JSON: {error.msg} at position {error.pos}")]
    except (ValueError, RecursionError) as error:
        return nothing, [_body(f"is not JSON that can be read: {error}")]
    if not isinstance(members, _Object):
        return nothing, [_body("must be a JSON object, or empty")]
    return _check_members(members.pairs)


class _Object:
    """A JSON object that still has its duplicate members."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _check_members(pairs: list[tuple[str, Any]]) -> tuple[CreateBody, list[Problem]]:
    problems: list[Problem] = []
    seen: dict[str, Any] = {}
    twice: set[str] = set()
    for name, value in pairs:
        if name in seen:
            twice.add(name)
        seen[name] = value
    known = ", ".join(MEMBERS)
    problems += [
        _member(name, f"is unknown: the members are {known}") for name in seen if name not in MEMBERS
    ]
    # RFC 8259 section 4 leaves it open which of two counts, so that two readers may see two requests.
    problems += [_member(name, "is given more than once") for name in seen if name in twice]
    instructions = seen.get("instructions")
    if "instructions" not in seen:
        return CreateBody(None), problems
    if not isinstance(instructions, str):
        return CreateBody(None), [*problems, _member("instructions", "must be a string")]
    problems += [_member("instructions", detail) for detail in instructions_problems(instructions)]
    return CreateBody(instructions), problems


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _body(detail: str) -> Problem:
    return Problem("body", None, detail)


def _member(name: str, detail: str) -> Problem:
    return Problem("body", name, detail)
