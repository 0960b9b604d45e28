"""Azure's own SDK clients against the gateway, in front of services that only remember."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken

from local_azure import run_state
from local_azure.cli.environment import pulumi_environment
from local_azure.core import ids, operations
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.resource import Azure, Inputs
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import ARM_AUDIENCES, Tokens, load_key
from local_azure.dataplane import Services
from local_azure.home import Home
from local_azure.run_state import Run
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.ports import Ports
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi import stack
from local_azure.tests.frontends.pulumi.support import FakeModels, FakeServices, FakeStorage
from ops.azure import Azure as Clients

T = TypeVar("T")

GROUP_ID = ids.resource_group(SUBSCRIPTION_ID, "rg")
STRANGER = "22222222-2222-4222-8222-aaaaaaaaaaaa"
"""A principal with no role, until a test gives it one."""
ROLES = {
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
}


@dataclass
class Clock:
    """Azure's: what it is `later` than now is how long a test pretends to have waited."""

    later: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later


@dataclass(frozen=True)
class Principal:
    """A credential for the SDKs."""

    tokens: Tokens
    id: str

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        issued = self.tokens.issue(self.id, ARM_AUDIENCES[0])
        return AccessToken(issued.token, issued.expires_on)


class SlowModels(FakeModels):
    """Deleting takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.free.set()

    async def delete_account(self, account_id: str) -> None:
        await self.free.wait()
        await super().delete_account(account_id)


@dataclass
class World:
    """`clients` are signed in as the developer, the way that a program under `exec` is."""

    loop: asyncio.AbstractEventLoop
    azure: Azure
    tokens: Tokens
    clients: Clients
    storage: FakeStorage
    sites: FakeServices
    models: SlowModels
    clock: "Clock"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def make(self, token: str, inputs: Inputs) -> Resource:
        """As Pulumi's provider makes it."""
        kind = catalogue.find_type(token)
        location = {"location": "eastus2"} if "location" in kind.schema.inputs else {}
        return self.run(operations.create(self.azure, kind, {**location, **inputs}))

    def make_group(self, name: str = "rg", **tags: str) -> Resource:
        return self.make(stack.GROUP, {"resourceGroupName": name, "tags": tags})

    def make_site(self) -> Resource:
        """The app `assistant-app` with all that it stands on, in the group `rg`."""
        self.make_group()
        identity = self.make(stack.IDENTITY, {"resourceGroupName": "rg", "resourceName": "app-id"})
        account = self.make(stack.ACCOUNT, stack.account_inputs())
        container = {"resourceGroupName": "rg", "accountName": "assistantsa", "containerName": "deployments"}
        self.make(stack.CONTAINER, container)
        plan = self.make(stack.PLAN, stack.plan_inputs())
        endpoint = account.get("properties", {})["primaryEndpoints"]["blob"]
        inputs = stack.site_inputs(identity["id"], plan["id"], f"{endpoint}deployments")
        return self.make(stack.SITE, inputs)

    def assign(self, role: str, scope: str) -> None:
        name = f"00000000-0000-4000-8000-{len(self.azure.store.list(ROLE_ASSIGNMENT_TYPE)):012}"
        properties = {
            "principalId": STRANGER,
            "scope": scope,
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}",
        }
        assignment = ids.build(scope, ROLE_ASSIGNMENT_TYPE, name)
        self.azure.store.put(
            Resource(id=assignment, name=name, type=ROLE_ASSIGNMENT_TYPE, properties=properties)
        )

    def stranger(self) -> Clients:
        return Clients(SUBSCRIPTION_ID, Principal(self.tokens, STRANGER), self.clients.cloud)


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="arm", daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Its lock is held, so that commands take this process for the running local Azure."""
    home = Home(tmp_path_factory.mktemp("arm"))
    certificates.ensure(home)
    lock = run_state.hold(home)
    yield home
    os.close(lock)


@pytest.fixture
def world(
    loop: asyncio.AbstractEventLoop, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    tls, tokens = certificates.ensure(home), Tokens(load_key(home.token_key_file))
    fakes = (FakeStorage(), FakeServices(), SlowModels())
    clock = Clock()
    home.store_file.unlink(missing_ok=True)
    azure = Azure(Store(home.store_file), Services(*fakes), now=clock.now, provisioning_seconds=0)
    listener = Ports(tmp_path / "ports.json").hold("gateway")
    port: int = listener.getsockname()[1]
    gateway = Gateway(port, azure, tokens, dict[str, Any])
    runners: list[web.ServerRunner] = []

    async def start() -> None:
        runner = web.ServerRunner(web.Server(gateway, access_log=None), shutdown_timeout=1)
        runners.append(runner)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls.server_context()).start()

    async def stop() -> None:
        await gateway.close()
        for runner in runners:
            await runner.cleanup()

    run = Run(os.getpid(), 0.0, 1, port)
    ready = run_state.write(home, run)
    environment = pulumi_environment(home, run, os.environ)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield World(loop, azure, tokens, Clients.sign_in(), *fakes, clock)
    finally:
        os.close(ready)
        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
