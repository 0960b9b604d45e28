"""Compares properties of resources, and converts values for a report without secrets. Pure functions."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from ops.github.markdown import cut
from ops.preview.report import Value

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SPECIAL = "4dabf18193072939515e22adb298388d"
BLINDED = "[secret]"
"""pulumi/pulumi sdk/go/common/resource/sig/sig.go, and the text for a secret in a preview."""

# Only texts are hidden by name: `allowSharedKeyAccess` is a boolean.
_SECRET_NAME = re.compile(
    r"(?i)passw|pwd|secret|token$|connection_?string|[_-]sas$|credentials?json|"
    r"(api|access|account|shared|private|master|function|host|storage|signing|primary|secondary|admin)[_-]?keys?$|^key$"
)
_SECRET_TEXT = re.compile(
    r"(?i)\b(?:AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey|Password|Pwd|client_secret|sig)"
    r"=[^;&\s\"']+"
    r"|\b[A-Za-z0-9+/]{86}==|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bsk-[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|-----BEGIN [^-]*PRIVATE KEY-----[^-]*(?:-----END[^-]*-----)?"
    r"|://[^/\s:@]+:[^/\s@]+@"
)

TEXT_CHARS, MESSAGE_CHARS = 400, 6_000
"""The maximum lengths of a value and of a message."""

_BEFORE = 40
"""Characters of context before the first difference of two long texts."""

Path = tuple[str | int, ...]
_Members = dict[Any, Any]
ABSENT = object()


def clean(message: str) -> str:
    """A message without texts that look like secrets; a long one keeps its beginning and end."""
    text = _SECRET_TEXT.sub("[hidden]", message.strip())
    if len(text) <= MESSAGE_CHARS:
        return text
    half = (MESSAGE_CHARS - 10) // 2
    return f"{text[:half]}\n…\n{text[-half:]}"


def values(path: Path, was: object, becomes: object) -> tuple[Value, Value]:
    """Both values. Long texts begin shortly before their first difference, which may be at their end."""
    old, new = _value(path, was), _value(path, becomes)
    start = 0
    if old.kind == new.kind == "text" and max(len(old.text), len(new.text)) > TEXT_CHARS:
        pairs = enumerate(zip(old.text, new.text, strict=False))
        start = max(0, next((at for at, (a, b) in pairs if a != b), 0) - _BEFORE)
    mark = "…" if start else ""
    before, after = (cut(f"{mark}{value.text[start:]}", TEXT_CHARS) for value in (old, new))
    return replace(old, text=before), replace(new, text=after)


def _value(path: Path, value: object) -> Value:
    if value is ABSENT:
        return Value("absent")
    if value == _UNKNOWN:
        return Value("unknown")
    text = json.dumps(value, ensure_ascii=False)
    if BLINDED in text or _SPECIAL in text or _SECRET_TEXT.search(text):
        return Value("hidden")
    if _has_secret_name(path, value):
        return Value("hidden")
    return Value("text", text)


def _has_secret_name(path: Path, value: object) -> bool:
    """Whether the value, or a text in it, is that of a secret."""
    if isinstance(value, dict):
        members = cast("_Members", value)
        return any(_has_secret_name((*path, str(name)), member) for name, member in members.items())
    if isinstance(value, list):
        return any(_has_secret_name(path, member) for member in cast("list[Any]", value))
    return isinstance(value, str) and bool(value) and any(_SECRET_NAME.search(str(part)) for part in path)


def leaves(path: Path, old: object, new: object) -> Iterator[tuple[Path, object, object]]:
    """The differences of all leaf values."""
    members = _members(old, new)
    if members is not None:
        before, after = members
        for key in {**before, **after}:
            if not str(key).startswith("__"):  # added by pulumi.dynamic
                yield from leaves((*path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif type(old) is not type(new) or old != new:  # in Python, 1 == True
        yield path, old, new


def _members(old: object, new: object) -> tuple[_Members, _Members] | None:
    """Both sides as maps, or None if they can only be compared as a whole."""
    sides = [side for side in (old, new) if side is not ABSENT]
    if not any(sides):
        return None
    if all(isinstance(side, dict) and _SPECIAL not in side for side in sides):
        members = [cast("_Members", {} if side is ABSENT else side) for side in (old, new)]
        return members[0], members[1]
    if not all(isinstance(side, list) for side in sides):
        return None
    before, after = (cast("list[Any]", [] if side is ABSENT else side) for side in (old, new))
    old_by_name, new_by_name = _by_name(before), _by_name(after)
    if old_by_name is None or new_by_name is None:
        return dict(enumerate(before)), dict(enumerate(after))
    return old_by_name, new_by_name


def _by_name(entries: list[Any]) -> _Members | None:
    """The entries by name, because the order of app settings has no meaning; None if a name is missing."""
    values_by_name: _Members = {}
    for entry in entries:
        members: dict[str, Any] = dict(cast("_Members", entry)) if isinstance(entry, dict) else {}
        name = members.pop("name", None)
        if not isinstance(name, str) or name in values_by_name:
            return None
        values_by_name[name] = members["value"] if set(members) == {"value"} else members
    return values_by_name


def at(value: Any, path: Path) -> object:
    """The value at a path; `ABSENT` if there is none, `BLINDED` below a secret."""
    for part in path:
        if value == BLINDED:
            return value
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return value


def parse_path(written: str) -> Path:
    """`a.b[0]["c.d"]`, in the format of pulumi/pulumi sdk/go/common/resource/property_path.go."""
    return tuple(
        int(index) if index else (member or json.loads(f'"{quoted}"'))
        for member, quoted, index in re.findall(r'([^.\[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]', written)
    )


def readable(path: Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text
