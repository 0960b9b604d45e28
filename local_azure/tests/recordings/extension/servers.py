"""The neighbours of the bindings on loopback: a proxy of the table service, and a scripted chat model.

Both record each request in the form of the recordings, and both do the faults of a step.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from yarl import URL

Record = dict[str, Any]

_OPERATION = re.compile(
    r"^(POST|PATCH|PUT|MERGE|DELETE) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n(.*?)\r\n--", re.DOTALL | re.MULTILINE
)
_ENTITY_URL = re.compile(r"/(\w[^/(]*)(?:\(PartitionKey='(.*)',RowKey='(.*)'\))?$")
_ERROR_CODE = re.compile(rb'"code":"(\w+)"')
_PLAIN_TYPES = ("Edm.String", "Edm.Int32", "Edm.Boolean")
_NO_ANSWER_LEFT = 599


class Clock:
    """Time as the bindings ask for it: a delay takes none."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Log:
    """The requests of a step, each with the delays that were asked for since the one before."""

    clock: Clock
    records: list[Record] = field(default_factory=list[Record])
    _since: float = 0.0

    def start(self) -> None:
        self.records.clear()
        self._since = self.clock.seconds

    def add(self, record: Record) -> None:
        self.records.append({**record, "waited": self.clock.seconds - self._since})
        self._since = self.clock.seconds


@asynccontextmanager
async def serve(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """Serves until the end of the block; the value is the base URL."""
    server: Any = RawTestServer(handler)  # it leaves types open
    async with server:
        yield f"http://{server.host}:{server.port}"


def entity_of(content: Mapping[str, Any]) -> Record:
    """An entity of OData, with `{"Edm.…": value}` where JSON has no type of its own."""
    entity: Record = {}
    for name, value in content.items():
        if "odata." in name:
            continue
        kind = content.get(f"{name}@odata.type", "Edm.Double" if isinstance(value, float) else "Edm.String")
        entity[name] = value if kind in _PLAIN_TYPES else {kind: value}
    return entity


class TableService:
    """Forwards to Azurite: with the token, or else with the authorization that a request has."""

    def __init__(
        self, azurite: str, account: str, token: str, session: aiohttp.ClientSession, log: Log
    ) -> None:
        self.log = log
        self._azurite = azurite
        self._account = account
        self._session = session
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._headers = {
            **self._authorization,
            "x-ms-version": "2024-11-04",
            "Accept": "application/json;odata=fullmetadata",
        }
        self._faults: list[Record] = []
        self._requests: dict[str, int] = {}

    def start(self, faults: Sequence[Record]) -> None:
        self.log.start()
        self._faults = list(faults)
        self._requests = {}

    async def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        await self._do("POST", "Tables", {"TableName": table}, (201, 409))
        for row in rows:
            content: Record = {}
            for name, value in row.items():
                content[name] = value
                if isinstance(value, dict):
                    ((kind, content[name]),) = cast("Record", value).items()
                    content[f"{name}@odata.type"] = f"Edm.{kind}"
            await self._do("POST", table, content, (201,))

    async def tables(self) -> Record:
        """The rows of all tables by `PartitionKey / RowKey`."""
        tables: Record = {}
        for table in (await self._do("GET", "Tables", None, (200,)))["value"]:
            name: str = table["TableName"]
            rows = tables[name] = dict[str, Record]()
            for content in (await self._do("GET", f"{name}()", None, (200,)))["value"]:
                entity = entity_of(content)
                key = f"{entity.pop('PartitionKey')} / {entity.pop('RowKey')}"
                del entity["Timestamp"]
                rows[key] = entity
        return tables

    async def delete_tables(self) -> None:
        for table in (await self._do("GET", "Tables", None, (200,)))["value"]:
            await self._do("DELETE", f"Tables('{table['TableName']}')", None, (204,))

    async def _do(self, method: str, path: str, content: object, expected: tuple[int, ...]) -> Any:
        url = f"{self._azurite}/{self._account}/{path}"
        async with self._session.request(method, url, json=content, headers=self._headers) as response:
            text = await response.text()
            assert response.status in expected, f"{method} {path}: {response.status} {text}"
            return json.loads(text) if text else None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        record = _request_record(request, body)
        fault = self._fault(record["op"])
        if fault is not None:
            members = ("status", "code", "headers", "cut")
            record["fault"] = {name: fault[name] for name in members if name in fault}
            record |= {"status": fault["status"]} if "status" in fault else {}
        if fault is not None and fault.get("cut") != "after":
            self.log.add(record)
            return _cut(request) if "cut" in fault else _storage_error(fault)
        headers = {**request.headers, **self._authorization}
        # As it came, since its authorization may be a signature.
        url = URL(f"{self._azurite}{request.raw_path}", encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as upstream:
            content = await upstream.read()
            code = _ERROR_CODE.search(content)
            if code is not None:
                record["error"] = code[1].decode()
            if upstream.status >= 300:  # successes are below
                record["status"] = upstream.status
            elif record["op"] == "query":
                record["rows"] = len(json.loads(content)["value"])
            self.log.add(record)
            if fault is not None:
                return _cut(request)
            kept = {
                name: value for name, value in upstream.headers.items() if name.lower() not in _HOP_BY_HOP
            }
            return web.Response(status=upstream.status, headers=kept, body=content)

    def _fault(self, operation: str) -> Record | None:
        number = self._requests[operation] = self._requests.get(operation, 0) + 1
        for fault in self._faults:
            first = fault.get("nth", 1)
            if fault["op"] == operation and first <= number < first + fault.get("times", 1):
                return fault
        return None


_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding")


def _request_record(request: web.BaseRequest, body: bytes) -> Record:
    if request.path.endswith("/$batch"):
        return {
            "op": "batch",
            "operations": [_operation(match) for match in _OPERATION.finditer(body.decode())],
        }
    if request.path.endswith("/Tables"):
        return {"op": "create_table", "table": json.loads(body)["TableName"]}
    table = request.path.rpartition("/")[2].removesuffix("()")
    return {"op": "query", "table": table, "filter": request.query.get("$filter")}


def _operation(match: re.Match[str]) -> Record:
    method, url, header_lines, body = match.groups()
    target = _ENTITY_URL.search(unquote(url.partition("?")[0]))
    assert target is not None, url
    operation: Record = {"method": method, "table": target[1]}
    if target[2] is not None:
        operation["row"] = f"{target[2]} / {target[3]}".replace("''", "'")
    if method == "PATCH":
        headers = dict(line.lower().split(": ", 1) for line in header_lines.split("\r\n"))
        operation["if_match"] = headers.get("if-match")
    if method != "DELETE":
        operation["entity"] = entity_of(json.loads(body))
    return operation


def _storage_error(fault: Record) -> web.Response:
    error = {"odata.error": {"code": fault.get("code", "InternalError"), "message": {"value": "fault"}}}
    return web.json_response(error, status=fault["status"], headers=dict(fault.get("headers", ())))


def _cut(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class Model:
    """Gives the answers of a step, one for each request."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.answers: list[Record] = []

    def start(self, answers: Sequence[Record]) -> None:
        self.log.start()
        self.answers = [
            json.loads(json.dumps(answer).replace("%n", str(number + 1)))
            for answer in answers
            for number in range(answer.get("repeat", 1))
        ]

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        # Numbers with a fraction or an exponent as they are written.
        body = json.loads(await request.read(), parse_float=lambda text: f"<number {text}>")
        path = request.raw_path.partition("?")[0]
        self.log.add({"path": path, "query": dict(request.query), "body": body})
        answer: Record = self.answers.pop(0) if self.answers else {"status": _NO_ANSWER_LEFT, "body": ""}
        await self.log.clock.sleep(answer.get("sleep", 0))
        cut = answer.get("cut")
        if cut in ("before", "reset"):
            return _cut(request)
        content = (answer["body"] if "body" in answer else json.dumps(answer["json"])).encode()
        headers: dict[str, str] = {"Content-Type": "application/json", **dict(answer.get("headers", ()))}
        status = answer.get("status", 200)
        if cut is None:
            return web.Response(status=status, headers=headers, body=content)
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(content))})
        await response.prepare(request)
        if cut == "body":
            await response.write(content[: len(content) // 2])
        await asyncio.sleep(0)
        _cut(request)
        return response
