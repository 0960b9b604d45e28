"""The permissions that a request to Azure Storage requires, and their scope.

From the tables "Permissions for calling data operations" of Azure's page "Authorize with Microsoft Entra ID"
for blobs, queues and tables.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple
from urllib.parse import unquote

Service = Literal["blob", "queue", "table"]

_BATCHED = re.compile(rb"^(GET|POST|PUT|MERGE|PATCH|DELETE) (\S+) HTTP/1\.1\r?$", re.MULTILINE)
_TABLE_PATH = re.compile(
    r"(?:Tables(?:\((?:'(?P<tables>[^']+)')?\))?|(?P<table>[A-Za-z0-9]+)(?:\(.*\))?)?", re.DOTALL
)
# Target, method and flag of a request, each empty for any, and the permissions: the first that fits counts.
# `a + b | c` are alternatives, a permission in parentheses is one of the control plane, `{verb}` is read,
# write or delete, `{change}` read or write, `{acl}` getAcl or setAcl.
_RULES: Mapping[Service, tuple[tuple[str, str, str, str], ...]] = {
    "table": (
        ("service", "", "restype=service", "({change})"),
        ("service", "", "", "(tables/{verb})"),
        ("table", "", "comp=acl", "(tables/{acl}/action)"),
        ("table", "", "", "(tables/{verb})"),
        ("entities", "", "comp=acl", "(tables/{acl}/action)"),
        ("entities", "GET", "", "tables/entities/read"),
        ("entities", "DELETE", "", "tables/entities/delete"),
        ("entities", "POST", "", "tables/entities/write | tables/entities/add/action"),
        ("entities", "", "If-Match", "tables/entities/write | tables/entities/update/action"),
        ("", "", "", "tables/entities/write | tables/entities/add/action + tables/entities/update/action"),
    ),
    "blob": (
        ("", "", "comp=batch", "containers/blobs/delete + containers/blobs/write"),
        ("", "", "comp=blobs", "containers/blobs/filter/action"),
        ("service", "", "comp=userdelegationkey", "(generateUserDelegationKey/action)"),
        ("service", "", "restype=service", "({change})"),
        ("service", "", "restype=account", "(getInfo/action)"),
        ("service", "", "", "(containers/read)"),
        ("container", "", "comp=list", "containers/blobs/read"),
        ("container", "", "comp=acl", "(containers/{acl}/action)"),
        ("container", "", "", "(containers/{verb})"),
        ("blob", "", "comp=tags", "containers/blobs/tags/{change}"),
        ("blob", "", "comp=query", "containers/blobs/read"),
        ("blob", "PUT", "comp=appendblock", "containers/blobs/write | containers/blobs/add/action"),
        ("blob", "PUT", "comp=snapshot", "containers/blobs/write | containers/blobs/add/action"),
        ("blob", "", "", "containers/blobs/{verb}"),
    ),
    "queue": (
        ("service", "", "restype=service", "({change})"),
        ("service", "", "", "(queues/read)"),
        ("queue", "", "comp=acl", "(queues/{acl}/action)"),
        ("queue", "", "", "(queues/{verb})"),
        ("", "GET", "peekonly=true", "queues/messages/read"),
        ("", "GET", "", "queues/messages/process/action | queues/messages/read + queues/messages/delete"),
        ("messages", "DELETE", "", "queues/messages/delete"),
        ("", "DELETE", "", "queues/messages/process/action | queues/messages/delete"),
        ("", "POST", "", "queues/messages/write | queues/messages/add/action"),
        ("", "", "", "queues/messages/write"),
    ),
}


class Permission(NamedTuple):
    """An operation in the `actions` or the `dataActions` of a role definition."""

    kind: Literal["action", "data_action"]
    name: str


class Requirement(NamedTuple):
    """All permissions of one of the alternatives, at a scope."""

    scope: str
    """Relative to the account's resource id: empty, or a path such as `/tableServices/default/tables/X`."""
    any_of: tuple[tuple[Permission, ...], ...]


class PathError(ValueError):
    """A path that the service cannot have."""


def requirement_of(
    service: Service,
    account: str,
    method: str,
    path: str,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> Requirement:
    """For any request but a table batch; `path` is percent-encoded. Raises PathError."""
    first, _, rest = path.removeprefix("/").partition("/")
    if first.removesuffix("-secondary").lower() != account.lower():
        raise PathError(f"the path does not begin with /{account}")
    target, scope = _TARGETS[service](rest, query)
    if service == "table" and method == "POST":
        method = headers.get("X-HTTP-Method", method).upper()
    if method == "HEAD":
        method = "GET"
    flags = {"", *(f"{name}={value}" for name, value in query.items())}
    if "If-Match" in headers:
        flags.add("If-Match")
    permissions = next(
        permissions
        for rule_target, rule_method, flag, permissions in _RULES[service]
        if rule_target in ("", target) and rule_method in ("", method) and flag in flags
    )
    return Requirement(scope, _alternatives(service, permissions, method))


def batch_requirements(account: str, body: bytes) -> frozenset[Requirement]:
    """For the operations of a table batch. Raises PathError when there is none."""
    requirements: set[Requirement] = set()
    for method, url in _BATCHED.findall(body):
        path = re.sub(r"^https?://[^/]*", "", url.decode("latin-1")).partition("?")[0]
        requirements.add(requirement_of("table", account, method.decode(), path, query={}, headers={}))
    if not requirements:
        raise PathError("the batch holds no operation")
    return frozenset(requirements)


@cache
def _alternatives(service: Service, permissions: str, method: str) -> tuple[tuple[Permission, ...], ...]:
    change = "read" if method == "GET" else "write"
    verb, acl = "delete" if method == "DELETE" else change, "getAcl" if method == "GET" else "setAcl"
    text = permissions.format(verb=verb, change=change, acl=acl)
    return tuple(
        tuple(_permission(service, name) for name in alternative.split(" + "))
        for alternative in text.split(" | ")
    )


def _permission(service: Service, name: str) -> Permission:
    path = f"Microsoft.Storage/storageAccounts/{service}Services/{name.strip('()')}"
    return Permission("action" if name.startswith("(") else "data_action", path)


def _table(rest: str, _query: Mapping[str, str]) -> tuple[str, str]:
    """The target of a request, and the scope."""
    path = _TABLE_PATH.fullmatch(unquote(rest))
    if path is None:
        raise PathError(f"{unquote(rest)} is neither a table nor an entity")
    name = path["table"] or path["tables"]
    target = "entities" if path["table"] else "table" if rest else "service"
    return target, f"/tableServices/default/tables/{name}" if name else ""


def _blob(rest: str, query: Mapping[str, str]) -> tuple[str, str]:
    container, _, blob = rest.partition("/")
    if not container:
        if blob:
            raise PathError("the path names a blob without a container")
        return "service", ""
    target = "blob" if blob and query.get("restype") != "container" else "container"
    return target, f"/blobServices/default/containers/{unquote(container)}"


def _queue(rest: str, _query: Mapping[str, str]) -> tuple[str, str]:
    queue, _, messages = rest.partition("/")
    if not queue:
        return "service", ""
    target = "queue" if not messages else "messages" if messages.strip("/") == "messages" else "message"
    return target, f"/queueServices/default/queues/{unquote(queue)}"


_TARGETS = {"blob": _blob, "queue": _queue, "table": _table}
