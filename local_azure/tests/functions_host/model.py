"""A chat model that sends scripted replies and keeps the requests."""

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local_azure.runtime.tls import Tls


@dataclass
class Reply:
    status: int
    body: Mapping[str, Any] | bytes
    before: Callable[[], object] | None = None
    """Called when the request has arrived and before it is answered."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def says(content: str | None, *calls: tuple[str, str, str], tokens: int = 10, **more: Any) -> Reply:
    """A completion; each call is id, name and arguments."""
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    message = {"role": "assistant", "content": content, **({"tool_calls": tool_calls} if calls else {})}
    usage = {"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens}
    return Reply(200, {"choices": [{"index": 0, "message": message}], "usage": usage}, **more)


def refuses(status: int, code: str, message: str = "no") -> Reply:
    return Reply(status, {"error": {"code": code, "message": message}})


@dataclass
class Request:
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass
class ScriptedModel:
    endpoint: str = ""
    replies: list[Reply] = field(default_factory=list[Reply])
    requests: list[Request] = field(default_factory=list[Request])

    def script(self, *replies: Reply) -> None:
        self.replies[:] = replies
        self.requests.clear()


@contextmanager
def scripted_model(tls: Tls) -> Generator[ScriptedModel]:
    model = ScriptedModel()
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with turn:
                model.requests.append(Request(self.path, dict(self.headers), body))
                reply = model.replies.pop(0) if model.replies else refuses(418, "the script is at its end")
            if reply.before is not None:
                reply.before()
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls.server_context().wrap_socket(server.socket, server_side=True)
    model.endpoint = f"https://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
