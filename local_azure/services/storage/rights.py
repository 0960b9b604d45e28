"""Which rights a storage request needs, and where.

From the tables "Permissions for calling data operations" of Azure's page
"Authorize with Microsoft Entra ID" for blobs, queues and tables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Service = Literal["blob", "queue", "table"]

_PROVIDER = "Microsoft.Storage/storageAccounts"
_TABLE_SEGMENT = re.compile(r"(?P<name>[A-Za-z0-9]+)(?P<key>\(.*\))?", re.DOTALL)
_TABLES_SEGMENT = re.compile(r"Tables(?:\((?:'(?P<name>[^']+)')?\))?", re.IGNORECASE)
_BATCHED = re.compile(rb"^(GET|POST|PUT|MERGE|PATCH|DELETE) (\S+) HTTP/1\.1\r?$", re.MULTILINE)
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Right:
    """An operation of a role definition: of its `dataActions`, or of its `actions`."""

    name: str
    data: bool


@dataclass(frozen=True)
class Need:
    """Rights at a scope: all rights of one of the alternatives."""

    scope: str
    """Relative to the account's resource id: empty, or a path such as `/tableServices/default/tables/X`."""
    any_of: tuple[tuple[Right, ...], ...]


@dataclass(frozen=True)
class Call:
    """A storage request as far as rights depend on it. `path` is still percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class PathError(ValueError):
    """The path names nothing that the service could have."""


def needs(service: Service, account: str, call: Call) -> Need:
    """What one request (not a table batch) needs. Raises PathError."""
    first, _, rest = call.path.removeprefix("/").partition("/")
    if first.removesuffix("-secondary").lower() != account.lower():
        raise PathError(f"the path does not begin with /{account}")
    return _BY_SERVICE[service](call, rest)


def batch_needs(account: str, body: bytes) -> frozenset[Need]:
    """What the operations inside a table batch need. Raises PathError when there is none."""
    found: set[Need] = set()
    for method, url in _BATCHED.findall(body):
        text = url.decode("latin-1")
        path = re.sub(r"^https?://[^/]*", "", text).partition("?")[0]
        found.add(needs("table", account, Call(method.decode(), path, {}, {})))
    if not found:
        raise PathError("the batch holds no operation")
    return frozenset(found)


def _data(*names: str) -> tuple[Right, ...]:
    return tuple(Right(f"{_PROVIDER}/{name}", True) for name in names)


def _control(*names: str) -> tuple[Right, ...]:
    return tuple(Right(f"{_PROVIDER}/{name}", False) for name in names)


def _service_settings(service: Service, call: Call) -> Need | None:
    """The service's own properties and statistics."""
    if call.query.get("restype") == "service" and call.query.get("comp") in {"properties", "stats"}:
        verb = "read" if call.method in _READS else "write"
        return Need("", (_control(f"{service}Services/{verb}"),))
    return None


def _table(call: Call, rest: str) -> Need:
    settings = _service_settings("table", call)
    if settings is not None:
        return settings
    method = call.headers.get("X-HTTP-Method", "POST").upper() if call.method == "POST" else call.method
    segment = unquote(rest)
    tables = _TABLES_SEGMENT.fullmatch(segment)
    if tables is not None or not segment:
        name = tables["name"] if tables is not None else None
        verb = "read" if method in _READS else "delete" if method == "DELETE" else "write"
        scope = f"/tableServices/default/tables/{name}" if name else ""
        return Need(scope, (_control(f"tableServices/tables/{verb}"),))
    entity = _TABLE_SEGMENT.fullmatch(segment)
    if entity is None:
        raise PathError(f"{segment} is neither a table nor an entity")
    scope = f"/tableServices/default/tables/{entity['name']}"
    base = "tableServices/tables"
    if call.query.get("comp") == "acl":
        verb = "getAcl" if method in _READS else "setAcl"
        return Need(scope, (_control(f"{base}/{verb}/action"),))
    write = _data(f"{base}/entities/write")
    if method in _READS:
        return Need(scope, (_data(f"{base}/entities/read"),))
    if method == "DELETE":
        return Need(scope, (_data(f"{base}/entities/delete"),))
    if method == "POST":
        return Need(scope, (write, _data(f"{base}/entities/add/action")))
    if "If-Match" in call.headers:
        return Need(scope, (write, _data(f"{base}/entities/update/action")))
    return Need(scope, (write, _data(f"{base}/entities/add/action", f"{base}/entities/update/action")))


def _blob(call: Call, rest: str) -> Need:
    settings = _service_settings("blob", call)
    if settings is not None:
        return settings
    container, _, blob = rest.partition("/")
    container = unquote(container)
    comp, reads = call.query.get("comp"), call.method in _READS
    scope = f"/blobServices/default/containers/{container}" if container else ""
    base = "blobServices/containers"
    if comp == "batch":
        return Need(scope, (_data(f"{base}/blobs/delete", f"{base}/blobs/write"),))
    if not container:
        if blob:
            raise PathError("the path names a blob without a container")
        return Need("", (_blob_account_right(call, base),))
    if not blob or call.query.get("restype") == "container":
        return Need(scope, (_container_right(call, base),))
    if comp == "tags":
        return Need(scope, (_data(f"{base}/blobs/tags/{'read' if reads else 'write'}"),))
    if reads or comp == "query":
        return Need(scope, (_data(f"{base}/blobs/read"),))
    if call.method == "DELETE":
        return Need(scope, (_data(f"{base}/blobs/delete"),))
    write = _data(f"{base}/blobs/write")
    if comp in {"appendblock", "snapshot"}:
        return Need(scope, (write, _data(f"{base}/blobs/add/action")))
    return Need(scope, (write,))


def _blob_account_right(call: Call, base: str) -> tuple[Right, ...]:
    comp = call.query.get("comp")
    if comp == "userdelegationkey":
        return _control("blobServices/generateUserDelegationKey/action")
    if comp == "blobs":
        return _data(f"{base}/blobs/filter/action")
    if call.query.get("restype") == "account":
        return _control("blobServices/getInfo/action")
    return _control(f"{base}/read")


def _container_right(call: Call, base: str) -> tuple[Right, ...]:
    comp, reads = call.query.get("comp"), call.method in _READS
    if comp == "list":
        return _data(f"{base}/blobs/read")
    if comp == "blobs":
        return _data(f"{base}/blobs/filter/action")
    if comp == "acl":
        return _control(f"{base}/{'getAcl' if reads else 'setAcl'}/action")
    return _control(f"{base}/{'read' if reads else 'delete' if call.method == 'DELETE' else 'write'}")


def _queue(call: Call, rest: str) -> Need:
    settings = _service_settings("queue", call)
    if settings is not None:
        return settings
    queue, _, messages = rest.partition("/")
    queue = unquote(queue)
    base, reads = "queueServices/queues", call.method in _READS
    if not queue:
        return Need("", (_control(f"{base}/read"),))
    scope = f"/queueServices/default/queues/{queue}"
    if not messages:
        if call.query.get("comp") == "acl":
            return Need(scope, (_control(f"{base}/{'getAcl' if reads else 'setAcl'}/action"),))
        verb = "read" if reads else "delete" if call.method == "DELETE" else "write"
        return Need(scope, (_control(f"{base}/{verb}"),))
    process = _data(f"{base}/messages/process/action")
    if reads and call.query.get("peekonly") == "true":
        return Need(scope, (_data(f"{base}/messages/read"),))
    if reads:
        return Need(scope, (process, _data(f"{base}/messages/read", f"{base}/messages/delete")))
    if call.method == "DELETE":
        delete = _data(f"{base}/messages/delete")
        return Need(scope, (process, delete) if messages.strip("/") != "messages" else (delete,))
    write = _data(f"{base}/messages/write")
    if call.method == "POST":
        return Need(scope, (write, _data(f"{base}/messages/add/action")))
    return Need(scope, (write,))


_BY_SERVICE = {"blob": _blob, "queue": _queue, "table": _table}
