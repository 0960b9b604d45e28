"""An engine's side of the provider protocol, and services that only remember what was asked of them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from local_azure.core.resource import Azure
from local_azure.core.store import Store
from local_azure.dataplane import Services, SiteHosts, StorageEndpoints
from local_azure.frontends.pulumi import values
from local_azure.frontends.pulumi.server import Provider, serve

Inputs = dict[str, Any]


@dataclass
class FakeServices:
    """What exists in the data planes. A call named in `broken` fails; one in `held` waits for `release`."""

    exists: set[str] = field(default_factory=set[str])
    configured: list[str] = field(default_factory=list[str])
    broken: set[str] = field(default_factory=set[str])
    held: set[str] = field(default_factory=set[str])
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def _do(self, call: str) -> None:
        if call in self.broken:
            msg = f"{call} is broken"
            raise RuntimeError(msg)

    async def create_table(self, account_id: str, table: str) -> None:
        self._do("create_table")
        self.exists.add(f"table {account_id.rpartition('/')[2]}/{table}")

    async def delete_table(self, account_id: str, table: str) -> None:
        self.exists.discard(f"table {account_id.rpartition('/')[2]}/{table}")

    async def create_container(self, account_id: str, container: str) -> None:
        self._do("create_container")
        self.exists.add(f"container {account_id.rpartition('/')[2]}/{container}")

    async def delete_container(self, account_id: str, container: str) -> None:
        self.exists.discard(f"container {account_id.rpartition('/')[2]}/{container}")

    async def open_site(self, site_id: str) -> SiteHosts:
        self._do("open_site")
        self.exists.add(f"site {site_id.rpartition('/')[2]}")
        return SiteHosts(default="127.0.0.1:5001", scm="127.0.0.1:5002")

    async def configure_site(self, site_id: str) -> None:
        self._do("configure_site")
        if "configure_site" in self.held:
            await self.release.wait()
        self.configured.append(site_id.rpartition("/")[2])

    async def delete_site(self, site_id: str) -> None:
        self._do("delete_site")
        if "delete_site" in self.held:
            await self.release.wait()
        self.exists.discard(f"site {site_id.rpartition('/')[2]}")

    def host_keys(self, site_id: str) -> Mapping[str, str]:
        raise NotImplementedError

    def functions(self, site_id: str) -> list[str]:
        raise NotImplementedError

    def host_status(self, site_id: str) -> Mapping[str, object]:
        raise NotImplementedError

    def synchronise_triggers(self, site_id: str) -> None:
        raise NotImplementedError


@dataclass
class FakeStorage(FakeServices):
    async def open_account(self, account_id: str) -> StorageEndpoints:
        self._do("open_account")
        name = account_id.rpartition("/")[2]
        self.exists.add(f"storage {name}")
        urls = [f"https://127.0.0.1:{port}/{name}/" for port in (6001, 6002, 6003)]
        return StorageEndpoints(*urls)

    async def delete_account(self, account_id: str) -> None:
        self.exists.discard(f"storage {account_id.rpartition('/')[2]}")


@dataclass
class FakeModels(FakeServices):
    async def open_account(self, account_id: str, subdomain: str) -> str:
        self.exists.add(f"models {account_id.rpartition('/')[2]}")
        return f"https://127.0.0.1:7001/{subdomain}/"

    async def delete_account(self, account_id: str) -> None:
        self.exists.discard(f"models {account_id.rpartition('/')[2]}")


@dataclass(frozen=True)
class Made:
    id: str
    inputs: Inputs
    outputs: Inputs


class RefusedError(Exception):
    """Check failures: `problems` maps path to reason."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(str(problems))
        self.problems = problems


class Engine:
    """Speaks to a provider over a real channel as Pulumi's engine does."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        port: int,
        store: Store,
        fakes: tuple[FakeStorage, FakeServices, FakeModels],
    ):
        self.port = port
        # The generated stub is typed for packages that the wheel does not have (`pulumi.provider_pb2`).
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        self.store = store
        self.storage, self.sites, self.models = fakes

    @asynccontextmanager
    async def another_instance(self) -> AsyncGenerator["Engine"]:
        """A second provider instance, on a connection of its own: a program's explicit provider."""
        async with connect(self.port) as channel:
            yield Engine(channel, self.port, self.store, (self.storage, self.sites, self.models))

    @staticmethod
    def urn(token: str, name: str) -> str:
        return f"urn:pulumi:local::assistant::{token}::{name}"

    async def configure(self, **config: str) -> None:
        await self.stub.Configure(provider_pb2.ConfigureRequest(args=values.encode(dict(config))))

    async def check(
        self, token: str, name: str, inputs: Inputs, old: Inputs | None = None, seed: bytes = b"seed"
    ) -> Inputs:
        response = await self.stub.Check(
            provider_pb2.CheckRequest(
                urn=self.urn(token, name),
                news=values.encode(inputs),
                olds=values.encode(old or {}),
                randomSeed=seed,
            )
        )
        if response.failures:
            raise RefusedError({one.property: one.reason for one in response.failures})
        return values.decode(response.inputs)

    async def create(self, token: str, name: str, inputs: Inputs) -> Made:
        checked = await self.check(token, name, inputs)
        response = await self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(token, name), properties=values.encode(checked))
        )
        return Made(response.id, checked, values.decode(response.properties))

    async def preview(self, token: str, name: str, inputs: Inputs) -> Inputs:
        response = await self.stub.Create(
            provider_pb2.CreateRequest(
                urn=self.urn(token, name), properties=values.encode(inputs), preview=True
            )
        )
        assert response.id == ""
        return values.decode(response.properties)

    async def diff(self, token: str, made: Made, changes: Inputs) -> provider_pb2.DiffResponse:
        return await self.stub.Diff(
            provider_pb2.DiffRequest(
                id=made.id,
                urn=self.urn(token, "x"),
                olds=values.encode(made.outputs),
                old_inputs=values.encode(made.inputs),
                news=values.encode({**made.inputs, **changes}),
            )
        )

    async def update(self, token: str, made: Made, changes: Inputs, *, preview: bool = False) -> Made:
        inputs = {**made.inputs, **changes}
        response = await self.stub.Update(
            provider_pb2.UpdateRequest(
                id=made.id,
                urn=self.urn(token, "x"),
                olds=values.encode(made.outputs),
                old_inputs=values.encode(made.inputs),
                news=values.encode(inputs),
                preview=preview,
            )
        )
        return Made(made.id, inputs, values.decode(response.properties))

    async def read(self, token: str, resource_id: str) -> Made | None:
        """As for an import."""
        return await self._read(provider_pb2.ReadRequest(id=resource_id, urn=self.urn(token, "x")))

    async def refresh(self, token: str, made: Made) -> Made | None:
        request = provider_pb2.ReadRequest(
            id=made.id,
            urn=self.urn(token, "x"),
            inputs=values.encode(made.inputs),
            properties=values.encode(made.outputs),
        )
        return await self._read(request)

    async def _read(self, request: provider_pb2.ReadRequest) -> Made | None:
        response = await self.stub.Read(request)
        if not response.id:
            return None
        return Made(response.id, values.decode(response.inputs), values.decode(response.properties))

    async def delete(self, token: str, resource_id: str) -> None:
        await self.stub.Delete(provider_pb2.DeleteRequest(id=resource_id, urn=self.urn(token, "x")))

    async def invoke(self, token: str, arguments: Inputs) -> Inputs:
        response = await self.stub.Invoke(
            provider_pb2.InvokeRequest(tok=token, args=values.encode(arguments))
        )
        return values.decode(getattr(response, "return"))


def connect(port: int) -> grpc.aio.Channel:
    # Without the option, channels of one process to one address share a connection.
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def running_engine(store: Store, *, provisioning_seconds: float = 0) -> AsyncGenerator[Engine]:
    fakes = (FakeStorage(), FakeServices(), FakeModels())
    provider = Provider(Azure(store, Services(*fakes), provisioning_seconds=provisioning_seconds))
    server, port = await serve(provider)
    try:
        async with connect(port) as channel:
            yield Engine(channel, port, store, fakes)
    finally:
        await server.stop(None)
