"""One function app in Azure, played by a script of answers: as a transport of requests, without a socket."""

import json
import os
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

# The Azure SDK names the platform in its requests: Python starts `uname` for it once, here outside any test.
platform.platform()

HOST = "azure.test"
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
    """`body` is sent as JSON unless it is text; `status` 0 closes the connection without an answer."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def content(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Received:
    route: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    host: str = ""
    timeout: object = None


class Azure:
    """`script` maps a route to its answers in order; the last one stays. The transport raises an error."""

    def __init__(self, host: str = HOST) -> None:
        self.host = host
        self.script: dict[str, list[Reply | Exception]] = {}
        self.computed: dict[str, Callable[[], Reply]] = {}
        self.received: list[Received] = []

    def answers(self, route: str, *replies: Reply | Exception) -> None:
        self.script[route] = list(replies)

    def computes(self, route: str, reply: Callable[[], Reply]) -> None:
        """Call `reply` for each answer of a route."""
        self.computed[route] = reply

    def requests(self, route: str) -> list[Received]:
        return [received for received in self.received if received.route == route]

    def receive(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: object = None
    ) -> Reply:
        target = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        return self.reply(Received(f"{method} {target.path}", query, headers, body, target.netloc, timeout))

    def reply(self, received: Received) -> Reply:
        self.received.append(received)
        if received.route in self.computed:
            return self.computed[received.route]()
        replies = self.script.get(received.route, [Reply(404, "nothing here")])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

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
        """Plays the token endpoint of a managed identity; returns the environment that selects it."""
        token = {"access_token": "tok3n", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
        self.answers(IDENTITY, Reply(200, token))
        authentication = {
            "loginEndpoint": f"https://{self.host}/login/",
            "audiences": ["https://management.core.example/", f"https://{self.host}/"],
        }
        cloud = {"resourceManager": f"https://{self.host}/", "authentication": authentication, "name": "L"}
        self.answers(METADATA, Reply(200, cloud))
        return {
            "ARM_USE_MSI": "true",
            "ARM_METADATA_HOSTNAME": self.host,
            "IDENTITY_ENDPOINT": f"https://{self.host}/msi/token",
            "IDENTITY_HEADER": "header",
        }


@contextmanager
def fake_azure() -> Generator[Azure]:
    """Every session of requests, those of the Azure SDK too, gets its answers from the script."""
    azure = Azure()

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        body: Any = request.body or b""
        content = body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else body
        headers = {name: str(value) for name, value in request.headers.items()}
        reply = azure.receive(str(request.method), str(request.url), headers, content, options.get("timeout"))
        if reply.status == 0:
            raise requests.ConnectionError("the connection was closed without an answer", request=request)
        response = HTTPResponse(
            BytesIO(reply.content()), headers=reply.headers, status=reply.status, preload_content=False
        )
        return adapter.build_response(request, response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HTTPAdapter, "send", send)
        yield azure


@contextmanager
def signed_in_azure() -> Generator[Azure]:
    """The same, and an environment that signs in to it."""
    with fake_azure() as azure, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ARM_", "AZURE_"))]:
            patch.delenv(name)
        for name, value in azure.signs_in().items():
            patch.setenv(name, value)
        yield azure
