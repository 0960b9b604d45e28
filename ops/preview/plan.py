"""Converts the document of `pulumi preview --json` to a report. Pure functions.

The document is defined in pulumi/pulumi pkg/display/json.go. Secrets, and values that look like secrets, are
removed here and never become part of the report.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ops.preview.causes import changed_settings, setting_of, with_causes
from ops.preview.report import Change, Failure, Op, Package, Report, Resource
from ops.preview.values import Path, at, clean, leaves, parse_path, readable, values
from ops.state import (
    DEPLOYED_CODE,
    PURGED_ACCOUNT,
    REPLACEMENT_GUARD,
    SITE,
    STACK,
    entries,
    type_and_name,
)

_NOT_IN_AZURE = frozenset({REPLACEMENT_GUARD, PURGED_ACCOUNT})

_ECHO = re.compile(r"^error: (preview failed|Resource monitor has terminated, shutting down)$", re.MULTILINE)
"""Errors that follow from another one."""

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


def report(
    unfilled: Report,
    document: Mapping[str, Any],
    state: dict[str, Any] | None = None,
    size_of: Callable[[str], int | None] = lambda _path: None,
    deployed_config: Mapping[str, str | None] | None = None,
) -> Report:
    """Fill the report. `state` is the stack's export; `size_of` returns the size of a file in bytes.

    `deployed_config`: see `changed_settings`.
    """
    steps: list[dict[str, Any]] = document.get("steps") or []
    config: dict[str, str] = document.get("config") or {}
    settings = changed_settings(deployed_config or {}, config, _project(steps, state or {}))
    changed = _changed(steps, settings)
    unchanged = [resource for resource in _existing(state or {}) if resource.key not in changed]
    return replace(
        unfilled,
        settings=settings,
        resources=(*changed.values(), *unchanged),
        package=_package(steps, size_of),
        failures=_failures(document.get("diagnostics") or []),
    )


def failed(unfilled: Report, message: str) -> Report:
    """The report of a preview without a document."""
    return replace(unfilled, failures=(Failure("", clean(message)),))


def _project(steps: Sequence[dict[str, Any]], state: dict[str, Any]) -> str:
    """The project's name, from any URN."""
    urns = (str(entry["urn"]) for listed in (steps, entries(state)) for entry in listed)
    return next(urns, "").partition("::")[2].partition("::")[0]


def _changed(steps: Sequence[dict[str, Any]], settings: Sequence[Change]) -> dict[str, Resource]:
    """One entry per resource, by key, because a replacement may consist of several steps."""
    resources: dict[str, Resource] = {}
    dependencies: dict[str, set[str]] = {}
    minor: set[str] = set()
    for step in steps:
        op = _OPS.get(step["op"], "same")
        if op == "same" or not _is_listed(step["urn"]):
            continue
        resource = _resource(step, op, settings)
        key = resource.key
        earlier = resources.get(key)
        if earlier is None or not (earlier.changes or earlier.reasons):
            resources[key] = resource
        states: list[dict[str, Any]] = [step.get("oldState") or {}, step.get("newState") or {}]
        for state in states:
            urns: list[str] = state.get("dependencies") or []
            dependencies.setdefault(key, set()).update(map(_key_of, urns))
            if state.get("custom") is False or type_and_name(step["urn"])[0] in _NOT_IN_AZURE:
                minor.add(key)
    return with_causes(resources, dependencies, minor)


def _existing(state: dict[str, Any]) -> Iterator[Resource]:
    for entry in entries(state):
        if _is_listed(entry["urn"]) and not entry.get("delete"):
            yield Resource("same", *type_and_name(entry["urn"]), _key_of(entry.get("parent") or ""))


def _is_listed(urn: str) -> bool:
    type_ = type_and_name(urn)[0]
    return type_ != STACK and not type_.startswith("pulumi:providers:")


def _key_of(urn: str) -> str:
    """The `Resource.key` of a URN; empty for the stack itself."""
    type_, name = type_and_name(urn)
    return "" if type_ in {"", STACK} else f"{type_}::{name}"


def _resource(step: dict[str, Any], op: Op, settings: Sequence[Change]) -> Resource:
    old: dict[str, Any] = step.get("oldState") or {}
    new: dict[str, Any] = step.get("newState") or {}
    # A step that deletes has no new state: another step of a replacement has its changes.
    changes = tuple(_property_changes(step, old, new, settings)) if new else ()
    parent, reasons = _key_of((new or old).get("parent") or ""), tuple(step.get("replaceReasons") or ())
    return Resource(op, *type_and_name(step["urn"]), parent, reasons, changes)


def _property_changes(
    step: dict[str, Any], old: dict[str, Any], new: dict[str, Any], settings: Sequence[Change]
) -> Iterator[Change]:
    type_ = type_and_name(step["urn"])[0]
    before, after = _inputs(old), _inputs(new)
    reported: set[str] = set()
    for path, was, becomes in leaves((), before, after):
        reported.add(str(path[0]))
        yield _change(type_, path, was, becomes, settings)
    # Other differences: a secret, masked on both sides, or a property that a refresh found changed.
    detailed: dict[str, Any] = step.get("detailedDiff") or {}
    for path in map(parse_path, sorted(detailed)):
        if path and str(path[0]) not in reported and not str(path[0]).startswith("__"):
            was, becomes = at(old.get("outputs") or {}, path), at(after, path)
            name = at(after, (*path[:3], "name"))
            named = (*path[:2], name) if _in_app_settings(type_, path) and isinstance(name, str) else path
            yield _change(type_, named, was, becomes, settings)


def _in_app_settings(type_: str, path: Path) -> bool:
    return type_ == SITE and path[:2] == ("siteConfig", "appSettings") and len(path) > 2


def _change(type_: str, path: Path, was: object, becomes: object, settings: Sequence[Change]) -> Change:
    is_app_setting = _in_app_settings(type_, path) and isinstance(path[2], str) and len(path) == 3
    name = str(path[2]) if is_app_setting else readable(path)
    return Change(name, *values(path, was, becomes), is_app_setting, setting_of(name, settings))


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
    """The errors, without echoes of those of resources; the CLI also writes the severity to their texts."""
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.get("severity") == "error"]
    if any(error.get("urn") for error in errors):
        errors = [error for error in errors if not _ECHO.search(str(error.get("message")))]
    return tuple(
        Failure(
            type_and_name(error.get("urn") or "")[1],
            clean(str(error.get("message", "")).removeprefix("error: ")) or "Pulumi gave no message.",
        )
        for error in errors
    )
