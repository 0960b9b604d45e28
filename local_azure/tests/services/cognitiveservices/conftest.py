"""An OpenAI account with deployments, on a port of its own, and clocks that tests move."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local_azure.core import ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import MODEL_AUDIENCES, Tokens
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH, Clocks

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.CognitiveServices/accounts", "oai")
TOKENS = Tokens(b"k" * 32)
DEVELOPER = TOKENS.issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
VERSION = "2024-10-21"


@dataclass
class FakeClocks:
    """Neither moves by itself."""

    now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)
    seconds: float = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: self.seconds)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def message(self) -> Any:
        assert self.status == 200, self.body
        return self.body["choices"][0]["message"]

    @property
    def error(self) -> Any:
        return self.body["error"]


@dataclass(frozen=True)
class Model:
    """The account as its clients see it."""

    home: Home
    store: Store
    accounts: ModelAccounts
    endpoint: str
    tls: Tls
    clocks: FakeClocks

    async def ask(
        self,
        *messages: Mapping[str, Any] | str,
        deployment: str = "chat",
        token: str = DEVELOPER,
        version: str | None = VERSION,
        **members: Any,
    ) -> Answer:
        """A text is a user's message."""
        body = {
            "messages": [
                {"role": "user", "content": one} if isinstance(one, str) else one for one in messages
            ],
            **members,
        }
        path = f"openai/deployments/{deployment}/chat/completions"
        return await self.send("POST", path + (f"?api-version={version}" if version else ""), body, token)

    async def send(self, method: str, path: str, body: object = None, token: str = DEVELOPER) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                self.endpoint + path.removeprefix("/"),
                data=content if body is not None else None,
                headers=headers,
                ssl=self.tls.client_context(),
            ) as answer,
        ):
            return Answer(answer.status, await answer.json(content_type=None), answer.headers)

    async def script(self, *steps: object) -> Answer:
        return await self.send("POST", CONTROL_PATH, list(steps))

    async def requests(self) -> list[Any]:
        return (await self.send("GET", CONTROL_PATH)).body["requests"]

    def deploy(
        self, name: str, model: str, version: str, *, capacity: int = 50, sku: str = "GlobalStandard"
    ) -> None:
        resource_id = ids.build(GROUP, "Microsoft.CognitiveServices/accounts/deployments", "oai", name)
        self.store.put(
            Resource(
                id=resource_id,
                name=name,
                type=ids.type_of(resource_id),
                sku={"name": sku, "capacity": capacity},
                properties={"model": {"format": "OpenAI", "name": model, "version": version}},
            )
        )


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[Model]:
    home, clocks = Home(tmp_path), FakeClocks()
    tls = certificates.ensure(home, {})
    store = Store(home.store_file)
    store.put(
        Resource(
            id=ACCOUNT,
            name="oai",
            type=ids.type_of(ACCOUNT),
            location="eastus2",
            properties={"disableLocalAuth": True},
        )
    )
    accounts = ModelAccounts(home, store, TOKENS, tls, Ports(home.ports_file), clocks=clocks.clocks())
    try:
        endpoint = await accounts.open_account(ACCOUNT, "sub")
        found = Model(home, store, accounts, endpoint, tls, clocks)
        found.deploy("chat", "gpt-5.4-mini", "2026-03-17")
        found.deploy("old", "gpt-4.1-mini", "2025-04-14")
        yield found
    finally:
        await accounts.close()
