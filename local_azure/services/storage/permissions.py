"""The permissions that a request to Azure Storage requires, and their scope.

From the tables "Permissions for calling data operations" of Azure's page "Authorize with Microsoft Entra ID"
for blobs, queues and tables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Service = Literal["blob", "queue", "table"]

_TABLE_SEGMENT = re.compile(r"(?P<name>[A-Za-z0-9]+)(?P<key>\(.*\))?", re.DOTALL)
_TABLES_SEGMENT = re.compile(r"Tables(?:\((?:'(?P<name>[^']+)')?\))?", re.IGNORECASE)
_BATCHED = re.compile(rb"^(GET|POST|PUT|MERGE|PATCH|DELETE) (\S+) HTTP/1\.1\r?$", re.MULTILINE)
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Permission:
    """An operation in the `actions` or the `dataActions` of a role definition."""

    name: str
    kind: Literal["action", "data_action"]


Alternative = tuple[Permission, ...]
"""All of them are required."""


@dataclass(frozen=True)
class Requirement:
    """The permissions of one of the alternatives, at a scope."""

    scope: str
    """Relative to the account's resource id: empty, or a path such as `/tableServices/default/tables/X`."""
    any_of: tuple[Alternative, ...]


@dataclass(frozen=True)
class StorageRequest:
    """What permissions depend on. `path` is percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def verb(self) -> str:
        """The operation of a role definition for a container, table or queue as a whole."""
        return "read" if self.method in _READS else "delete" if self.method == "DELETE" else "write"

    @property
    def acl_verb(self) -> str:
        return "getAcl" if self.method in _READS else "setAcl"


class PathError(ValueError):
    """A path that the service cannot have."""


def requirement_of(service: Service, account: str, request: StorageRequest) -> Requirement:
    """For any request but a table batch. Raises PathError."""
    first, _, rest = request.path.removeprefix("/").partition("/")
    if first.removesuffix("-secondary").lower() != account.lower():
        raise PathError(f"the path does not begin with /{account}")
    query = request.query
    if query.get("restype") == "service" and query.get("comp") in {"properties", "stats"}:
        verb = "read" if request.verb == "read" else "write"
        return _require("", _action(f"{service}Services/{verb}"))
    return _BY_SERVICE[service](request, rest)


def batch_requirements(account: str, body: bytes) -> frozenset[Requirement]:
    """For the operations of a table batch. Raises PathError when there is none."""
    requirements: set[Requirement] = set()
    for method, url in _BATCHED.findall(body):
        path = re.sub(r"^https?://[^/]*", "", url.decode("latin-1")).partition("?")[0]
        requirements.add(requirement_of("table", account, StorageRequest(method.decode(), path, {}, {})))
    if not requirements:
        raise PathError("the batch holds no operation")
    return frozenset(requirements)


def _require(scope: str, *any_of: Alternative) -> Requirement:
    return Requirement(scope, any_of)


def _action(name: str) -> Alternative:
    return (Permission(f"Microsoft.Storage/storageAccounts/{name}", "action"),)


def _data_actions(*names: str) -> Alternative:
    return tuple(Permission(f"Microsoft.Storage/storageAccounts/{name}", "data_action") for name in names)


def _table(request: StorageRequest, rest: str) -> Requirement:
    if request.method == "POST":
        method = request.headers.get("X-HTTP-Method", "POST").upper()
        request = StorageRequest(method, request.path, request.query, request.headers)
    segment, base = unquote(rest), "tableServices/tables"
    tables = _TABLES_SEGMENT.fullmatch(segment)
    if tables is not None or not segment:
        name = tables["name"] if tables is not None else None
        scope = f"/tableServices/default/tables/{name}" if name else ""
        return _require(scope, _action(f"{base}/{request.verb}"))
    entity = _TABLE_SEGMENT.fullmatch(segment)
    if entity is None:
        raise PathError(f"{segment} is neither a table nor an entity")
    scope = f"/tableServices/default/tables/{entity['name']}"
    if request.query.get("comp") == "acl":
        return _require(scope, _action(f"{base}/{request.acl_verb}/action"))
    write = _data_actions(f"{base}/entities/write")
    add, update = f"{base}/entities/add/action", f"{base}/entities/update/action"
    if request.verb != "write":
        return _require(scope, _data_actions(f"{base}/entities/{request.verb}"))
    if request.method == "POST":
        return _require(scope, write, _data_actions(add))
    if "If-Match" in request.headers:
        return _require(scope, write, _data_actions(update))
    return _require(scope, write, _data_actions(add, update))


def _blob(request: StorageRequest, rest: str) -> Requirement:
    container, _, blob = rest.partition("/")
    container, comp, base = unquote(container), request.query.get("comp"), "blobServices/containers"
    scope = f"/blobServices/default/containers/{container}" if container else ""
    if comp == "batch":
        return _require(scope, _data_actions(f"{base}/blobs/delete", f"{base}/blobs/write"))
    if not container:
        if blob:
            raise PathError("the path names a blob without a container")
        return _require("", _blob_service_permission(request, base))
    if not blob or request.query.get("restype") == "container":
        return _require(scope, _container_permission(request, base))
    if comp == "tags":
        verb = "read" if request.verb == "read" else "write"
        return _require(scope, _data_actions(f"{base}/blobs/tags/{verb}"))
    if request.verb == "read" or comp == "query":
        return _require(scope, _data_actions(f"{base}/blobs/read"))
    permission = _data_actions(f"{base}/blobs/{request.verb}")
    if request.verb == "write" and comp in {"appendblock", "snapshot"}:
        return _require(scope, permission, _data_actions(f"{base}/blobs/add/action"))
    return _require(scope, permission)


def _blob_service_permission(request: StorageRequest, base: str) -> Alternative:
    comp = request.query.get("comp")
    if comp == "userdelegationkey":
        return _action("blobServices/generateUserDelegationKey/action")
    if comp == "blobs":
        return _data_actions(f"{base}/blobs/filter/action")
    if request.query.get("restype") == "account":
        return _action("blobServices/getInfo/action")
    return _action(f"{base}/read")


def _container_permission(request: StorageRequest, base: str) -> Alternative:
    comp = request.query.get("comp")
    if comp == "list":
        return _data_actions(f"{base}/blobs/read")
    if comp == "blobs":
        return _data_actions(f"{base}/blobs/filter/action")
    return _action(f"{base}/{request.acl_verb}/action" if comp == "acl" else f"{base}/{request.verb}")


def _queue(request: StorageRequest, rest: str) -> Requirement:
    queue, _, messages = rest.partition("/")
    queue, base = unquote(queue), "queueServices/queues"
    if not queue:
        return _require("", _action(f"{base}/read"))
    scope = f"/queueServices/default/queues/{queue}"
    if not messages:
        if request.query.get("comp") == "acl":
            return _require(scope, _action(f"{base}/{request.acl_verb}/action"))
        return _require(scope, _action(f"{base}/{request.verb}"))
    process = _data_actions(f"{base}/messages/process/action")
    read, delete = f"{base}/messages/read", f"{base}/messages/delete"
    if request.verb == "read" and request.query.get("peekonly") == "true":
        return _require(scope, _data_actions(read))
    if request.verb == "read":
        return _require(scope, process, _data_actions(read, delete))
    if request.verb == "delete":
        all_messages = messages.strip("/") == "messages"
        return _require(scope, *([] if all_messages else [process]), _data_actions(delete))
    write = _data_actions(f"{base}/messages/write")
    if request.method == "POST":
        return _require(scope, write, _data_actions(f"{base}/messages/add/action"))
    return _require(scope, write)


_BY_SERVICE = {"blob": _blob, "queue": _queue, "table": _table}
