"""An OpenAI account with deployments, on a port of its own, and clocks that tests move."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local_azure.core import clock, ids
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, SUBSCRIPTION_ID, Resource, Store
from local_azure.core.tokens import MODEL_AUDIENCES, Tokens
from local_azure.home import Home
from local_azure.runtime import tls as certificates
from local_azure.runtime.ports import Ports
from local_azure.runtime.tls import Tls
from local_azure.services.cognitiveservices.chat import throttle
from local_azure.services.cognitiveservices.chat.accounts import ModelAccounts
from local_azure.services.cognitiveservices.chat.front import CONTROL_PATH

GROUP = ids.resource_group(SUBSCRIPTION_ID, "rg")
ACCOUNT = ids.build(GROUP, "Microsoft.CognitiveServices/accounts", "oai")
TOKENS = Tokens(b"k" * 32)
DEVELOPER = TOKENS.issue(DEVELOPER_PRINCIPAL_ID, MODEL_AUDIENCES[0]).token
VERSION = "2024-10-21"


def chat_path(deployment: str = "chat", query: str = f"?api-version={VERSION}") -> str:
    return f"openai/deployments/{deployment}/chat/completions{query}"


@dataclass
class FakeClocks:
    """They move only by `advance`."""

    now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)
    seconds: float = 1000.0

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any
    """The text where it is not JSON."""

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

    async def ask(self, text: str, *more: object, deployment: str = "chat", **members: Any) -> Answer:
        """`text` is a user's message, `more` are those behind it."""
        messages = [{"role": "user", "content": text}, *more]
        return await self.send("POST", chat_path(deployment), {"messages": messages, **members})

    async def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """As the developer, unless `headers` are given."""
        headers = {"Authorization": f"Bearer {DEVELOPER}"} if headers is None else headers
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url, ssl = self.endpoint + path.removeprefix("/"), self.tls.client_context()
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=content, headers=headers, ssl=ssl) as response,
        ):
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, json.loads(text) if is_json else text)

    async def script(self, *steps: object) -> Answer:
        return await self.send("POST", CONTROL_PATH, list(steps))

    def deploy(
        self, name: str, model: str, version: str, *, capacity: int = 50, sku: str = "GlobalStandard"
    ) -> None:
        resource_id = ids.build(GROUP, "Microsoft.CognitiveServices/accounts/deployments", "oai", name)
        resource = Resource(id=resource_id, name=name, type=ids.type_of(resource_id))
        resource["sku"] = {"name": sku, "capacity": capacity}
        resource["properties"] = {"model": {"format": "OpenAI", "name": model, "version": version}}
        self.store.put(resource)


@pytest.fixture
async def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Model]:
    home, fakes = Home(tmp_path), FakeClocks()
    tls = certificates.ensure(home, {})
    store = Store(home.store_file)
    account = Resource(id=ACCOUNT, name="oai", type=ids.type_of(ACCOUNT))
    store.put({**account, "properties": {"disableLocalAuth": True}})
    monkeypatch.setattr(clock, "utc", lambda: fakes.now)
    monkeypatch.setattr(throttle, "monotonic", lambda: fakes.seconds)
    accounts = ModelAccounts(home, store, TOKENS, tls, Ports(home.ports_file))
    try:
        endpoint = await accounts.open_account(ACCOUNT, "sub")
        model = Model(home, store, accounts, endpoint, tls, fakes)
        model.deploy("chat", "gpt-5.4-mini", "2026-03-17")
        yield model
    finally:
        await accounts.close()
