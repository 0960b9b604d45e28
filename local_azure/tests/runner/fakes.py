"""A provider in memory, and registrations as the SDK sends them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, resource_pb2

from local_azure.cli.output import CommandError
from local_azure.frontends.pulumi import values
from local_azure.runner.monitor import Monitor, Providers, delete
from local_azure.runner.record import Record
from local_azure.services import catalogue

GROUP = "azure-native:resources:ResourceGroup"
ACCOUNT = "azure-native:storage:StorageAccount"
DYNAMIC = "pulumi-python:dynamic:Resource"


class ProviderError(grpc.RpcError):
    def __init__(self, details: str, code: Any = grpc.StatusCode.UNKNOWN, metadata: Any = ()) -> None:
        super().__init__(details)
        self.details, self.code, self.trailing_metadata = lambda: details, lambda: code, lambda: metadata


class FakeProvider:
    """Resources by id, both providers. `location` replaces; a name that starts with `bad` fails Check.

    `errors` holds what a method raises, by its name; `point` is called before and after each change.
    """

    def __init__(self, point: Callable[[], None] | None = None) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.errors: dict[str, Exception] = {}
        self._point = point or (lambda: None)

    def providers(self) -> Providers:
        return Providers({"azure-native": self, "pulumi-python": self})

    def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:  # noqa: N802
        inputs = values.decode(request.news)
        invalid = str(inputs.get("accountName", "")).startswith("bad")
        failures = [provider_pb2.CheckFailure(property="accountName", reason="is invalid")] * invalid
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:  # noqa: N802
        old, new = values.decode(request.old_inputs), values.decode(request.news)
        if values.type_of(request.urn) == DYNAMIC:
            return provider_pb2.DiffResponse()
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=[name for name in changed if name == "location"],
        )

    def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:  # noqa: N802
        inputs = values.decode(request.properties)
        token = values.type_of(request.urn)
        kind = catalogue.find_type(token) if token.startswith("azure-native:") else None
        resource_id = kind.id_of(inputs) if kind else request.urn.rpartition("::")[2]
        self._change("Create", resource_id, inputs)
        return provider_pb2.CreateResponse(id=resource_id, properties=values.encode({**inputs, "made": True}))

    def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:  # noqa: N802
        inputs = values.decode(request.news)
        self._change("Update", request.id, inputs)
        return provider_pb2.UpdateResponse(properties=values.encode({**inputs, "made": True}))

    def Delete(self, request: provider_pb2.DeleteRequest) -> Empty:  # noqa: N802
        self._change("Delete", request.id, None)
        return Empty()

    def _change(self, method: str, resource_id: str, inputs: dict[str, Any] | None) -> None:
        if method in self.errors:
            raise self.errors[method]
        self._point()
        self.calls.append((method, resource_id.rpartition("/")[2]))
        self.resources.pop(resource_id, None)
        self.resources |= {} if inputs is None else {resource_id: inputs}
        self._point()


def registration(
    kind: str, name: str, inputs: Mapping[str, Any], **options: Any
) -> resource_pb2.RegisterResourceRequest:
    no_hooks = resource_pb2.RegisterResourceRequest.ResourceHooksBinding()  # the SDK always sends it
    return resource_pb2.RegisterResourceRequest(
        type=kind, name=name, custom=True, object=values.encode(dict(inputs)), hooks=no_hooks, **options
    )


def group(name: str = "rg", **inputs: Any) -> resource_pb2.RegisterResourceRequest:
    return registration(GROUP, name, {"resourceGroupName": name, **inputs})


def account(name: str, *after: str, **inputs: Any) -> resource_pb2.RegisterResourceRequest:
    """`after`: the URNs of its dependencies."""
    names = {"resourceGroupName": "rg", "accountName": name}
    return registration(ACCOUNT, name, {**names, **inputs}, dependencies=after)


def dynamic(name: str, **inputs: Any) -> resource_pb2.RegisterResourceRequest:
    return registration(DYNAMIC, name, inputs)


def change(
    file: Path, provider: FakeProvider, *requests: resource_pb2.RegisterResourceRequest
) -> tuple[Record, dict[str, Any]]:
    """`runner up` with a program that registers `requests`, `runner down` with none.

    The record, and the responses by name. Raises CommandError.
    """
    record, responses = Record(file), dict[str, Any]()
    for checking in (True, False):
        monitor = Monitor(record, provider.providers(), checking=checking)
        responses = {request.name: monitor.RegisterResource(request) for request in requests}
        if monitor.problems:
            raise CommandError("\n".join(monitor.problems))
        if monitor.declared <= record.entries.keys():
            delete(record, provider.providers(), record.entries.keys() - monitor.declared, checking=checking)
    return record, responses


def urn(kind: str, name: str) -> str:
    return Monitor(Record(Path("/nowhere")), Providers(), checking=True).make_urn("", kind, name)
