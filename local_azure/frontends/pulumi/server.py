"""The gRPC server of Pulumi's provider protocol that an engine attaches to as azure-native."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar
from weakref import WeakValueDictionary

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from typing_extensions import override

from local_azure.core import ids, operations, schema
from local_azure.core.errors import ArmError
from local_azure.core.naming import AutoName, automatic_name
from local_azure.core.resource import (
    Azure,
    Inputs,
    ResourceType,
    preview_outputs,
    refreshed_inputs,
    to_inputs,
)
from local_azure.core.schema import UNKNOWN, Problem
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.frontends.pulumi import absent, guard, values
from local_azure.frontends.pulumi.diff import differences
from local_azure.services import catalogue
from local_azure.services.authorization.resource_types import CLIENT_CONFIG, client_config

# The old outputs that azure-native keeps in the preview of an update; all others are unknown.
_STABLE_OUTPUTS = ("name", "location")
_VERSION = "3.29.0"
_LOG_SECONDS = 5.0
_NO_LOCATION = (
    "missing required property 'location'. Either set it explicitly or configure it with "
    "'pulumi config set azure-native:location <value>'."
)
_CREATE_BEFORE_DELETE = "__createBeforeDelete"
_REPLACEMENTS = {pb.PropertyDiff.ADD_REPLACE, pb.PropertyDiff.DELETE_REPLACE, pb.PropertyDiff.UPDATE_REPLACE}
_STATUS_DETAILS = "grpc-status-details-bin"
_INIT_FAILED = "type.googleapis.com/pulumirpc.ErrorResourceInitFailed"

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """azure-native in front of one store. All calls run in the event loop that owns the store.

    One process serves every provider instance of every command, and calls on resources do not name the
    instance. Each instance has its own connection, which therefore identifies its configured location.
    """

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._locations: dict[str, str | None] = {}
        """By peer address."""
        self._engines: dict[str, str] = {}
        """The addresses of the engines, by peer address."""
        self._warned: set[tuple[str, str]] = set()
        """Engine and type."""
        self._unconfirmed: dict[str, tuple[str, Inputs]] = {}
        """URN and inputs of new resources by id, until another call shows that the engine recorded them."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._operations: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Ends the operations whose callers are gone."""
        for operation in self._operations:
            operation.cancel()
        await asyncio.gather(*self._operations, return_exceptions=True)

    async def _completed(self, resource_id: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Runs an operation to its end, after earlier ones on the same resource; what it returns.

        gRPC cancels a handler when its caller is killed. ARM completes an accepted operation, and so does
        this: a cancelled one would leave ports, processes and rows without an owner.
        """

        async def exclusive() -> T:
            async with self._locks.setdefault(resource_id.lower(), asyncio.Lock()):
                return await operation()

        task = asyncio.create_task(exclusive())
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        return await asyncio.shield(task)

    async def _put(
        self, context: Context, kind: ResourceType, inputs: Inputs, put: Callable[[], Awaitable[Resource]]
    ) -> Resource:
        try:
            return await self._completed(kind.id_of(inputs), put)
        except operations.StartFailedError as error:
            await _abort_with_init_failure(context, kind, error, inputs)
        except (ArmError, operations.AlreadyExistsError) as error:
            await _abort(context, error)

    @override
    async def Handshake(
        self, request: pb.ProviderHandshakeRequest, context: Context
    ) -> pb.ProviderHandshakeResponse:
        await self._attach(request.engine_address, context)
        return pb.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    @override
    async def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> Empty:
        await self._attach(request.address, context)
        return Empty()

    async def _attach(self, engine_address: str, context: Context) -> None:
        refusal = await asyncio.to_thread(guard.refusal, engine_address)
        if refusal is not None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, refusal)
        self._engines[context.peer()] = engine_address

    @override
    async def GetPluginInfo(self, request: Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=_VERSION)

    @override
    async def Cancel(self, request: Empty, context: Context) -> Empty:
        """Does nothing: an engine sends it at the end of every command."""
        return Empty()

    @override
    async def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        failures: list[pb.CheckFailure] = []
        configured = values.decode(request.news).get("subscriptionId", SUBSCRIPTION_ID)
        if configured is not UNKNOWN and str(configured).lower() != SUBSCRIPTION_ID:
            reason = (
                f"local Azure has one subscription, {SUBSCRIPTION_ID}; this stack names {configured}. "
                "Remove azure-native:subscriptionId from the stack's settings."
            )
            failures.append(pb.CheckFailure(property="subscriptionId", reason=reason))
        return pb.CheckResponse(inputs=request.news, failures=failures)

    @override
    async def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    @override
    async def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        location = values.decode(request.args).get("location") or request.variables.get(
            "azure-native:config:location"
        )
        self._locations[context.peer()] = location if isinstance(location, str) else None
        return pb.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    @override
    async def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        kind = await _kind(request.urn, context)
        inputs = values.decode(request.news)
        self._add_defaults(kind, inputs, request, self._locations.get(context.peer()))
        problems = [*kind.problems(inputs), *absent.problems(inputs)]
        if "location" in kind.schema.inputs and "location" not in inputs:
            problems.append(Problem("location", _NO_LOCATION))
        failures = [pb.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems]
        await self._warn(kind, request.urn, context)
        return pb.CheckResponse(inputs=values.encode(inputs), failures=failures)

    @override
    async def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        kind = await _kind(request.urn, context)
        self._unconfirmed.pop(request.id.lower(), None)
        old, new = values.decode(request.old_inputs), values.decode(request.news)
        changed = {
            path: pb.PropertyDiff.Kind.Value(change)
            for path, change in differences(old, new, kind.replacing).items()
            if path not in schema.INTERNAL_INPUTS
        }
        replaces = [path for path, change in changed.items() if change in _REPLACEMENTS]
        # As azure-native: delete first, unless the name is automatic, so that both can exist.
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and not old.get(_CREATE_BEFORE_DELETE, False),
            diffs=list(dict.fromkeys(path.partition(".")[0].partition("[")[0] for path in changed)),
            detailedDiff={
                path: pb.PropertyDiff(kind=change, inputDiff=True) for path, change in changed.items()
            },
            hasDetailedDiff=True,
        )

    @override
    async def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        kind = await _kind(request.urn, context)
        inputs = values.decode(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=values.encode(preview_outputs(kind, inputs)))
        key = kind.id_of(inputs).lower()

        async def create() -> Resource:
            # The same request again: the engine was killed before it could record the first response.
            repeated = self._unconfirmed.get(key) == (request.urn, inputs)
            if self._azure.store.get(key) is None:
                self._unconfirmed[key] = (request.urn, inputs)
            return await (operations.update if repeated else operations.create)(self._azure, kind, inputs)

        resource = await self._put(context, kind, inputs, create)
        return pb.CreateResponse(id=resource["id"], properties=values.encode(absent.outputs(kind, resource)))

    @override
    async def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        kind = await _kind(request.urn, context)
        self._unconfirmed.pop(request.id.lower(), None)
        inputs = values.decode(request.news)
        if request.preview:
            old = values.decode(request.olds)
            stable = {name: old[name] for name in _STABLE_OUTPUTS if name in old}
            return pb.UpdateResponse(properties=values.encode({**preview_outputs(kind, inputs), **stable}))
        resource = await self._put(
            context, kind, inputs, lambda: operations.update(self._azure, kind, inputs)
        )
        return pb.UpdateResponse(properties=values.encode(absent.outputs(kind, resource)))

    @override
    async def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        kind = await _kind(request.urn, context)
        self._unconfirmed.pop(request.id.lower(), None)
        if kind.inputs_of_id(request.id) is None:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"'{request.id}' is not the id of {kind.pulumi_type}; expected {kind.path}",
            )
        async with self._locks.setdefault(request.id.lower(), asyncio.Lock()):
            resource = self._azure.store.get(request.id)
        if resource is None:
            return pb.ReadResponse()
        inputs, outputs = values.decode(request.inputs), values.decode(request.properties)
        return pb.ReadResponse(
            id=resource["id"],
            properties=values.encode(absent.outputs(kind, resource)),
            inputs=values.encode(
                refreshed_inputs(kind, resource, inputs, outputs) if inputs else to_inputs(kind, resource)
            ),
        )

    @override
    async def Delete(self, request: pb.DeleteRequest, context: Context) -> Empty:
        await _kind(request.urn, context)
        self._unconfirmed.pop(request.id.lower(), None)
        try:
            await self._completed(
                request.id, lambda: operations.delete(self._azure, request.id, catalogue.BY_ARM_TYPE)
            )
        except ArmError as error:
            await _abort(context, error)
        return Empty()

    @override
    async def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        try:
            outputs = _call(self._azure, request.tok, values.decode(request.args))
        except (ArmError, catalogue.UnknownTokenError) as error:
            await _abort(context, error)
        response = pb.InvokeResponse()
        getattr(response, "return").CopyFrom(values.encode(outputs))
        return response

    @override
    async def GetSchema(self, request: pb.GetSchemaRequest, context: Context) -> pb.GetSchemaResponse:
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "local Azure has no package schema, which YAML programs and `pulumi convert` need; it serves "
            "programs that use an SDK",
        )

    @override
    async def GetMapping(self, request: pb.GetMappingRequest, context: Context) -> pb.GetMappingResponse:
        return pb.GetMappingResponse()

    async def _warn(self, kind: ResourceType, urn: str, context: Context) -> None:
        """Has the engine print, once for a type, what local Azure does not do for it."""
        engine = self._engines.get(context.peer())
        if engine is None or not kind.limits or (engine, kind.pulumi_type) in self._warned:
            return
        self._warned.add((engine, kind.pulumi_type))
        request = engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=kind.limits, urn=urn)
        with suppress(grpc.RpcError):  # an engine that has ended needs no warning
            async with grpc.aio.insecure_channel(engine) as channel:
                stub: Any = engine_pb2_grpc.EngineStub(channel)
                await stub.Log(request, timeout=_LOG_SECONDS)

    def _add_defaults(
        self, kind: ResourceType, inputs: Inputs, request: pb.CheckRequest, configured_location: str | None
    ) -> None:
        name, old = kind.name_input, values.decode(request.olds)
        if name not in inputs and kind.autoname is not None:
            if name in old:
                inputs[name] = old[name]
                random = bool(old.get(_CREATE_BEFORE_DELETE))
            else:
                inputs[name], random = _automatic_name(kind.autoname, request)
            if random:
                inputs[_CREATE_BEFORE_DELETE] = True
        if "location" in kind.schema.inputs and "location" not in inputs:
            location = self._default_location(inputs, old, configured_location)
            if location is not None:
                inputs["location"] = location
        inputs.setdefault("azureApiVersion", kind.api_version)

    def _default_location(self, inputs: Inputs, old: Inputs, configured: str | None) -> Any:
        """As azure-native: the old one, else the configured one, else the resource group's."""
        if "location" in old:
            return old["location"]
        if configured is not None:
            return configured
        group = inputs.get("resourceGroupName")
        if group is UNKNOWN:
            return UNKNOWN
        if not isinstance(group, str):
            return None
        resource_group = self._azure.store.get(ids.resource_group(SUBSCRIPTION_ID, group))
        return resource_group.get("location") if resource_group else None


async def serve(provider: Provider) -> tuple[grpc.aio.Server, int]:
    """A started server and its port on 127.0.0.1, which the system chooses. Stop it with `server.stop`."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def _kind(urn: str, context: Context) -> ResourceType:
    token = values.type_of(urn)
    try:
        # In a thread: the SDK's larger modules take seconds to import.
        return await asyncio.to_thread(catalogue.find_type, token)
    except catalogue.UnknownTokenError as error:
        await _abort(context, error, grpc.StatusCode.UNIMPLEMENTED)


def _call(azure: Azure, token: str, arguments: Inputs) -> Inputs:
    """The outputs of getClientConfig, or of the getter of a type (`…:getStorageAccount`).

    Raises UnknownTokenError, also for a missing argument of a getter; ArmError 404 for a missing resource.
    """
    if token == CLIENT_CONFIG:
        return client_config()
    try:
        kind = catalogue.find_type(token.replace(":get", ":")) if ":get" in token else None
    except catalogue.UnknownTokenError:
        kind = None
    if kind is None:
        raise catalogue.UnknownTokenError(
            f"local Azure has no function {token}.{schema.nearest(token, [CLIENT_CONFIG])} It has "
            f"{CLIENT_CONFIG}, and the getter of each resource type; it does not make up what Azure computes."
        )
    missing = [name for name in kind.path_inputs if name not in arguments]
    if missing:
        raise catalogue.UnknownTokenError(f"{token} needs {', '.join(missing)}")
    resource = azure.store.require(kind.id_of(arguments))
    return {"id": resource["id"], **absent.outputs(kind, resource)}


def _automatic_name(strategy: AutoName, request: pb.CheckRequest) -> tuple[str, bool]:
    """The name, and whether it is random. The engine's autonaming settings precede azure-native's rule."""
    modes = pb.CheckRequest.AutonamingOptions
    if request.HasField("autonaming"):
        options = request.autonaming
        if options.mode == modes.ENFORCE or (options.mode == modes.PROPOSE and strategy.takes_proposals):
            return options.proposed_name, True
    return automatic_name(strategy, request.urn, request.randomSeed), strategy.is_random


async def _abort(
    context: Context, error: Exception, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
) -> NoReturn:
    await context.abort(code, str(error))
    raise AssertionError  # abort raises


async def _abort_with_init_failure(
    context: Context, kind: ResourceType, error: operations.StartFailedError, inputs: Inputs
) -> NoReturn:
    """The engine then keeps the resource in its state as failed, and the next `up` updates it."""
    detail = pb.ErrorResourceInitFailed(
        id=error.resource["id"],
        properties=values.encode(absent.outputs(kind, error.resource)),
        inputs=values.encode(inputs),
        reasons=[str(error)],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add(type_url=_INIT_FAILED, value=detail.SerializeToString())
    await context.abort(grpc.StatusCode.UNKNOWN, str(error), ((_STATUS_DETAILS, status.SerializeToString()),))
    raise AssertionError  # abort raises
