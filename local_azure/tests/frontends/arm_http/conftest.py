"""Azure's own SDK clients against the gateway, in front of fake data planes."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from aiohttp import web
from azure.core.credentials import AccessToken

from local_azure import run_state
from local_azure.cli.environment import pulumi_environment
from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.core.tokens import ARM_AUDIENCES, Tokens, load_key
from local_azure.home import Home
from local_azure.run_state import Run
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.ports import Ports
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.support import Cloud
from ops.azure import Azure as Clients

T = TypeVar("T")

STRANGER = "22222222-2222-4222-8222-aaaaaaaaaaaa"
"""A principal with no role, until a test assigns it one."""
ROLES = {
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
}


@dataclass(frozen=True)
class Principal:
    """A credential for the SDKs."""

    tokens: Tokens
    id: str

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        issued = self.tokens.issue(self.id, ARM_AUDIENCES[0])
        return AccessToken(issued.token, issued.expires_on)


class World(Cloud):
    """Behind the gateway, with SDK clients of the developer, signed in as in a program under `exec`."""

    clients: Clients

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        home.store_file.unlink(missing_ok=True)
        super().__init__(home.store_file, now=lambda: datetime.now(UTC) + self.later)
        self.later = timedelta()
        self.loop, self.tokens = loop, Tokens(load_key(home.token_key_file))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def create_site(self) -> Resource:
        self.create_stack()
        return self.create(stack.SITE, stack.site_inputs())

    def assign(self, role: str, scope: str) -> None:
        name = f"00000000-0000-4000-8000-{len(self.store.list(ROLE_ASSIGNMENT_TYPE)):012}"
        properties = {"principalId": STRANGER, "scope": scope, "roleDefinitionId": stack.role(ROLES[role])}
        assignment = ids.build(scope, ROLE_ASSIGNMENT_TYPE, name)
        self.store.put(Resource(id=assignment, name=name, type=ROLE_ASSIGNMENT_TYPE, properties=properties))

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request of the developer, as the SDKs send it."""
        token = self.clients.credential.get_token("https://management.azure.com/.default").token
        return requests.request(
            method,
            f"{self.clients.cloud.endpoint}{path}{'&' if '?' in path else '?'}api-version=2022-04-01",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )

    def stranger(self) -> Clients:
        return Clients(SUBSCRIPTION_ID, Principal(self.tokens, STRANGER), self.clients.cloud)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Locked, so that commands take this process for the running local Azure."""
    home = Home(tmp_path_factory.mktemp("arm"))
    certificates.ensure(home)
    with run_state.hold(home):
        yield home


@pytest.fixture
def world(
    azure_loop: asyncio.AbstractEventLoop, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    world = World(home, azure_loop)
    listener = Ports(tmp_path / "ports.json").hold("gateway")
    port: int = listener.getsockname()[1]
    gateway = Gateway(port, world.azure, world.tokens, dict[str, Any])

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(gateway, access_log=None), shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=certificates.ensure(home).server_context()).start()
        return runner

    runner = world.run(start())
    run = Run(os.getpid(), 0.0, 1, port)
    run_state.write(home, run)
    environment = pulumi_environment(home, run, os.environ)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    world.clients = Clients.sign_in()
    yield world
    world.run(gateway.close())
    world.run(runner.cleanup())
