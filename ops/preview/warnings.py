"""Changes that take something away or open something, and their consequences. Pure functions.

Each is a row. A value that is missing warns of nothing: the resource is new, or the property is not managed.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ops.preview.causes import DETERMINED
from ops.preview.report import Change, Resource, Value
from ops.state import GUARD, LOG_WORKSPACE, MODEL_ACCOUNT, MODEL_DEPLOYMENT, SITE, STORAGE_ACCOUNT
from ops.words import plain_type

_NO_LIMIT = {0.0, -1.0}


def _lower(old: str, new: str) -> bool:
    return float(new) < float(old)


def _limited(old: str, new: str) -> bool:
    """A lower limit, or the first one: 0 and -1 are none."""
    return float(new) not in _NO_LIMIT and (float(old) in _NO_LIMIT or float(new) < float(old))


def _is(value: str) -> Callable[[str, str], bool]:
    return lambda _old, new: new == value


@dataclass(frozen=True)
class Row:
    """`path` is a pattern of a property, or the name of an app setting. `{}` is the new value."""

    type: str
    path: str
    warns: Callable[[str, str], bool]
    consequence: str


_ALWAYS_READY, _ORIGINS = DETERMINED["alwaysReady"], DETERMINED["corsOrigins"]
_ROWS = (
    Row(LOG_WORKSPACE, DETERMINED["logRetentionDays"], _lower, "logs older than {} days are deleted"),
    Row(LOG_WORKSPACE, DETERMINED["logDailyCapGB"], _limited, "logs beyond {} GB a day are dropped"),
    Row(
        MODEL_DEPLOYMENT,
        DETERMINED["modelCapacity"],
        _lower,
        "the model refuses requests (429) beyond {} thousand tokens a minute",
    ),
    Row(SITE, DETERMINED["maximumInstanceCount"], _lower, "the app scales to at most {} instances"),
    Row(SITE, DETERMINED["instanceMemoryMB"], _lower, "an instance has only {} MB of memory"),
    Row(SITE, _ALWAYS_READY, _lower, "requests wait for a cold start beyond {} warm instances"),
    Row(SITE, "CHAT_MODEL_MAX_TOKENS", _lower, "replies are cut off at {} tokens"),
    Row(SITE, "HTTP_AUTH_LEVEL", _is("anonymous"), "everybody may call the API, without a key"),
    Row(SITE, "EXPOSE_INSTRUCTIONS", _is("true"), "callers can read the system prompts of assistants"),
    Row(SITE, "ASSISTANT_RETENTION_DAYS", _limited, "assistants that are idle for {} days are deleted"),
    Row(SITE, "MAX_CONVERSATION_MESSAGES", _limited, "posts to a conversation of {} messages are refused"),
    Row(SITE, _ORIGINS, _is("*"), "pages of every web site may call the API"),
    Row(SITE, _ORIGINS, lambda _, new: bool(new), "pages of {} may call the API"),
    Row(SITE, "httpsOnly", _is("false"), "requests and function keys may be sent without encryption"),
    Row(
        STORAGE_ACCOUNT, "allowSharedKeyAccess", _is("true"), "account keys give access to all conversations"
    ),
    Row(STORAGE_ACCOUNT, "allowBlobPublicAccess", _is("true"), "containers can be made public"),
    Row(MODEL_ACCOUNT, r"properties\.disableLocalAuth", _is("false"), "keys give access to the model"),
    Row(GUARD, "protected", _is("false"), "the stack can be destroyed, with all conversations"),
)
_MISSING = {_ALWAYS_READY: "0", _ORIGINS: ""}
"""What a member that is missing from one of these lists means."""


def consequences(resource: Resource) -> Iterator[tuple[Change, str, str]]:
    """The changes that need a warning, with their consequence as a format string, and its value."""
    if resource.op in {"create", "import", "delete"}:
        return
    before = {change.old for change in resource.changes}
    for change in resource.changes:
        missing = next((text for path, text in _MISSING.items() if re.fullmatch(path, change.path)), None)
        old, new = _text(change.old, missing), _text(change.new, missing)
        if old is None or new is None or (missing is not None and change.new in before):
            continue
        matching = (
            row
            for row in _ROWS
            if row.type == plain_type(resource.type)
            and re.fullmatch(row.path, change.path)
            and _warns(row, old, new)
        )
        if row := next(matching, None):
            yield change, row.consequence, new


def _warns(row: Row, old: str, new: str) -> bool:
    try:
        return row.warns(old, new)
    except ValueError:  # not a number
        return False


def _text(value: Value, missing: str | None) -> str | None:
    """The value without JSON's quotes; None if it is not known, or too long to be read."""
    if value.kind == "absent":
        return missing
    try:
        parsed = json.loads(value.text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, str) else json.dumps(parsed)
