"""A storage account on a real Azurite, in the event loop of the test module."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from local_azure.core import ids
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import STORAGE_AUDIENCES, Tokens, load_key
from local_azure.dataplane import StorageEndpoints
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.services.storage.accounts import StorageAccounts

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT_ID = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "acc1")
WRITER = "11111111-1111-4111-8111-111111111111"
"""The principal with Storage Table Data Contributor at the account."""
STRANGER = "22222222-2222-4222-8222-222222222222"
"""A principal without a role."""


@dataclass(frozen=True)
class Credential:
    tokens: Tokens
    principal_id: str
    audience: str = STORAGE_AUDIENCES[0]
    lifetime: int = 3600

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        token = self.tokens.issue(self.principal_id, self.audience, lifetime=self.lifetime).token
        return AccessToken(token, 2**31)


@dataclass(frozen=True)
class World:
    home: Home
    tls: Tls
    tokens: Tokens
    store: Store
    ports: Ports
    accounts: StorageAccounts
    endpoints: StorageEndpoints

    # The SDK leaves its keyword arguments untyped.
    def tables(self, credential: Any, **options: Any) -> Any:
        """For a principal id or a credential."""
        return TableServiceClient(self.endpoints.table, **self._options(credential), **options)

    def blobs(self, credential: Any, endpoint: str | None = None, **options: Any) -> Any:
        return BlobServiceClient(endpoint or self.endpoints.blob, **self._options(credential), **options)

    def _options(self, credential: Any) -> Any:
        if isinstance(credential, str):
            credential = Credential(self.tokens, credential)
        return {"credential": credential, "connection_verify": str(self.tls.ca_file)}


def assign_table_role(store: Store, principal_id: str, scope: str) -> str:
    """The id of an assignment of Storage Table Data Contributor."""
    assignment = ids.build(scope, ROLE_ASSIGNMENT_TYPE, principal_id)
    role = "/providers/Microsoft.Authorization/roleDefinitions/0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
    properties = {"principalId": principal_id, "scope": scope, "roleDefinitionId": role}
    resource = Resource(id=assignment, name=principal_id, type=ROLE_ASSIGNMENT_TYPE, properties=properties)
    store.put(resource)
    return assignment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    home = Home(tmp_path_factory.mktemp("home"))
    tls, tokens = certificates.ensure(home), Tokens(load_key(home.token_key_file))
    store, ports = Store(home.store_file), Ports(home.ports_file)
    properties = {"allowSharedKeyAccess": False}
    store.put(Resource(id=ACCOUNT_ID, name="acc1", type=ids.type_of(ACCOUNT_ID), properties=properties))
    assign_table_role(store, WRITER, ACCOUNT_ID)
    accounts = StorageAccounts(home, store, tokens, tls, ports)
    try:
        endpoints = await accounts.open_account(ACCOUNT_ID)
        await accounts.create(ACCOUNT_ID, "table", "ChatState")
        await accounts.create(ACCOUNT_ID, "container", "deploy")
        yield World(home, tls, tokens, store, ports, accounts, endpoints)
    finally:
        await accounts.close()
