"""Converts the document of `pulumi preview --json` to a report. Pure functions.

The document is defined in pulumi/pulumi pkg/display/json.go. Secrets, and values that look like secrets, are
removed here and never become part of the report.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from ops.preview.report import (
    CHANGES,
    FAILURES,
    MESSAGE_CHARS,
    NAME_CHARS,
    RESOURCES,
    TEXT_CHARS,
    Basis,
    Change,
    Failure,
    Op,
    Package,
    Report,
    Resource,
    Value,
)
from ops.state import DEPLOYED_CODE, SITE

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SPECIAL = "4dabf18193072939515e22adb298388d"
_BLINDED = "[secret]"
"""pulumi/pulumi sdk/go/common/resource/sig/sig.go, and the text for a secret in a preview."""

_STACK, _PROVIDERS = "pulumi:pulumi:Stack", "pulumi:providers:"

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
    document: Mapping[str, Any],
    *,
    stack: str,
    commit: str,
    made: str,
    basis: Basis,
    state: Mapping[str, Any] | None = None,
    size_of: Callable[[str], int | None] = lambda _path: None,
) -> Report:
    """Create the report. `state` is the stack's export; `size_of` returns the size of a file in bytes."""
    steps: list[dict[str, Any]] = document.get("steps") or []
    changed = _changed(steps)
    return Report(
        stack=stack,
        commit=commit,
        made=made,
        basis=basis,
        counts=_counts(document.get("changeSummary") or {}),
        resources=(*changed, *_unchanged(state or {}, {resource.key for resource in changed}))[:RESOURCES],
        package=_package(steps, size_of),
        failures=_failures(document.get("diagnostics") or []),
    )


def failed(stack: str, commit: str, made: str, basis: Basis, message: str) -> Report:
    """The report of a preview without a document."""
    return Report(stack, commit, made, basis, {}, (), failures=(Failure("", clean(message)),))


def clean(message: str) -> str:
    """A message without texts that look like secrets; a long one keeps its beginning and end."""
    text = _SECRET_TEXT.sub("[hidden]", message.strip())
    if len(text) <= MESSAGE_CHARS:
        return text
    half = (MESSAGE_CHARS - 10) // 2
    return f"{text[:half]}\n…\n{text[-half:]}"


def _counts(summary: Mapping[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, number in summary.items():
        if op := _OPS.get(name):
            counts[op] = counts.get(op, 0) + number
    return counts


def _changed(steps: Iterable[dict[str, Any]]) -> tuple[Resource, ...]:
    """One entry per resource, because a replacement may consist of several steps."""
    resources: dict[str, Resource] = {}
    for step in steps:
        op = _OPS.get(step["op"], "same")
        kind = _type_of(step["urn"])
        if op != "same" and _is_listed(kind):
            resource = _resource(step, op, kind)
            if resource.key not in resources or not resources[resource.key].changes:
                resources[resource.key] = resource
    return tuple(resources.values())


def _is_listed(kind: str) -> bool:
    return kind != _STACK and not kind.startswith(_PROVIDERS)


def _resource(step: dict[str, Any], op: Op, kind: str) -> Resource:
    old: dict[str, Any] = step.get("oldState") or {}
    new: dict[str, Any] = step.get("newState") or {}
    changes = [] if op == "delete" else list(_property_changes(step, kind, old, new))
    return Resource(
        op=op,
        type=_cut(kind),
        name=_cut(_name_of(step["urn"])),
        parent=_key_of((new or old).get("parent") or ""),
        reasons=tuple(_cut(str(reason)) for reason in step.get("replaceReasons") or ())[:CHANGES],
        changes=tuple(changes[:CHANGES]),
        left_out=max(0, len(changes) - CHANGES),
    )


def _unchanged(state: Mapping[str, Any], changed_keys: set[str]) -> Iterator[Resource]:
    deployment: dict[str, Any] = state.get("deployment") or {}
    entries: list[dict[str, Any]] = deployment.get("resources") or []
    for entry in entries:
        kind = _type_of(entry["urn"])
        resource = Resource(
            "same", _cut(kind), _cut(_name_of(entry["urn"])), _key_of(entry.get("parent") or "")
        )
        if (
            kind != _STACK
            and not kind.startswith(_PROVIDERS)
            and resource.key not in changed_keys
            and not entry.get("delete")
        ):
            yield resource


def _property_changes(
    step: dict[str, Any], kind: str, old: dict[str, Any], new: dict[str, Any]
) -> Iterator[Change]:
    before, after = _inputs(old), _inputs(new)
    reported: set[str] = set()
    for path, was, becomes in _leaves((), before, after):
        reported.add(str(path[0]))
        yield _change(kind, path, was, becomes)
    # Other differences: a secret, masked on both sides, or a property that a refresh found changed.
    detailed: dict[str, Any] = step.get("detailedDiff") or {}
    for path in map(_path, sorted(detailed)):
        if path and str(path[0]) not in reported and not str(path[0]).startswith("__"):
            yield _change(kind, path, _at(old.get("outputs") or {}, path), _at(after, path))


def _change(kind: str, path: _Path, was: object, becomes: object) -> Change:
    setting = kind == SITE and path[:2] == ("siteConfig", "appSettings") and len(path) == 3
    display_name = str(path[2]) if setting else _readable(path)
    old, new = _value(path, was), _value(path, becomes)
    if old.kind == new.kind == "text":
        old, new = _excerpts(old.text, new.text)
    return Change(_cut(display_name), _short(old), _short(new), setting)


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


def _excerpts(old: str, new: str) -> tuple[Value, Value]:
    """Long texts from shortly before their first difference: instructions may differ at their end only."""
    if max(len(old), len(new)) <= TEXT_CHARS:
        return Value("text", old), Value("text", new)
    parting = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, parting - _BEFORE)
    mark = "…" if start else ""
    return Value("text", f"{mark}{old[start:]}"), Value("text", f"{mark}{new[start:]}")


def _short(value: Value) -> Value:
    text = value.text
    return Value(value.kind, text if len(text) <= TEXT_CHARS else f"{text[: TEXT_CHARS - 1]}…")


def _leaves(path: _Path, old: object, new: object) -> Iterator[tuple[_Path, object, object]]:
    """The differences of all leaf values."""
    before, after = _members(old, new)
    if before is not None and after is not None:
        for key in [*before, *(key for key in after if key not in before)]:
            if not str(key).startswith("__"):  # added by pulumi.dynamic
                yield from _leaves((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif type(old) is not type(new) or old != new:  # in Python, 1 == True
        yield path, old, new


def _members(old: object, new: object) -> tuple[_Members | None, _Members | None]:
    """Both sides as maps, or None if they can only be compared as a whole."""
    sides = [side for side in (old, new) if side is not _ABSENT]
    if all(isinstance(side, dict) and _SPECIAL not in side for side in sides) and any(sides):
        maps = [cast("_Members", {} if side is _ABSENT else side) for side in (old, new)]
    elif all(isinstance(side, list) for side in sides) and any(sides):
        lists = [cast("list[Any]", [] if side is _ABSENT else side) for side in (old, new)]
        maps = [_by_name(side) for side in lists]
        if None in maps:
            maps = [dict(enumerate(side)) for side in lists]
    else:
        return None, None
    return maps[0], maps[1]


def _by_name(entries: list[Any]) -> _Members | None:
    """The entries by name, because the order of app settings has no meaning; None if a name is missing."""
    values_by_name: _Members = {}
    for entry in entries:
        members: dict[str, Any] = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        name = members.get("name")
        if not isinstance(name, str) or name in values_by_name:
            return None
        rest = {key: value for key, value in members.items() if key != "name"}
        values_by_name[name] = rest["value"] if set(rest) == {"value"} else rest
    return values_by_name


def _package(steps: Iterable[dict[str, Any]], size_of: Callable[[str], int | None]) -> Package | None:
    for step in steps:
        if _type_of(step["urn"]) != DEPLOYED_CODE or not step.get("newState"):
            continue
        old, new = _inputs(step.get("oldState")), _inputs(step["newState"])
        before, after = _hash(old.get("package_hash")), _hash(new.get("package_hash"))
        if after and before != after:
            return Package(before, after, size_of(str(new.get("package_path") or "")))
    return None


def _inputs(state: dict[str, Any] | None) -> dict[str, Any]:
    return (state or {}).get("inputs") or {}


def _hash(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else ""


def _failures(diagnostics: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.get("severity") == "error"][:FAILURES]
    return tuple(
        Failure(_cut(_name_of(diagnostic.get("urn") or "")), _message_of(diagnostic)) for diagnostic in errors
    )


def _message_of(diagnostic: Mapping[str, Any]) -> str:
    """The message without its severity, which the CLI also writes to the text."""
    return clean(str(diagnostic.get("message", "")).removeprefix("error: "))


def _parts(urn: str) -> tuple[str, str]:
    """Qualified type and logical name of `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
    _, _, rest = urn.partition("::")
    _, _, rest = rest.partition("::")
    kind, _, name = rest.partition("::")
    return kind, name


def _type_of(urn: str) -> str:
    return _parts(urn)[0].rpartition("$")[2]


def _name_of(urn: str) -> str:
    return _parts(urn)[1]


def _key_of(urn: str) -> str:
    """The `Resource.key` of a URN; empty for the stack itself."""
    kind = _type_of(urn)
    return "" if not kind or kind == _STACK else f"{_cut(kind)}::{_cut(_name_of(urn))}"


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


def _cut(text: str) -> str:
    return text if len(text) <= NAME_CHARS else f"{text[: NAME_CHARS - 1]}…"
