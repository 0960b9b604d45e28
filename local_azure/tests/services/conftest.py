"""A storage account on a real Azurite, and the gateway, in the loop of the test module."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.data.tables import TableServiceClient
from azure.identity import ManagedIdentityCredential

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.resource import Azure
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import Tokens, load_key
from local_azure.dataplane import Services, SiteHosts, StorageEndpoints
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.gateway import Gateway
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.services.storage.accounts import StorageAccounts
from local_azure.tests.frontends.pulumi.support import FakeModels

DEADLINE = 20.0

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT_ID = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc1")
SITE_ID = ids.build(GROUP, "Microsoft.Web/sites", "App1")
IDENTITY_TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"

WRITER = "11111111-1111-4111-8111-111111111111"
"""Client id of the identity with Storage Table Data Contributor; its principal id is WRITER_PRINCIPAL."""
WRITER_PRINCIPAL = "11111111-1111-4111-8111-aaaaaaaaaaaa"
STRANGER = "22222222-2222-4222-8222-222222222222"
"""Client id of an identity of the site that has no role."""
UNASSIGNED = "33333333-3333-4333-8333-333333333333"
"""Client id of an identity that no site has."""

TABLE_DATA_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"


class SitesOfGateway:
    """What the gateway asks of sites, for one site that runs."""

    async def open_site(self, site_id: str) -> SiteHosts:
        raise NotImplementedError(site_id)

    async def configure_site(self, site_id: str) -> None:
        raise NotImplementedError(site_id)

    async def delete_site(self, site_id: str) -> None:
        raise NotImplementedError(site_id)

    def host_keys(self, site_id: str) -> Mapping[str, str]:
        return {"master": f"m-{ids.name_of(site_id)}", "default": "d"}

    def functions(self, site_id: str) -> list[str]:
        return [f"Create{ids.name_of(site_id)}"]

    def host_status(self, site_id: str) -> Mapping[str, object]:
        return {"id": ids.name_of(site_id), "state": "Running"}

    def synchronise_triggers(self, site_id: str) -> None:
        raise NotImplementedError(site_id)


class Identity:
    """The real credential of azure-identity, in a process that belongs to `owner`.

    It looks at the process's environment each time it gets a token, so that is set for each time; without
    it the credential would ask for a virtual machine's identity service instead.
    """

    def __init__(self, world: "World", owner: str, client_id: str | None) -> None:
        self._environment = {
            "IDENTITY_ENDPOINT": f"{world.gateway}/msi/token",
            "IDENTITY_HEADER": world.tokens.header_for(owner),
            "NO_PROXY": "127.0.0.1",
        }
        self._options: dict[str, Any] = {"connection_verify": str(world.tls.ca_file)}
        if client_id is not None:
            self._options["client_id"] = client_id

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment.items():
                patch.setenv(name, value)
            return ManagedIdentityCredential(**self._options).get_token(*scopes)


@dataclass(frozen=True)
class World:
    home: Home
    tls: Tls
    tokens: Tokens
    store: Store
    ports: Ports
    accounts: StorageAccounts
    endpoints: StorageEndpoints
    gateway: str

    def identity(self, owner: str, client_id: str | None = None) -> "Identity":
        return Identity(self, owner, client_id)

    def tables(self, credential: Any, **options: Any) -> Any:
        """A TableServiceClient; untyped, since the SDK leaves its keyword arguments so."""
        return TableServiceClient(
            self.endpoints.table, credential=credential, connection_verify=str(self.tls.ca_file), **options
        )


async def in_thread(work: Callable[[], Any]) -> Any:
    """The SDK's calls block, and what answers them runs in this loop."""
    return await asyncio.to_thread(work)


async def until(condition: Callable[[], bool], deadline: float = DEADLINE) -> None:
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "not within the deadline"
        await asyncio.sleep(0.02)


def assign(store: Store, principal_id: str, role: str, scope: str, name: str) -> str:
    assignment = ids.build(scope, ROLE_ASSIGNMENT_TYPE, name)
    store.put(
        Resource(
            id=assignment,
            name=name,
            type=ROLE_ASSIGNMENT_TYPE,
            properties={
                "principalId": principal_id,
                "scope": scope,
                "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
            },
        )
    )
    return assignment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    home = Home(tmp_path_factory.mktemp("home"))
    tls, tokens = certificates.ensure(home), Tokens(load_key(home.token_key_file))
    store, ports = Store(home.store_file), Ports(home.ports_file)
    _fill(store)
    accounts = StorageAccounts(home, store, tokens, tls, ports)
    listener = ports.hold("gateway")
    port = listener.getsockname()[1]
    azure = Azure(store, Services(accounts, SitesOfGateway(), FakeModels()))
    gateway = Gateway(port, azure, tokens, lambda: {"storageAccounts": []})
    runner = web.ServerRunner(web.Server(gateway, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, ssl_context=tls.server_context()).start()
        endpoints = await accounts.open_account(ACCOUNT_ID)
        await accounts.create_table(ACCOUNT_ID, "ChatState")
        await accounts.create_container(ACCOUNT_ID, "deploy")
        yield World(home, tls, tokens, store, ports, accounts, endpoints, f"https://127.0.0.1:{port}")
    finally:
        await accounts.close()
        await runner.cleanup()


def _fill(store: Store) -> None:
    names = {"writer": WRITER, "stranger": STRANGER, "unassigned": UNASSIGNED}
    found: dict[str, str] = {}
    store.put(Resource(id=GROUP, name="rg", type="Microsoft.Resources/resourceGroups"))
    for name, client_id in names.items():
        found[name] = ids.build(GROUP, IDENTITY_TYPE, name)
        principal_id = client_id[:24] + "a" * 12
        properties = {"clientId": client_id, "principalId": principal_id}
        store.put(Resource(id=found[name], name=name, type=IDENTITY_TYPE, properties=properties))
    store.put(
        Resource(
            id=ACCOUNT_ID,
            name="acc1",
            type=ids.type_of(ACCOUNT_ID),
            properties={"allowSharedKeyAccess": False},
        )
    )
    store.put(
        Resource(
            id=SITE_ID,
            name="App1",
            type=ids.type_of(SITE_ID),
            identity={
                "type": "UserAssigned",
                "userAssignedIdentities": {found["writer"]: {}, found["stranger"]: {}},
            },
            properties={"siteConfig": {"appSettings": [{"name": "SECRET", "value": "x"}]}},
        )
    )
    assign(store, WRITER_PRINCIPAL, TABLE_DATA_CONTRIBUTOR, ACCOUNT_ID, WRITER)


def kill_azurite(accounts: StorageAccounts) -> int:
    """The process id that is no more."""
    (state,) = accounts.states()
    assert state.pid is not None
    os.kill(state.pid, signal.SIGKILL)
    return state.pid
