"""The app's managed identity, in an environment whose app settings name a proxy."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from assistants.identity import ManagedIdentity
from assistants.settings import IdentityEndpoint


@pytest.fixture
def endpoint() -> Iterator[IdentityEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            body = json.dumps({"access_token": "t0ken", "expires_on": str(int(time.time()) + 3600)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's signature
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield IdentityEndpoint(f"http://127.0.0.1:{server.server_port}/msi/token", "header", "client")
        server.shutdown()


def test_a_token_is_asked_for_without_a_proxy(
    endpoint: IdentityEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ManagedIdentity(endpoint).get_token("https://storage.azure.com/.default").token == "t0ken"
