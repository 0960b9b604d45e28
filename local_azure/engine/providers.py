"""Providers as the engine calls them: connections, configuration, and each call's conventions."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct

from local_azure.engine.errors import EngineError
from local_azure.engine.events import Diff, PropertyDiff
from local_azure.engine.protos import plugin_pb2, provider_pb2
from local_azure.engine.rpc import CallError, Connection
from local_azure.engine.state import Resource, provider_package, urn_name, urn_type
from local_azure.engine.values import (
    Properties,
    Value,
    changed_keys,
    has_secret,
    has_unknown,
    mark_secrets,
    reveal,
    same,
    secret,
)
from local_azure.engine.wire import Accepts, decode, encode

_SERVICE = "/pulumirpc.ResourceProvider/"
_INTERNAL_KEY = "__internal"
_DIFF_KINDS = ("add", "add-replace", "delete", "delete-replace", "update", "update-replace")


class ProviderError(EngineError):
    pass


@dataclass(frozen=True)
class Failure:
    """A property that Check refused; an empty `property` means the resource as a whole."""

    property: str
    reason: str


@dataclass(frozen=True)
class Failed:
    """The resource exists and is not well (ErrorResourceInitFailed)."""

    reasons: list[str]


@dataclass(frozen=True)
class Live:
    """A resource as its provider has it. `id` empty after a Read: it is gone."""

    id: str
    outputs: Properties
    inputs: Properties | None = None
    failed: Failed | None = None


def debug_ports(environment: Mapping[str, str]) -> dict[str, int]:
    """Package to port of PULUMI_DEBUG_PROVIDERS (`name:port[,name:port]`, always at 127.0.0.1).

    Raises ProviderError unless azure-native is among them: this engine drives local Azure and nothing else.
    """
    text = environment.get("PULUMI_DEBUG_PROVIDERS", "")
    ports: dict[str, int] = {}
    for entry in filter(None, text.split(",")):
        name, _, port = entry.partition(":")
        if not port.isdigit():
            raise ProviderError(f"PULUMI_DEBUG_PROVIDERS: {entry!r} must be <name>:<port>")
        ports[name.strip()] = int(port)
    if "azure-native" not in ports:
        shown = repr(text) if text else "not set"
        raise ProviderError(
            f"PULUMI_DEBUG_PROVIDERS is {shown} and does not name azure-native: local Azure's embedded "
            "engine drives local Azure only. Use `python -m local_azure pulumi ...`, which starts and sets it"
        )
    return ports


class Plugin:
    """One provider process and what it said about itself."""

    def __init__(self, package: str, connection: Connection) -> None:
        self.package = package
        self.connection = connection
        self.accepts_secrets = False
        self.accepts_resources = False
        self.handshaken = False
        p = provider_pb2
        unary = connection.unary
        self.check_config = unary(_SERVICE + "CheckConfig", p.CheckRequest, p.CheckResponse)
        self.diff_config = unary(_SERVICE + "DiffConfig", p.DiffRequest, p.DiffResponse)
        self.configure = unary(_SERVICE + "Configure", p.ConfigureRequest, p.ConfigureResponse)
        self.check = unary(_SERVICE + "Check", p.CheckRequest, p.CheckResponse)
        self.diff = unary(_SERVICE + "Diff", p.DiffRequest, p.DiffResponse)
        self.create = unary(_SERVICE + "Create", p.CreateRequest, p.CreateResponse)
        self.read = unary(_SERVICE + "Read", p.ReadRequest, p.ReadResponse)
        self.update = unary(_SERVICE + "Update", p.UpdateRequest, p.UpdateResponse)
        self.delete = unary(_SERVICE + "Delete", p.DeleteRequest, Empty)
        self.invoke = unary(_SERVICE + "Invoke", p.InvokeRequest, p.InvokeResponse)

    async def greet(self, engine_address: str, *, attach: bool) -> None:
        """Handshake, and Attach where the engine did not start the process itself (the CLI's order)."""
        handshake = self.connection.unary(
            _SERVICE + "Handshake",
            provider_pb2.ProviderHandshakeRequest,
            provider_pb2.ProviderHandshakeResponse,
        )
        try:
            answer = await handshake(
                provider_pb2.ProviderHandshakeRequest(
                    engine_address=engine_address, configure_with_urn=True, invoke_with_preview=True
                )
            )
            self.accepts_secrets = answer.accept_secrets
            self.accepts_resources = answer.accept_resources
            self.handshaken = True
        except CallError as error:
            if not error.unimplemented:
                raise self._unreachable(error) from None
        if not attach:
            return
        try:
            await self.connection.unary(_SERVICE + "Attach", plugin_pb2.PluginAttach, Empty)(
                plugin_pb2.PluginAttach(address=engine_address)
            )
            await self.connection.unary(_SERVICE + "GetPluginInfo", Empty, plugin_pb2.PluginInfo)(Empty())
        except CallError as error:
            raise ProviderError(f"attaching to provider {self.package!r}: {error}") from None

    def _unreachable(self, error: CallError) -> ProviderError:
        if error.code == "UNAVAILABLE":
            return ProviderError(
                f"no provider {self.package!r} answers at {self.connection.address} "
                "(PULUMI_DEBUG_PROVIDERS): start local Azure with `python -m local_azure start`"
            )
        return ProviderError(f"provider {self.package!r} at {self.connection.address}: {error}")


class Provider:
    """One configured instance (a provider resource) of a plugin."""

    def __init__(self, plugin: Plugin, *, known: bool) -> None:
        self.plugin = plugin
        self.known = known
        """False in a preview whose provider inputs are not known yet: no call may be made."""
        self.previews = plugin.handshaken
        self._accepts_secrets = plugin.accepts_secrets
        self._accepts_resources = plugin.accepts_resources
        self._configuring: asyncio.Task[None] | None = None

    def start_configuring(self, urn: str, resource_id: str, inputs: Properties) -> None:
        self._configuring = asyncio.create_task(self._configure(urn, resource_id, inputs))

    async def _configure(self, urn: str, resource_id: str, inputs: Properties) -> None:
        variables: dict[str, str] = {}
        for key, value in inputs.items():
            if key != "version":
                plain = reveal(value)
                text = plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"))
                variables[f"{self.plugin.package}:config:{key}"] = text
        answer = await self.plugin.configure(
            provider_pb2.ConfigureRequest(
                urn=urn,
                name=urn_name(urn),
                type=urn_type(urn),
                id=resource_id,
                variables=variables,
                args=encode(inputs, Accepts(secrets=True, unknowns=True, resources=True)),
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
            )
        )
        if not self.plugin.handshaken:
            self._accepts_secrets = answer.acceptSecrets
            self._accepts_resources = answer.acceptResources
            self.previews = answer.supportsPreview

    async def _ready(self) -> None:
        if self._configuring is not None:
            try:
                await self._configuring
            except CallError as error:
                raise ProviderError(f"configuring provider {self.plugin.package!r}: {error}") from None

    def _accepts(self, *, unknowns: bool = False) -> Accepts:
        return Accepts(self._accepts_secrets, unknowns, self._accepts_resources)

    def _decoded(self, struct: Struct, given: Properties | None, *, unknowns: bool) -> Properties:
        found = decode(struct)
        if not unknowns and has_unknown(found):
            raise ProviderError(
                f"provider {self.plugin.package!r} answered an unknown value outside a preview"
            )
        if not self._accepts_secrets:
            mark_secrets(found, given)
        return found

    async def check(
        self, urn: str, olds: Properties | None, news: Properties, seed: bytes, *, preview: bool
    ) -> tuple[Properties, list[Failure]]:
        await self._ready()
        if not self.known:
            return news, []
        accepts = self._accepts(unknowns=preview)
        answer = await self.plugin.check(
            provider_pb2.CheckRequest(
                urn=urn,
                name=urn_name(urn),
                type=urn_type(urn),
                olds=encode(olds or {}, accepts),
                news=encode(news, accepts),
                randomSeed=seed,
            )
        )
        failures = [Failure(item.property, item.reason) for item in answer.failures]
        return self._decoded(answer.inputs, news, unknowns=preview), failures

    async def diff(
        self,
        resource: Resource,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        ignore_changes: Sequence[str],
        *,
        unknowns: bool,
    ) -> Diff | None:
        """None: nobody can say, as the provider's own configuration is not known yet."""
        await self._ready()
        if not self.known:
            return None
        accepts = self._accepts(unknowns=unknowns)
        answer = await self.plugin.diff(
            provider_pb2.DiffRequest(
                id=resource.id,
                urn=resource.urn,
                name=resource.name,
                type=urn_type(resource.urn),
                old_inputs=encode(old_inputs, accepts),
                olds=encode(old_outputs, accepts),
                news=encode(new_inputs, accepts),
                ignoreChanges=ignore_changes,
            )
        )
        return settled(_diff(answer), old_inputs, new_inputs)

    async def create(self, resource: Resource, *, preview: bool) -> Live:
        await self._ready()
        if preview and not (self.known and self.previews):
            # Inputs as outputs: the SDK takes whatever is missing for unknown.
            return Live("", dict(resource.inputs) if self.known else {})
        request = provider_pb2.CreateRequest(
            urn=resource.urn,
            name=resource.name,
            type=urn_type(resource.urn),
            properties=encode(resource.inputs, self._accepts(unknowns=preview)),
            timeout=resource.custom_timeouts.get("create", 0),
            preview=preview,
        )
        try:
            answer = await self.plugin.create(request)
        except CallError as error:
            return self._partial(error, resource.inputs)
        if not answer.id and not preview:
            raise ProviderError("provider did not return an ID from Create")
        return Live(answer.id, self._decoded(answer.properties, resource.inputs, unknowns=preview))

    def _partial(self, error: CallError, given: Properties | None) -> Live:
        if error.partial is None:
            raise error
        return Live(
            error.partial.id,
            self._decoded(error.partial.properties, given, unknowns=False),
            decode(error.partial.inputs) if error.partial.HasField("inputs") else None,
            Failed(list(error.partial.reasons)),
        )

    async def update(self, old: Resource, new: Resource, *, preview: bool) -> Live:
        await self._ready()
        if preview and not (self.known and self.previews):
            return Live(old.id, dict(new.inputs) if self.known else {})
        accepts = self._accepts()
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=new.urn,
            name=new.name,
            type=urn_type(new.urn),
            old_inputs=encode(old.inputs, accepts),
            olds=encode(old.outputs or {}, accepts),
            news=encode(new.inputs, self._accepts(unknowns=preview)),
            timeout=new.custom_timeouts.get("update", 0),
            ignoreChanges=new.ignore_changes,
            preview=preview,
        )
        try:
            answer = await self.plugin.update(request)
        except CallError as error:
            return self._partial(error, new.inputs)
        return Live(old.id, self._decoded(answer.properties, new.inputs, unknowns=preview))

    async def delete(self, old: Resource) -> None:
        await self._ready()
        accepts = self._accepts()
        await self.plugin.delete(
            provider_pb2.DeleteRequest(
                id=old.id,
                urn=old.urn,
                name=old.name,
                type=urn_type(old.urn),
                properties=encode(old.outputs or {}, accepts),
                old_inputs=encode(old.inputs, accepts),
                timeout=old.custom_timeouts.get("delete", 0),
            )
        )

    async def read(self, resource: Resource, inputs: Properties, state: Properties) -> Live:
        await self._ready()
        if not self.known:
            return Live(resource.id, {})
        accepts = self._accepts()
        request = provider_pb2.ReadRequest(
            id=resource.id,
            urn=resource.urn,
            name=resource.name,
            type=urn_type(resource.urn),
            properties=encode(state, accepts),
            inputs=encode(inputs, accepts),
            timeout=resource.custom_timeouts.get("read", 0),
        )
        try:
            answer = await self.plugin.read(request)
        except CallError as error:
            return self._partial(error, state)
        found_inputs = (
            self._decoded(answer.inputs, inputs, unknowns=False) if answer.HasField("inputs") else None
        )
        return Live(answer.id, self._decoded(answer.properties, state, unknowns=False), found_inputs)

    async def invoke(
        self, token: str, args: Properties, *, preview: bool
    ) -> tuple[Properties, list[Failure]]:
        await self._ready()
        if not self.known:
            return {}, []
        answer = await self.plugin.invoke(
            provider_pb2.InvokeRequest(tok=token, args=encode(args, self._accepts()), preview=preview)
        )
        found = decode(getattr(answer, "return"))
        if not self._accepts_secrets and has_secret(args):
            found: Properties = {key: secret(value) for key, value in found.items()}
        return found, [Failure(item.property, item.reason) for item in answer.failures]


def _diff(answer: provider_pb2.DiffResponse) -> Diff:
    changes = {provider_pb2.DiffResponse.DIFF_NONE: False, provider_pb2.DiffResponse.DIFF_SOME: True}.get(
        answer.changes
    )
    detailed = None
    if answer.hasDetailedDiff:
        detailed = {
            path: PropertyDiff(_DIFF_KINDS[item.kind], item.inputDiff)
            for path, item in answer.detailedDiff.items()
        }
    return Diff(changes, list(answer.replaces), list(answer.diffs), detailed, answer.deleteBeforeReplace)


def settled(diff: Diff, old_inputs: Properties, new_inputs: Properties) -> Diff:
    """Where the provider cannot say, the inputs decide; such a difference never replaces."""
    if diff.changes is not None:
        return diff
    keys = changed_keys(old_inputs, new_inputs)
    return Diff(bool(keys), diff.replaces, keys, None, diff.delete_before_replace)


def _config(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != _INTERNAL_KEY}


class Registry:
    """The providers of one run by reference (`<urn>::<id>`), and the life of provider resources."""

    def __init__(self, plugin: Callable[[str], Awaitable[Plugin]]) -> None:
        self._plugin = plugin
        self._providers: dict[str, Provider] = {}

    def get(self, reference: str) -> Provider | None:
        return self._providers.get(reference)

    def add(self, plugin: Plugin, urn: str, resource_id: str, inputs: Properties) -> None:
        """Makes the provider usable; its Configure runs meanwhile, and whoever calls it waits for that."""
        config = _config(inputs)
        known = not has_unknown(cast(Value, config))
        provider = Provider(plugin, known=known)
        if known:
            provider.start_configuring(urn, resource_id, config)
        self._providers[f"{urn}::{resource_id}"] = provider

    async def load(self, resource: Resource) -> Provider:
        """The provider of a provider resource that stands in the state. Raises ProviderError."""
        reference = f"{resource.urn}::{resource.id}"
        if reference not in self._providers:
            plugin = await self._plugin(provider_package(resource.type))
            if reference not in self._providers:
                self.add(plugin, resource.urn, resource.id, resource.inputs)
        return self._providers[reference]

    def forget(self, reference: str) -> None:
        self._providers.pop(reference, None)

    async def check(
        self, urn: str, kind: str, olds: Properties | None, news: Properties
    ) -> tuple[Properties, list[Failure]]:
        plugin = await self._plugin(provider_package(kind))
        accepts = Accepts(unknowns=True)
        try:
            answer = await plugin.check_config(
                provider_pb2.CheckRequest(
                    urn=urn,
                    name=urn_name(urn),
                    type=kind,
                    olds=encode(_config(olds or {}), accepts),
                    news=encode(_config(news), accepts),
                )
            )
        except CallError as error:
            if error.unimplemented:
                return news, []
            raise
        inputs = decode(answer.inputs)
        mark_secrets(inputs, news)
        for key in ("version", _INTERNAL_KEY):
            if key in news:
                inputs[key] = news[key]
        return inputs, [Failure(item.property, item.reason) for item in answer.failures]

    async def diff(
        self, urn: str, kind: str, old: Resource, news: Properties, ignore_changes: Sequence[str]
    ) -> Diff:
        plugin = await self._plugin(provider_package(kind))
        accepts = Accepts(unknowns=True)
        config = _config(news)
        diff = Diff(None)
        try:
            diff = _diff(
                await plugin.diff_config(
                    provider_pb2.DiffRequest(
                        id=old.id,
                        urn=urn,
                        name=urn_name(urn),
                        type=kind,
                        old_inputs=encode(_config(old.inputs), accepts),
                        olds=encode(old.outputs or {}, accepts),
                        news=encode(config, accepts),
                        ignoreChanges=ignore_changes,
                    )
                )
            )
        except CallError as error:
            if not error.unimplemented:
                raise
        if diff.changes is not None:
            return diff
        return Diff(not same(cast(Value, old.outputs or {}), cast(Value, config)))

    async def plugin_of(self, kind: str) -> Plugin:
        return await self._plugin(provider_package(kind))

    @staticmethod
    def outputs(inputs: Properties) -> Properties:
        return _config(inputs)


class Plugins:
    """Connects to each package's provider once: local Azure by port, dynamic providers as a child process."""

    def __init__(
        self,
        ports: Mapping[str, int],
        engine_address: str,
        start_dynamic: Callable[[], Awaitable[int]],
    ) -> None:
        self._ports = ports
        self._engine_address = engine_address
        self._start_dynamic = start_dynamic
        self._tasks: dict[str, asyncio.Task[Plugin]] = {}

    def start(self, package: str) -> asyncio.Task[Plugin]:
        """Connects now, for a use that is to come."""
        if package not in self._tasks:
            self._tasks[package] = asyncio.create_task(self._connect(package))
        return self._tasks[package]

    async def get(self, package: str) -> Plugin:
        return await asyncio.shield(self.start(package))

    async def _connect(self, package: str) -> Plugin:
        if package in self._ports:
            plugin = Plugin(package, Connection(f"127.0.0.1:{self._ports[package]}"))
            await plugin.greet(self._engine_address, attach=True)
            return plugin
        if package == "pulumi-python":
            plugin = Plugin(package, Connection(f"127.0.0.1:{await self._start_dynamic()}"))
            await plugin.greet(self._engine_address, attach=False)
            return plugin
        raise ProviderError(
            f"no provider for package {package!r}: local Azure's embedded engine has azure-native and "
            "dynamic providers only; install the Pulumi CLI to use others"
        )

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        for result in await asyncio.gather(*self._tasks.values(), return_exceptions=True):
            if isinstance(result, Plugin):
                await result.connection.close()
