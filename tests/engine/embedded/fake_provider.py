# ruff: noqa: N802, ARG002 - the methods and their arguments are the protocol's
# pyright: basic
# The SDK's stubs of gRPC services import modules that do not exist (pulumi.provider_pb2).
"""A small `azure-native` of its own for the engine's tests: it keeps things in memory and notes every call.

What a thing does is told by its inputs: `fixed` replaces when it changes, `fixedFirst`
deletes before it replaces, `fail` names the call that fails, `unwell` makes it exist
and not be well, `invalid` is refused by Check. Calls can be held back with `hold`.
"""

import threading
import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIG = "4dabf18193072939515e22adb298388d"
REPLACING = ("fixed", "fixedFirst")


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return MessageToDict(struct)


def wire(properties: dict[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    found.update(properties)
    return found


@dataclass
class Call:
    method: str
    name: str
    properties: dict[str, Any]
    preview: bool = False


@dataclass
class FakeAzure:
    """What the provider holds and what was asked of it."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    port: int = 0
    _held: dict[tuple[str, str], threading.Event] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def names(self, method: str) -> list[str]:
        """Names of the things this method was called for, in order; previews are left out."""
        return [call.name for call in self.calls if call.method == method and not call.preview]

    def note(self, call: Call) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if held := self._held.get((call.method, call.name)):
            held.wait(timeout=60)

    def wait_for(self, method: str, name: str) -> None:
        """Until this call has arrived."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: name in self.names(method), timeout=30)
        assert arrived, f"no {method} of {name}"

    def hold(self, method: str, name: str) -> threading.Event:
        """This call does not answer until the event is set."""
        return self._held.setdefault((method, name), threading.Event())

    def release(self) -> None:
        for event in self._held.values():
            event.set()
        self._held.clear()


def _abort_unwell(context: grpc.ServicerContext, thing_id: str, outputs: dict[str, Any], reason: str) -> None:
    failed = provider_pb2.ErrorResourceInitFailed(id=thing_id, properties=wire(outputs), reasons=[reason])
    detail = any_pb2.Any()
    detail.Pack(failed)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message="unwell", details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, "unwell")


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, azure: FakeAzure) -> None:
        self.azure = azure

    def Handshake(self, request, context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def Attach(self, request, context):
        self.azure.attached.append(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="3.29.0")

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request, context):
        self.azure.note(Call("configure", request.name, plain(request.args)))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    def Check(self, request, context):
        olds, news = plain(request.olds), plain(request.news)
        if "invalid" in news:
            failure = provider_pb2.CheckFailure(property="invalid", reason="no thing may be invalid")
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        if "thingName" not in news:
            news["thingName"] = olds.get("thingName") or f"{request.name}{request.randomSeed[:4].hex()}"
        return provider_pb2.CheckResponse(inputs=wire(news))

    def Diff(self, request, context):
        olds, news = plain(request.old_inputs), plain(request.news)
        changed = sorted(key for key in {*olds, *news} if olds.get(key) != news.get(key))
        changed = [key for key in changed if key not in request.ignoreChanges]
        replaces = [key for key in changed if key in REPLACING]
        kinds = provider_pb2.PropertyDiff
        detailed = {
            key: kinds(kind=kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, inputDiff=True)
            for key in changed
        }
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if changed else none,
            diffs=changed,
            replaces=replaces,
            detailedDiff=detailed,
            hasDetailedDiff=True,
            deleteBeforeReplace="fixedFirst" in replaces,
        )

    def _outputs(self, inputs: dict[str, Any], thing_id: str) -> dict[str, Any]:
        return {**inputs, "made": f"made-{thing_id.rpartition('/')[2]}"}

    def Create(self, request, context):
        inputs = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=wire({**inputs, "made": UNKNOWN}))
        self.azure.note(Call("create", request.name, inputs))
        if inputs.get("fail") == "create":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"Azure refuses {request.name}")
        thing_id = f"/things/{inputs['thingName']}-{uuid.uuid4().hex[:6]}"
        outputs = self._outputs(inputs, thing_id)
        self.azure.things[thing_id] = outputs
        if inputs.get("unwell"):
            _abort_unwell(context, thing_id, outputs, f"{request.name} is not well")
        return provider_pb2.CreateResponse(id=thing_id, properties=wire(outputs))

    def Update(self, request, context):
        inputs = plain(request.news)
        self.azure.note(Call("update", request.name, inputs, request.preview))
        if request.preview:
            return provider_pb2.UpdateResponse(properties=wire({**inputs, "made": UNKNOWN}))
        if inputs.get("fail") == "update":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"Azure refuses {request.name}")
        outputs = self._outputs(inputs, request.id)
        self.azure.things[request.id] = outputs
        return provider_pb2.UpdateResponse(properties=wire(outputs))

    def Read(self, request, context):
        self.azure.note(Call("read", request.name, plain(request.properties)))
        outputs = self.azure.things.get(request.id)
        if outputs is None:
            return provider_pb2.ReadResponse()
        inputs = {key: value for key, value in outputs.items() if key != "made"}
        return provider_pb2.ReadResponse(id=request.id, properties=wire(outputs), inputs=wire(inputs))

    def Delete(self, request, context):
        self.azure.note(Call("delete", request.name, plain(request.properties)))
        if plain(request.properties).get("fail") == "delete":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"Azure keeps {request.name}")
        self.azure.things.pop(request.id, None)
        return empty_pb2.Empty()

    def Invoke(self, request, context):
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(wire({"said": plain(request.args).get("say", "")}))
        return answer

    def Cancel(self, request, context):
        return empty_pb2.Empty()


@contextmanager
def fake_azure() -> Iterator[FakeAzure]:
    azure = FakeAzure()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(azure), server)
    azure.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield azure
    finally:
        azure.release()
        server.stop(0).wait()
