"""The result of a preview as data, and the file that passes it to the job that comments.

That job reads files from pull requests of forks, which are untrusted: a file that is too large, or does not
match the schema of these classes exactly, is refused. The renderer cuts each text, so none has a limit here.
"""

import json
import stat
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from jsonschema import Draft202012Validator

from ops.output import OpsError

FILE_BYTES = 2 * 1024 * 1024
_REPORTS = 20
_ORDER = {"dev": 0, "test": 1, "prod": 2}

Op = Literal["create", "update", "replace", "delete", "import", "same"]
_Hash = Annotated[str, {"pattern": r"^([0-9a-f]{64})?\Z"}]


@dataclass(frozen=True)
class Value:
    """A property value. `text` is JSON; it is empty for the kinds absent, unknown and hidden."""

    kind: Literal["text", "absent", "unknown", "hidden"]
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

    `reasons` are the properties that require a replacement.
    `cause` is the key of the changed resource that this one changes with; empty if it changes for itself.
    """

    op: Op
    type: str
    name: str
    parent: str = ""
    reasons: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    cause: str = ""

    @property
    def key(self) -> str:
        return f"{self.type}::{self.name}"


@dataclass(frozen=True)
class Package:
    """The code. Hashes are empty if there is no package; `size` is in bytes, None if unknown."""

    old_hash: _Hash
    new_hash: _Hash
    size: Annotated[int | None, {"minimum": 0, "maximum": 10**12}]


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

    stack: Annotated[str, {"pattern": r"^[A-Za-z0-9_.-]{1,100}\Z"}]
    commit: Annotated[str, {"pattern": r"^([0-9a-f]{40})?\Z"}]
    made: Annotated[str, {"pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"}]
    basis: Literal["deployed", "base"]
    resources: tuple[Resource, ...] = ()
    package: Package | None = None
    failures: tuple[Failure, ...] = ()
    settings: tuple[Change, ...] = ()
    version: Literal[3] = 3

    @property
    def changed(self) -> tuple[Resource, ...]:
        return tuple(resource for resource in self.resources if resource.op != "same")


def write(report: Report, folder: Path) -> Path:
    """Write `report-STACK.json`. Raises OpsError if it would be too large to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"report-{report.stack}.json"
    content = json.dumps(asdict(report), indent=1)
    if len(content) > FILE_BYTES:
        raise OpsError(f"{path} would have {len(content)} bytes: a report has at most {FILE_BYTES}")
    path.write_text(content, encoding="ascii")
    return path


def read_all(folder: Path) -> tuple[Report, ...]:
    """All reports of the folder, dev, test and prod first. Raises OpsError for an invalid report."""
    paths = sorted(folder.glob("report-*.json")) if folder.is_dir() else []
    if not 1 <= len(paths) <= _REPORTS:
        raise OpsError(
            f"{folder} has {len(paths)} files report-*.json, expected 1 to {_REPORTS}: "
            "run `python -m ops preview`"
        )
    return tuple(sorted(map(read, paths), key=lambda report: (_ORDER.get(report.stack, 3), report.stack)))


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
        where, rule = problem.json_path[:300], problem.validator
        raise OpsError(f"{path} is not a report of this version: {where!r} violates the rule {rule!r}")
    report: Report = _parsed(Report, content)
    if path.name != f"report-{report.stack}.json":
        raise OpsError(f"{path} is a report of another stack")
    return report


_members = cache(get_type_hints)
"""The types of the members of a class, by name."""


def _schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of one of the classes above, or of a member."""
    if is_dataclass(kind):
        members = get_type_hints(kind, include_extras=True)
        schemas = {name: _schema(member) for name, member in members.items()}
        return {
            "type": "object",
            "properties": schemas,
            "required": [*schemas],
            "additionalProperties": False,
        }
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**_schema(arguments[0]), **arguments[1]}
    if origin is Literal:
        return {"enum": [*arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if NoneType in arguments:
        return {"anyOf": [*map(_schema, arguments)]}
    return {"type": {str: "string", int: "integer", bool: "boolean", NoneType: "null"}[kind]}


def _parsed(kind: Any, content: Any) -> Any:
    """The instance that `write` converted to `content`, which has the schema."""
    if is_dataclass(kind):
        make: Any = kind
        members = _members(kind)
        return make(**{name: _parsed(members[name], content[name]) for name in members})
    if get_origin(kind) is tuple:
        return tuple(_parsed(get_args(kind)[0], member) for member in content)
    if NoneType in get_args(kind) and content is not None:
        return _parsed(get_args(kind)[0], content)
    return content


_VALIDATOR: Any = Draft202012Validator(_schema(Report))
