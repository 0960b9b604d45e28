"""The request of a token, at a token endpoint on loopback."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from assistants.identity import ManagedIdentity
from assistants.settings import IdentityEndpoint


@pytest.mark.parametrize(("client_id", "parameter"), [("c1", "&client_id=c1"), ("", "")])
def test_a_token_is_requested_with_the_platforms_header_and_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, client_id: str, parameter: str
) -> None:
    requests: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            requests.append((self.path, self.headers["X-IDENTITY-HEADER"]))
            body = json.dumps({"access_token": "t0ken", "expires_on": str(int(time.time()) + 3600)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's signature
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/msi/token"
        identity = ManagedIdentity(IdentityEndpoint(url, "header", client_id))
        assert identity.get_token("https://storage.azure.com/.default").token == "t0ken"
        server.shutdown()

    query = f"api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F{parameter}"
    assert requests == [(f"/msi/token?{query}", "header")]
