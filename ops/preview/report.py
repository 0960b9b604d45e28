"""The result of a preview as data, and the file that passes it to the job that comments.

That job reads files from pull requests of forks, which are untrusted: a file that does not match the schema
exactly is refused.
"""

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from jsonschema import Draft202012Validator

from ops.output import OpsError

VERSION = 2

Op = Literal["create", "update", "replace", "delete", "import", "same"]
ValueKind = Literal["text", "absent", "unknown", "hidden"]
Basis = Literal["deployed", "base"]

FILE_BYTES = 2 * 1024 * 1024
NAME_CHARS, TEXT_CHARS, MESSAGE_CHARS = 300, 400, 6_000
RESOURCES, CHANGES, FAILURES = 1_000, 300, 50
_REPORTS = 20


@dataclass(frozen=True)
class Value:
    """A property value. `text` is JSON; it is empty for the kinds absent, unknown and hidden."""

    kind: ValueKind
    text: str = ""


@dataclass(frozen=True)
class Change:
    """A property, app setting or setting of the stack: `path` is `properties.sku.name`, or the name.

    `follows` is the changed setting of the stack that a property or an app setting follows from, if known.
    """

    path: str
    old: Value
    new: Value
    app_setting: bool = False
    follows: str = ""


@dataclass(frozen=True)
class Resource:
    """`type` is Pulumi's token, `name` the logical name, `parent` the key of the parent or empty.

    `reasons` are the properties that require a replacement; `left_out` counts changes above the limit.
    `cause` is the key of the changed resource that this one changes with; empty if it changes for itself.
    """

    op: Op
    type: str
    name: str
    parent: str = ""
    reasons: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    left_out: int = 0
    cause: str = ""

    @property
    def key(self) -> str:
        return f"{self.type}::{self.name}"


@dataclass(frozen=True)
class Package:
    """The code. Hashes are empty if there is no package; `size` is in bytes, None if unknown."""

    old_hash: str
    new_hash: str
    size: int | None


@dataclass(frozen=True)
class Failure:
    """An error. `resource` is a logical name, or empty for the program as a whole."""

    resource: str
    message: str


@dataclass(frozen=True)
class Report:
    """`basis` is what the program is compared with: the deployed stack, or the base on local Azure.

    `settings` are the changed settings of the stack, compared with its last successful `up`.
    """

    stack: str
    commit: str
    made: str
    basis: Basis
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    resources: tuple[Resource, ...] = ()
    package: Package | None = None
    failures: tuple[Failure, ...] = ()
    settings: tuple[Change, ...] = ()

    @property
    def changed(self) -> tuple[Resource, ...]:
        return tuple(resource for resource in self.resources if resource.op != "same")


def write(report: Report, folder: Path) -> Path:
    """Write `report-STACK.json`. If the file would be too large, changes are counted instead of listed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"report-{report.stack}.json"
    most = CHANGES
    while len(content := json.dumps({"version": VERSION, **asdict(report)}, indent=1)) > FILE_BYTES and most:
        most //= 2
        report = replace(report, resources=tuple(_shortened(resource, most) for resource in report.resources))
    path.write_text(content, encoding="ascii")
    return path


def _shortened(resource: Resource, most: int) -> Resource:
    dropped = len(resource.changes[most:])
    return replace(resource, changes=resource.changes[:most], left_out=resource.left_out + dropped)


def read_all(folder: Path) -> tuple[Report, ...]:
    """All reports of the folder, dev, test and prod first. Raises OpsError for an invalid report."""
    paths = sorted(folder.glob("report-*.json")) if folder.is_dir() else []
    if not 1 <= len(paths) <= _REPORTS:
        raise OpsError(
            f"{folder} has {len(paths)} files report-*.json, expected 1 to {_REPORTS}: "
            "run `python -m ops preview`"
        )
    return tuple(sorted(map(read, paths), key=_place))


def read(path: Path) -> Report:
    """Raises OpsError if the file does not have exactly the format of `write`."""
    status = path.lstat()
    # A link in an artifact could point to another file of the job that reads it.
    if not stat.S_ISREG(status.st_mode):
        raise OpsError(f"{path} is not a regular file")
    if status.st_size > FILE_BYTES:
        raise OpsError(f"{path} has {status.st_size} bytes: a report has at most {FILE_BYTES}")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise OpsError(f"{path} is not JSON: {error}") from error
    problem = next(_VALIDATOR.iter_errors(content), None)
    if problem is not None:
        where, rule = problem.json_path[:NAME_CHARS], problem.validator
        raise OpsError(f"{path} is not a report of version {VERSION}: {where!r} violates the rule {rule!r}")
    report = _report(content)
    if path.name != f"report-{report.stack}.json":
        raise OpsError(f"{path} is a report of another stack")
    return report


def _report(content: dict[str, Any]) -> Report:
    members = {name: content[name] for name in content if name != "version"}
    members["settings"] = _changes(content["settings"])
    members["resources"] = tuple(map(_resource, content["resources"]))
    members["package"] = content["package"] and Package(**content["package"])
    members["failures"] = tuple(Failure(**failure) for failure in content["failures"])
    return Report(**members)


def _resource(content: dict[str, Any]) -> Resource:
    members: dict[str, Any] = {**content, "reasons": tuple(content["reasons"])}
    members["changes"] = _changes(content["changes"])
    return Resource(**members)


def _changes(content: list[dict[str, Any]]) -> tuple[Change, ...]:
    members: list[dict[str, Any]] = [
        {**change, **{name: Value(**change[name]) for name in ("old", "new")}} for change in content
    ]
    return tuple(Change(**change) for change in members)


def _place(report: Report) -> tuple[int, str]:
    known = ("dev", "test", "prod")
    return (known.index(report.stack) if report.stack in known else len(known), report.stack)


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(most: int, pattern: str | None = None) -> dict[str, object]:
    return {"type": "string", "maxLength": most, **({"pattern": pattern} if pattern else {})}


def _list(element_schema: dict[str, object], most: int) -> dict[str, object]:
    return {"type": "array", "items": element_schema, "maxItems": most}


def _number(most: int) -> dict[str, object]:
    return {"type": "integer", "minimum": 0, "maximum": most}


_VALUE = _object(kind={"enum": list(get_args(ValueKind))}, text=_text(TEXT_CHARS))
_CHANGE = _object(
    path=_text(NAME_CHARS),
    old=_VALUE,
    new=_VALUE,
    app_setting={"type": "boolean"},
    follows=_text(NAME_CHARS),
)
_RESOURCE = _object(
    op={"enum": list(get_args(Op))},
    type=_text(NAME_CHARS),
    name=_text(NAME_CHARS),
    parent=_text(2 * NAME_CHARS + 2),
    reasons=_list(_text(NAME_CHARS), CHANGES),
    changes=_list(_CHANGE, CHANGES),
    left_out=_number(10**6),
    cause=_text(2 * NAME_CHARS + 2),
)
_HASH = _text(64, r"^([0-9a-f]{64})?\Z")
_PACKAGE = _object(old_hash=_HASH, new_hash=_HASH, size={"anyOf": [_number(10**12), {"type": "null"}]})
_VALIDATOR: Any = Draft202012Validator(
    _object(
        version={"const": VERSION},
        stack=_text(100, r"^[A-Za-z0-9_.-]+\Z"),
        commit=_text(40, r"^([0-9a-f]{40})?\Z"),
        made=_text(20, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"),
        basis={"enum": list(get_args(Basis))},
        counts={
            "type": "object",
            "propertyNames": {"enum": list(get_args(Op))},
            "additionalProperties": _number(10**6),
        },
        settings=_list(_CHANGE, CHANGES),
        resources=_list(_RESOURCE, RESOURCES),
        package={"anyOf": [_PACKAGE, {"type": "null"}]},
        failures=_list(_object(resource=_text(NAME_CHARS), message=_text(MESSAGE_CHARS)), FAILURES),
    )
)
