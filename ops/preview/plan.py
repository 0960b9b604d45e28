"""Converts the document of `pulumi preview --json` to a report. Pure functions.

The document is defined in pulumi/pulumi pkg/display/json.go. Secrets, and values that look like secrets, are
removed here and never become part of the report.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ops.github.markdown import cut
from ops.preview.report import (
    CHANGES,
    FAILURES,
    MESSAGE_CHARS,
    NAME_CHARS,
    RESOURCES,
    TEXT_CHARS,
    Change,
    Failure,
    Op,
    Package,
    Report,
    Resource,
    Value,
)
from ops.state import DEPLOYED_CODE, SITE, STACK, entries, type_and_name

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SPECIAL = "4dabf18193072939515e22adb298388d"
_BLINDED = "[secret]"
"""pulumi/pulumi sdk/go/common/resource/sig/sig.go, and the text for a secret in a preview."""

_OPS: Mapping[str, Op] = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import": "import",
    "import-replacement": "replace",
    "same": "same",
}
"""The steps of pulumi/pulumi pkg/resource/deploy/step.go that change or keep a resource; others only read."""

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

_BEFORE = 40
"""Characters of context before the first difference of two long texts."""

_Path = tuple[str | int, ...]
_Members = dict[Any, Any]
_ABSENT = object()


def report(
    unfilled: Report,
    document: Mapping[str, Any],
    state: dict[str, Any] | None = None,
    size_of: Callable[[str], int | None] = lambda _path: None,
) -> Report:
    """Fill the report. `state` is the stack's export; `size_of` returns the size of a file in bytes."""
    steps: list[dict[str, Any]] = document.get("steps") or []
    summary: dict[str, int] = document.get("changeSummary") or {}
    counts: dict[str, int] = {}
    for name, number in summary.items():
        if op := _OPS.get(name):
            counts[op] = counts.get(op, 0) + number
    changed = _changed(steps)
    unchanged = [resource for resource in _existing(state or {}) if resource.key not in changed]
    return replace(
        unfilled,
        counts=counts,
        resources=(*changed.values(), *unchanged)[:RESOURCES],
        package=_package(steps, size_of),
        failures=_failures(document.get("diagnostics") or []),
    )


def failed(unfilled: Report, message: str) -> Report:
    """The report of a preview without a document."""
    return replace(unfilled, failures=(Failure("", clean(message)),))


def clean(message: str) -> str:
    """A message without texts that look like secrets; a long one keeps its beginning and end."""
    text = _SECRET_TEXT.sub("[hidden]", message.strip())
    if len(text) <= MESSAGE_CHARS:
        return text
    half = (MESSAGE_CHARS - 10) // 2
    return f"{text[:half]}\n…\n{text[-half:]}"


def _changed(steps: Sequence[dict[str, Any]]) -> dict[str, Resource]:
    """One entry per resource, by key, because a replacement may consist of several steps."""
    resources: dict[str, Resource] = {}
    for step in steps:
        op = _OPS.get(step["op"], "same")
        if op != "same" and _is_listed(step["urn"]):
            resource = _resource(step, op)
            earlier = resources.get(resource.key)
            if earlier is None or not (earlier.changes or earlier.reasons):
                resources[resource.key] = resource
    return resources


def _existing(state: dict[str, Any]) -> Iterator[Resource]:
    for entry in entries(state):
        if _is_listed(entry["urn"]) and not entry.get("delete"):
            type_, name = _short_type_and_name(entry["urn"])
            yield Resource("same", type_, name, _key_of(entry.get("parent") or ""))


def _is_listed(urn: str) -> bool:
    type_ = type_and_name(urn)[0]
    return type_ != STACK and not type_.startswith("pulumi:providers:")


def _short_type_and_name(urn: str) -> tuple[str, str]:
    type_, name = type_and_name(urn)
    return cut(type_, NAME_CHARS), cut(name, NAME_CHARS)


def _key_of(urn: str) -> str:
    """The `Resource.key` of a URN; empty for the stack itself."""
    type_, name = _short_type_and_name(urn)
    return "" if type_ in {"", STACK} else f"{type_}::{name}"


def _resource(step: dict[str, Any], op: Op) -> Resource:
    old: dict[str, Any] = step.get("oldState") or {}
    new: dict[str, Any] = step.get("newState") or {}
    # A step that deletes has no new state: another step of a replacement has its changes.
    changes = list(_property_changes(step, old, new)) if new else []
    type_, name = _short_type_and_name(step["urn"])
    return Resource(
        op=op,
        type=type_,
        name=name,
        parent=_key_of((new or old).get("parent") or ""),
        reasons=tuple(cut(reason, NAME_CHARS) for reason in step.get("replaceReasons") or ())[:CHANGES],
        changes=tuple(changes[:CHANGES]),
        left_out=max(0, len(changes) - CHANGES),
    )


def _property_changes(step: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    type_ = type_and_name(step["urn"])[0]
    before, after = _inputs(old), _inputs(new)
    reported: set[str] = set()
    for path, was, becomes in _leaves((), before, after):
        reported.add(str(path[0]))
        yield _change(type_, path, was, becomes)
    # Other differences: a secret, masked on both sides, or a property that a refresh found changed.
    detailed: dict[str, Any] = step.get("detailedDiff") or {}
    for path in map(_path, sorted(detailed)):
        if path and str(path[0]) not in reported and not str(path[0]).startswith("__"):
            yield _change(type_, path, _at(old.get("outputs") or {}, path), _at(after, path))


def _change(type_: str, path: _Path, was: object, becomes: object) -> Change:
    setting = type_ == SITE and path[:2] == ("siteConfig", "appSettings") and len(path) == 3
    display_name = str(path[2]) if setting else _readable(path)
    old, new = _shortened(_value(path, was), _value(path, becomes))
    return Change(cut(display_name, NAME_CHARS), old, new, setting)


def _value(path: _Path, value: object) -> Value:
    if value is _ABSENT:
        return Value("absent")
    if value == _UNKNOWN:
        return Value("unknown")
    text = json.dumps(value, ensure_ascii=False)
    if _BLINDED in text or _SPECIAL in text or _SECRET_TEXT.search(text):
        return Value("hidden")
    if isinstance(value, str) and value and any(_SECRET_NAME.search(str(part)) for part in path):
        return Value("hidden")
    return Value("text", text)


def _shortened(old: Value, new: Value) -> tuple[Value, Value]:
    """Long texts from shortly before their first difference: instructions may differ at their end only."""
    start = 0
    if old.kind == new.kind == "text" and max(len(old.text), len(new.text)) > TEXT_CHARS:
        pairs = enumerate(zip(old.text, new.text, strict=False))
        start = max(0, next((at for at, (a, b) in pairs if a != b), 0) - _BEFORE)
    mark = "…" if start else ""
    before, after = (cut(f"{mark}{value.text[start:]}", TEXT_CHARS) for value in (old, new))
    return replace(old, text=before), replace(new, text=after)


def _leaves(path: _Path, old: object, new: object) -> Iterator[tuple[_Path, object, object]]:
    """The differences of all leaf values."""
    members = _members(old, new)
    if members is not None:
        before, after = members
        for key in {**before, **after}:
            if not str(key).startswith("__"):  # added by pulumi.dynamic
                yield from _leaves((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif type(old) is not type(new) or old != new:  # in Python, 1 == True
        yield path, old, new


def _members(old: object, new: object) -> tuple[_Members, _Members] | None:
    """Both sides as maps, or None if they can only be compared as a whole."""
    sides = [side for side in (old, new) if side is not _ABSENT]
    if not any(sides):
        return None
    if all(isinstance(side, dict) and _SPECIAL not in side for side in sides):
        members = [cast("_Members", {} if side is _ABSENT else side) for side in (old, new)]
        return members[0], members[1]
    if not all(isinstance(side, list) for side in sides):
        return None
    before, after = (cast("list[Any]", [] if side is _ABSENT else side) for side in (old, new))
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


def _package(steps: Sequence[dict[str, Any]], size_of: Callable[[str], int | None]) -> Package | None:
    for step in steps:
        if type_and_name(step["urn"])[0] != DEPLOYED_CODE or not step.get("newState"):
            continue
        new = _inputs(step["newState"])
        before, after = _hash(_inputs(step.get("oldState"))), _hash(new)
        if after and before != after:
            return Package(before, after, size_of(str(new.get("package_path") or "")))
    return None


def _inputs(state: dict[str, Any] | None) -> dict[str, Any]:
    return (state or {}).get("inputs") or {}


def _hash(inputs: Mapping[str, Any]) -> str:
    value = str(inputs.get("package_hash"))
    return value if re.fullmatch(r"[0-9a-f]{64}", value) else ""


def _failures(diagnostics: Sequence[Mapping[str, Any]]) -> tuple[Failure, ...]:
    """The errors; the CLI also writes their severity to their texts."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.get("severity") == "error"]
    return tuple(
        Failure(
            _short_type_and_name(error.get("urn") or "")[1],
            clean(str(error.get("message", "")).removeprefix("error: ")) or "Pulumi gave no message.",
        )
        for error in errors[:FAILURES]
    )


def _path(written: str) -> _Path:
    """`a.b[0]["c.d"]`, in the format of pulumi/pulumi sdk/go/common/resource/property_path.go."""
    return tuple(
        int(index) if index else (member or json.loads(f'"{quoted}"'))
        for member, quoted, index in re.findall(r'([^.\[\]"]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]', written)
    )


def _readable(path: _Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def _at(value: Any, path: _Path) -> object:
    for part in path:
        if value == _BLINDED:
            return value
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return value
