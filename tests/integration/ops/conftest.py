"""A blob container behind local Azure's front, which takes tokens only; a stand-in for GitHub."""

import asyncio
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken, TokenCredential

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import STORAGE_AUDIENCES, Tokens, load_key
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.ports import Ports
from local_azure.services.storage.accounts import StorageAccounts
from ops.github.github import GitHub
from tests.github_server import REPOSITORY, TOKEN, FakeGitHub, github_server

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT_ID = ids.build(GROUP, "Microsoft.Storage/storageAccounts", "archive")
STRANGER = "22222222-2222-4222-8222-aaaaaaaaaaaa"


class SignedIn:
    """Somebody's credential."""

    def __init__(self, tokens: Tokens, principal_id: str) -> None:
        self._tokens, self._principal_id = tokens, principal_id

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        issued = self._tokens.issue(self._principal_id, STORAGE_AUDIENCES[0])
        return AccessToken(issued.token, issued.expires_on)


@dataclass(frozen=True)
class BlobAccount:
    """`owner` may do everything; `stranger` has no role."""

    url: str
    owner: TokenCredential
    stranger: TokenCredential


@pytest.fixture
def blob_account(served_account: tuple[BlobAccount, Path], monkeypatch: pytest.MonkeyPatch) -> BlobAccount:
    """With its certificate trusted by this test."""
    account, ca_file = served_account
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    return account


@pytest.fixture(scope="session")
def served_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BlobAccount, Path]]:
    home = Home(tmp_path_factory.mktemp("home"))
    tls, tokens = certificates.ensure(home), Tokens(load_key(home.token_key_file))
    store = Store(home.store_file)
    store.put(Resource(id=GROUP, name="rg", type="Microsoft.Resources/resourceGroups"))
    store.put(
        Resource(
            id=ACCOUNT_ID,
            name="archive",
            type=ids.type_of(ACCOUNT_ID),
            properties={"allowSharedKeyAccess": False},
        )
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    accounts = StorageAccounts(home, store, tokens, tls, Ports(home.ports_file))
    try:
        endpoints = wait_for(accounts.open_account(ACCOUNT_ID))
        account = BlobAccount(
            endpoints.blob.rstrip("/"),
            SignedIn(tokens, DEVELOPER_PRINCIPAL_ID),
            SignedIn(tokens, STRANGER),
        )
        yield account, tls.ca_file
    finally:
        wait_for(accounts.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def fake_github() -> Generator[FakeGitHub]:
    with github_server() as server:
        yield server


@pytest.fixture
def repository(fake_github: FakeGitHub) -> GitHub:
    """The stand-in's repository, without the pause between writes that the real GitHub asks for."""
    return GitHub(TOKEN, REPOSITORY, fake_github.url, pace=0)
