"""Everything that reaches a table service: a proxy in front of Azurite that keeps each request."""

import http.client
import json
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from local_azure.runtime.ports import ADDRESS

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}


@dataclass(frozen=True)
class TableRequest:
    """One request. `path` and the query's values are decoded; `rows` is how many the answer holds."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    rows: int


class Recorder:
    def __init__(self, connection_string: str, requests: list[TableRequest]) -> None:
        self.connection_string = connection_string
        self._requests = requests

    def taken(self) -> list[TableRequest]:
        """What came since the last call."""
        requests = list(self._requests)
        self._requests.clear()
        return requests


@contextmanager
def recorded(connection_string: str) -> Generator[Recorder]:
    """The same tables by another address. Signatures stay good: they cover the path and not the host."""
    endpoint = connection_string.partition("TableEndpoint=")[2].rstrip(";")
    upstream = urlsplit(endpoint)
    requests: list[TableRequest] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base's name
            pass

        def forward(self) -> None:
            # One for each request: Azurite closes a connection that was idle for five seconds.
            connection = http.client.HTTPConnection(upstream.netloc, timeout=30)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            path, _, query = self.path.partition("?")
            requests.append(
                TableRequest(
                    self.command, unquote(path), dict(parse_qsl(query)), body, _rows(answer, content)
                )
            )
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_MERGE = forward  # noqa: N815 # the base's names

    server: socketserver.BaseServer = ThreadingHTTPServer((ADDRESS, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        here = upstream._replace(netloc=f"{ADDRESS}:{server.server_address[1]}").geturl()
        yield Recorder(connection_string.replace(endpoint, here), requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _rows(answer: http.client.HTTPResponse, content: bytes) -> int:
    if answer.status != 200 or "json" not in (answer.getheader("Content-Type") or ""):
        return 0
    body = cast("dict[str, Any]", json.loads(content))
    return len(body["value"]) if "value" in body else 1
