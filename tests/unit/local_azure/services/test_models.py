from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local_azure.arm import ids
from local_azure.arm.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.home import Home
from local_azure.services import tls as certificates
from local_azure.services.models import AUDIENCES, ModelAccounts
from local_azure.services.ports import Ports
from local_azure.services.tls import Tls
from local_azure.services.tokens import ARM_AUDIENCES, Tokens

ACCOUNT = ids.build(ids.resource_group(SUBSCRIPTION_ID, "rg"), "Microsoft.CognitiveServices/accounts", "oai")
TOKENS = Tokens(b"k" * 32)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return certificates.ensure(Home(tmp_path), {})


@pytest.fixture
async def accounts(tmp_path: Path, tls: Tls) -> AsyncIterator[ModelAccounts]:
    store = Store(tmp_path / "arm.json")
    store.put(
        Resource(id=ACCOUNT, name="oai", type=ids.type_of(ACCOUNT), properties={"disableLocalAuth": True})
    )
    models = ModelAccounts(store, TOKENS, tls, Ports(tmp_path / "ports.json"))
    yield models
    await models.close()


async def get(url: str, tls: Tls, headers: dict[str, str]) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=tls.client_context()) as answer,
    ):
        return answer.status, await answer.json()


async def test_an_account_keeps_its_own_local_endpoint(accounts: ModelAccounts) -> None:
    endpoint = await accounts.open_account(ACCOUNT, "sub")
    assert endpoint.startswith("https://127.0.0.1:")
    assert await accounts.open_account(ACCOUNT, "sub") == endpoint


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (401, "401")),
        ({"api-key": "x"}, (403, "AuthenticationTypeDisabled")),
        ({"Authorization": "Bearer x"}, (401, "Unauthorized")),
        (
            {"Authorization": f"Bearer {TOKENS.issue(DEVELOPER_PRINCIPAL_ID, ARM_AUDIENCES[0]).token}"},
            (401, "Unauthorized"),
        ),
        (
            {"Authorization": f"Bearer {TOKENS.issue(DEVELOPER_PRINCIPAL_ID, AUDIENCES[0]).token}"},
            (404, "404"),
        ),
    ],
)
async def test_a_request_without_a_token_is_refused_and_no_route_is_known_yet(
    accounts: ModelAccounts, tls: Tls, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    endpoint = await accounts.open_account(ACCOUNT, "sub")
    status, body = await get(f"{endpoint}openai/deployments/chat/chat/completions", tls, headers)
    assert (status, body["error"]["code"]) == expected


async def test_a_deleted_account_answers_no_more(accounts: ModelAccounts, tls: Tls) -> None:
    endpoint = await accounts.open_account(ACCOUNT, "sub")
    await accounts.delete_account(ACCOUNT)
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(endpoint, tls, {})
