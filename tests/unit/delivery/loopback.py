"""A server on the loopback that plays one function app in Azure, by a script of answers."""

import json
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

SITE_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app"
PUBLISH = "POST /api/publish"
DEPLOYMENT = "GET /api/deployments/d1"
LOG = "GET /api/deployments/d1/log"
HEALTH = "GET /api/health"
SITE = f"GET {SITE_ID}"
FUNCTIONS = f"GET {SITE_ID}/functions"
HOST_STATUS = f"GET {SITE_ID}/hostruntime/admin/host/status"
APP_SETTINGS = f"POST {SITE_ID}/config/appsettings/list"
KEYED = "GET /admin/host/status"
HOST_KEYS = f"POST {SITE_ID}/host/default/listkeys"
ASSISTANTS = "GET /api/assistants"
METADATA = "GET /metadata/endpoints"
IDENTITY = "GET /msi/token"
OIDC = "GET /oidc"


@dataclass(frozen=True)
class Reply:
    """`body` is sent as JSON unless it is text; `status` 0 hangs up without an answer."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Received:
    route: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Azure:
    """`script` maps a route to its answers in order; the last one stays."""

    def __init__(self, host: str, ca_file: Path) -> None:
        self.host, self.ca_file = host, ca_file
        self.script: dict[str, list[Reply]] = {}
        self.computed: dict[str, Callable[[], Reply]] = {}
        self.received: list[Received] = []
        self._lock = threading.Lock()

    def answers(self, route: str, *replies: Reply) -> None:
        self.script[route] = list(replies)

    def computes(self, route: str, reply: Callable[[], Reply]) -> None:
        """Ask `reply` for each answer of a route."""
        self.computed[route] = reply

    def requests(self, route: str) -> list[Received]:
        return [received for received in self.received if received.route == route]

    def reply(self, received: Received) -> Reply:
        with self._lock:
            self.received.append(received)
            if received.route in self.computed:
                return self.computed[received.route]()
            replies = self.script.get(received.route, [Reply(404, "nothing here")])
            return replies.pop(0) if len(replies) > 1 else replies[0]

    def runs(self, package_hash: str, *functions: str) -> None:
        """A site that deploys well and runs this package."""
        self.answers(PUBLISH, Reply(202, json.dumps("d1")))
        self.answers(DEPLOYMENT, Reply(200, {"status": 4}))
        self.answers(HEALTH, Reply(200, {"status": "ok", "package": package_hash}))
        listed = [{"name": f"app/{name}", "properties": {"name": name}} for name in functions]
        self.answers(FUNCTIONS, Reply(200, {"value": listed}))
        self.answers(HOST_STATUS, Reply(200, {"state": "Running"}))
        self.answers(APP_SETTINGS, Reply(200, {"properties": {"AzureOpenAI__clientId": "c"}}))
        self.answers(KEYED, Reply(401))
        self.answers(HOST_KEYS, Reply(200, {"functionKeys": {"default": "h0st-key"}}))
        self.answers(ASSISTANTS, Reply(200, {"assistants": []}))
        self.answers(SITE, Reply(200, {"id": SITE_ID}))

    def signs_in(self) -> dict[str, str]:
        """Plays the token endpoint of a managed identity; the environment that leads there."""
        token = {"access_token": "tok3n", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
        self.answers(IDENTITY, Reply(200, token))
        authentication = {
            "loginEndpoint": f"https://{self.host}/login/",
            "audiences": ["https://management.core.example/", f"https://{self.host}/"],
        }
        self.answers(
            METADATA,
            Reply(
                200,
                {"resourceManager": f"https://{self.host}/", "authentication": authentication, "name": "L"},
            ),
        )
        return {
            "ARM_USE_MSI": "true",
            "ARM_METADATA_HOSTNAME": self.host,
            "IDENTITY_ENDPOINT": f"https://{self.host}/msi/token",
            "IDENTITY_HEADER": "header",
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }


@contextmanager
def loopback(folder: Path) -> Generator[Azure]:
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType] # it also takes pyOpenSSL's

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            received = Received(f"{self.command} {target.path}", query, dict(self.headers.items()), body)
            reply = azure.reply(received)
            if reply.status == 0:
                self.close_connection = True
                return
            text: Any = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            self.send_response_only(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 # the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's signature
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    azure = Azure(f"127.0.0.1:{server.server_port}", ca_file)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield azure
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
