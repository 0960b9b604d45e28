"""Fake data planes, and the two ways to the resource types: direct calls, and Pulumi's provider protocol."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from local_azure.core import operations
from local_azure.core.errors import ArmError
from local_azure.core.resource import Azure
from local_azure.core.store import Resource, Store
from local_azure.dataplane import Services, SiteHosts, StorageChild, StorageEndpoints
from local_azure.frontends.pulumi import values
from local_azure.frontends.pulumi.server import Provider, serve
from local_azure.services import catalogue
from local_azure.tests.frontends.pulumi.stack import BEFORE_SITE, Inputs

T = TypeVar("T")


def _name(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]


@dataclass
class FakeServices:
    """Storage accounts and sites by name. A call in `broken` fails; one in `held` waits for `release`."""

    exists: set[str] = field(default_factory=set[str])
    configured: list[str] = field(default_factory=list[str])
    broken: set[str] = field(default_factory=set[str])
    held: set[str] = field(default_factory=set[str])
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def _begin(self, call: str) -> None:
        if call in self.broken:
            raise RuntimeError(f"{call} is broken")
        if call in self.held:
            await self.release.wait()

    async def open_account(self, account_id: str) -> StorageEndpoints:
        await self._begin("open_account")
        self.exists.add(f"storage {_name(account_id)}")
        return StorageEndpoints(
            *(f"https://127.0.0.1:{port}/{_name(account_id)}/" for port in (6001, 6002, 6003))
        )

    async def delete_account(self, account_id: str) -> None:
        self.exists.discard(f"storage {_name(account_id)}")

    async def create(self, account_id: str, kind: StorageChild, name: str) -> None:
        self.exists.add(f"{kind} {_name(account_id)}/{name}")

    async def delete(self, account_id: str, kind: StorageChild, name: str) -> None:
        self.exists.discard(f"{kind} {_name(account_id)}/{name}")

    async def open_site(self, site_id: str) -> SiteHosts:
        self.exists.add(f"site {_name(site_id)}")
        return SiteHosts(default="127.0.0.1:5001", scm="127.0.0.1:5002")

    async def configure_site(self, site_id: str) -> None:
        await self._begin("configure_site")
        self.configured.append(_name(site_id))

    async def delete_site(self, site_id: str) -> None:
        await self._begin("delete_site")
        self.exists.discard(f"site {_name(site_id)}")

    def _unused(self, site_id: str) -> Any:
        raise NotImplementedError

    host_keys = functions = host_status = synchronise_triggers = _unused


FakeStorage = FakeServices


@dataclass
class FakeModels:
    """OpenAI accounts by name. Deleting one waits for `release`."""

    exists: set[str] = field(default_factory=set[str])
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.release.set()

    async def open_account(self, account_id: str, subdomain: str) -> str:
        self.exists.add(_name(account_id))
        return f"https://127.0.0.1:7001/{subdomain}/"

    async def delete_account(self, account_id: str) -> None:
        await self.release.wait()
        self.exists.discard(_name(account_id))


class CheckError(Exception):
    """Check failures: `problems` maps path to reason."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(str(problems))
        self.problems = problems


class Cloud:
    """Resource types on a store, without a frontend."""

    def __init__(self, file: Path, **options: Any) -> None:
        """`options`: those of `Azure`."""
        self.services, self.models = FakeServices(), FakeModels()
        self.store = Store(file)
        services = Services(self.services, self.services, self.models)
        options.setdefault("provisioning_seconds", 0)
        self.azure = Azure(self.store, services, **options)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def create(self, token: str, inputs: Inputs) -> Resource:
        """Raises CheckError, ArmError, AlreadyExistsError, StartFailedError."""
        return self._put(operations.create, token, inputs)

    def update(self, token: str, inputs: Inputs) -> Resource:
        return self._put(operations.update, token, inputs)

    def _put(self, operation: Any, token: str, inputs: Inputs) -> Resource:
        kind = catalogue.find_type(token)
        if "location" in kind.schema.inputs:
            inputs = {"location": "eastus2", **inputs}
        problems = list(kind.problems(inputs))
        if problems:
            raise CheckError({problem.path: problem.reason for problem in problems})
        return self.run(operation(self.azure, kind, inputs))

    def delete(self, resource: Resource) -> None:
        self.run(operations.delete(self.azure, resource["id"], catalogue.BY_ARM_TYPE))

    def create_stack(self) -> dict[str, Resource]:
        """What a function app needs, by type."""
        return {token: self.create(token, inputs) for token, inputs in BEFORE_SITE}

    def refusal(self, token: str, inputs: Inputs) -> str:
        with pytest.raises((ArmError, operations.AlreadyExistsError)) as error:
            self.create(token, inputs)
        return str(error.value)


@dataclass(frozen=True)
class Created:
    id: str
    inputs: Inputs
    outputs: Inputs


class Engine:
    """Pulumi's engine, connected to the provider of `cloud`. Raises CheckError and AioRpcError."""

    def __init__(self, cloud: Cloud, channel: grpc.aio.Channel, port: int) -> None:
        self.cloud, self.port = cloud, port
        # The generated stub is typed for packages that the wheel does not have (`pulumi.provider_pb2`).
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)

    @asynccontextmanager
    async def another_instance(self) -> AsyncGenerator["Engine"]:
        """A second provider instance, which has its own connection: an explicit provider of the program."""
        async with connect(self.port) as channel:
            yield Engine(self.cloud, channel, self.port)

    @staticmethod
    def urn(token: str, name: str = "x") -> str:
        return f"urn:pulumi:local::assistant::{token}::{name}"

    async def configure(self, **config: str) -> None:
        await self.stub.Configure(provider_pb2.ConfigureRequest(args=values.encode(dict(config))))

    async def check(
        self, token: str, inputs: Inputs, *, old: Inputs | None = None, seed: bytes = b"seed", **more: Any
    ) -> Inputs:
        news, olds = values.encode(inputs), values.encode(old or {})
        request = provider_pb2.CheckRequest(
            urn=self.urn(token), news=news, olds=olds, randomSeed=seed, **more
        )
        response = await self.stub.Check(request)
        if response.failures:
            raise CheckError({failure.property: failure.reason for failure in response.failures})
        return values.decode(response.inputs)

    async def create(self, token: str, inputs: Inputs, *, name: str = "x", **options: Any) -> Created:
        """`options`: those of the gRPC call."""
        checked = await self.check(token, inputs)
        request = provider_pb2.CreateRequest(urn=self.urn(token, name), properties=values.encode(checked))
        response = await self.stub.Create(request, **options)
        return Created(response.id, checked, values.decode(response.properties))

    async def create_stack(self) -> dict[str, Created]:
        """What a function app needs, by type."""
        return {token: await self.create(token, inputs) for token, inputs in BEFORE_SITE}

    async def preview(self, token: str, inputs: Inputs) -> Inputs:
        request = provider_pb2.CreateRequest(
            urn=self.urn(token), properties=values.encode(inputs), preview=True
        )
        return values.decode((await self.stub.Create(request)).properties)

    async def diff(self, token: str, old: Inputs, new: Inputs) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            urn=self.urn(token), old_inputs=values.encode(old), news=values.encode(new)
        )
        return await self.stub.Diff(request)

    async def update(self, token: str, old: Created, *, preview: bool = False, **changes: Any) -> Created:
        inputs = {**old.inputs, **changes}
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=self.urn(token),
            olds=values.encode(old.outputs),
            old_inputs=values.encode(old.inputs),
            news=values.encode(inputs),
            preview=preview,
        )
        return Created(old.id, inputs, values.decode((await self.stub.Update(request)).properties))

    async def read(self, token: str, resource_id: str, old: Created | None = None) -> Created | None:
        """An import, or a refresh of `old`."""
        request = provider_pb2.ReadRequest(id=resource_id, urn=self.urn(token))
        if old:
            request.inputs.CopyFrom(values.encode(old.inputs))
            request.properties.CopyFrom(values.encode(old.outputs))
        response = await self.stub.Read(request)
        if not response.id:
            return None
        return Created(response.id, values.decode(response.inputs), values.decode(response.properties))

    async def delete(self, token: str, resource_id: str, **options: Any) -> None:
        await self.stub.Delete(provider_pb2.DeleteRequest(id=resource_id, urn=self.urn(token)), **options)

    async def invoke(self, token: str, **arguments: Any) -> Inputs:
        request = provider_pb2.InvokeRequest(tok=token, args=values.encode(arguments))
        return values.decode(getattr(await self.stub.Invoke(request), "return"))


def connect(port: int) -> grpc.aio.Channel:
    # Without the option, channels of one process to one address share a connection.
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def running_engine(cloud: Cloud) -> AsyncGenerator[Engine]:
    server, port = await serve(Provider(cloud.azure))
    try:
        async with connect(port) as channel:
            engine = Engine(cloud, channel, port)
            await engine.configure(location="swedencentral")
            yield engine
    finally:
        await server.stop(None)
