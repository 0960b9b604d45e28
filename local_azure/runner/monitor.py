# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A resource monitor that hands the program's registrations to the providers, without an engine."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from graphlib import TopologicalSorter
from subprocess import PIPE, Popen
from threading import Timer
from time import monotonic
from typing import Any

import grpc
import pulumi
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, resource_pb2

from local_azure.cli.output import CommandError, note
from local_azure.frontends.pulumi import values
from local_azure.runner.record import Entry, Record
from local_azure.services import catalogue

AZURE, DYNAMIC, STACK = "azure-native", "pulumi-python", "pulumi:pulumi:Stack"
# Ends with the runner, even if that is killed: the pipe on its standard input closes.
_DYNAMIC_PROVIDER = """import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(1)), daemon=True).start()
runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)"""
_STEPS = {"Create": "+ created", "Update": "~ updated", "Delete": "- deleted"}
_FAILED = "The completed steps are recorded: run the command again to continue."
_UNKNOWN = "which the minimal runner does not support: run `make pulumi` and use the Pulumi CLI"
_REPLACES = "takes a replacement, which the minimal runner does not do: `make down`, then `make local`"
_PROTECTED = "remove the protection in the program or its settings, run `make local`, then this again"
# Options without an effect here: on replacements, which are refused, and on the request itself.
_OPTIONS = """type name parent custom object protect dependencies propertyDependencies ignoreChanges
    deleteBeforeReplace deleteBeforeReplaceDefined version aliasSpecs sourcePosition stackTrace
    acceptSecrets acceptResources supportsPartialValues supportsResultReporting"""


class RefusedError(CommandError): ...  # the provider changed nothing


class Providers(dict[str, Any]):  # a `ResourceProviderStub` for each package
    def __missing__(self, package: str) -> Any:
        raise CommandError(f"it needs the package {package}, {_UNKNOWN}")


@contextmanager
def connected(port: int, config: dict[str, str]) -> Generator[Providers]:
    """Providers by package: local Azure's, on `port`, and the SDK's process for dynamic providers."""
    command = [sys.executable, "-u", "-c", _DYNAMIC_PROVIDER]
    with Popen(command, stdin=PIPE, stdout=PIPE, start_new_session=True) as process:  # gets no Ctrl-C
        ports: dict[str, Any] = {AZURE: port, DYNAMIC: process.stdout and process.stdout.readline()}
        # A dynamic provider gets all keys with their namespace, azure-native its own without it.
        keys = config | {key.removeprefix(f"{AZURE}:"): text for key, text in config.items()}
        providers = Providers()
        for package, own_port in ports.items():
            channel = grpc.insecure_channel(f"127.0.0.1:{int(own_port)}")
            providers[package] = provider_pb2_grpc.ResourceProviderStub(channel)
            try:
                providers[package].Configure(provider_pb2.ConfigureRequest(args=values.encode(keys)))
            except grpc.RpcError as error:
                cause = "does not answer: run `python -m local_azure stop`, then this command again"
                raise CommandError(f"the provider of {package} on port {int(own_port)} {cause}.") from error
        yield providers


def label(urn: str) -> str:  # `web:WebApp function-app`
    return f"{values.type_of(urn).partition(':')[2]} {urn.rpartition('::')[2]}"


def call(providers: Providers, method: str, urn: str, *, quiet: bool = False, **fields: Any) -> Any:
    """Calls a method of the resource's provider; prints a change. Raises CommandError."""
    encoded = {key: values.encode(part) if isinstance(part, dict) else part for key, part in fields.items()}
    request = getattr(provider_pb2, f"{method}Request")(urn=urn, **encoded)
    began, step = monotonic(), "" if quiet else _STEPS.get(method, "")
    timer = Timer(2.0, note, [f"  . {label(urn)}  {method} goes on"])
    timer.start()
    try:
        response = getattr(providers[values.type_of(urn).partition(":")[0]], method)(request)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise CommandError("its provider stopped: see `python -m local_azure logs`") from error
        created = "grpc-status-details-bin" in str(error.trailing_metadata())  # ErrorResourceInitFailed
        raise (CommandError if created else RefusedError)(error.details()) from error
    finally:
        timer.cancel()
    if step:
        note(f"  {step[0]} {label(urn)}  {step[2:]} ({monotonic() - began:.1f} s)")
    return response


def plan(old: Entry, urn: str, request: Any, providers: Providers) -> tuple[Entry, bool, list[str]]:
    """The new entry of a resource, whether it takes a step, and the problems that prevent it."""
    # The SDK always sends hooks, mostly none.
    options = {field.name for field, part in request.ListFields() if field.name != "hooks" or part.ByteSize()}
    # azure-native's own aliases are the types of other API versions.
    aliases = [part for alias in request.aliases for part in (*alias.ListFields(), *alias.spec.ListFields())]
    own = AZURE in request.type and {field.name for field, value in aliases if value} <= {"spec", "type"}
    options -= {*_OPTIONS.split(), "aliases" if own else ""}
    options |= {f"ignoreChanges of {path}" for path in request.ignoreChanges if not path.isidentifier()}
    problems = [f"it has the option {option}, {_UNKNOWN}" for option in sorted(options)]
    inputs = values.decode(request.object)
    for name in request.ignoreChanges if old.id else ():
        inputs[name] = old.inputs.get(name)  # None is not sent
    new = Entry(old.id, inputs, old.outputs, [*request.dependencies, request.parent], request.protect)
    if problems or not request.custom:
        return new, False, problems
    check = call(providers, "Check", urn, olds=old.inputs, news=inputs, randomSeed=urn.encode())
    new = replace(new, inputs=values.decode(check.inputs))
    problems = [f"{failure.property} {failure.reason}".strip() for failure in check.failures]
    if problems or not old.id or rpc.struct_contains_unknowns(check.inputs):
        return new, True, problems
    diff = call(providers, "Diff", urn, id=old.id, olds=old.outputs, old_inputs=old.inputs, news=new.inputs)
    differs = {diff.DIFF_SOME: True, diff.DIFF_NONE: False}.get(diff.changes, old.inputs != new.inputs)
    problems = [f"the change of {', '.join(diff.replaces)} {_REPLACES}"] * bool(diff.replaces)
    return new, differs or old.pending, problems


def put(record: Record, providers: Providers, urn: str, old: Entry, new: Entry, *, changed: bool) -> Entry:
    """Creates or updates a resource. It is recorded first, so that the next run completes a killed one."""
    kind = catalogue.find_type(values.type_of(urn)) if values.type_of(urn).startswith(AZURE) else None
    if not (changed or kind):
        return new
    arm_id = old.id or (kind.id_of(new.inputs) if kind else "")
    record.note(urn, replace(old if old.id else new, id=arm_id, pending=True))
    if old.id:
        fields = {"id": old.id, "olds": old.outputs, "news": new.inputs}
        response = call(providers, "Update", urn, quiet=not changed, **fields)
        return replace(new, outputs=values.decode(response.properties))
    try:
        response = call(providers, "Create", urn, properties=new.inputs)
    except RefusedError:
        record.note(urn, None)
        raise
    return replace(new, id=response.id, outputs=values.decode(response.properties))


def delete(record: Record, providers: Providers, urns: set[str], *, checking: bool) -> None:
    """Deletes resources before their dependencies. Raises CommandError for a protected or failed one."""
    if protected := sorted(label(urn) for urn in urns if record.entries[urn].protect):
        raise CommandError(f"nothing was deleted: {', '.join(protected)}: protected; {_PROTECTED}.")
    order = TopologicalSorter({urn: entry.dependencies for urn, entry in record.entries.items()})
    for urn in reversed([urn for urn in order.static_order() if urn in urns and not checking]):
        try:
            if (entry := record.entries[urn]).id:
                call(providers, "Delete", urn, id=entry.id, properties=entry.outputs)
            record.note(urn, None)
        except (CommandError, OSError) as error:
            raise CommandError(f"{label(urn)}: {error}\n{_FAILED}") from error


class Monitor(MockMonitor):
    """`checking`: changes nothing and collects `problems`; otherwise the first problem ends the run."""

    def __init__(self, record: Record, providers: Providers, *, checking: bool) -> None:
        super().__init__(None)  # pyright: ignore[reportArgumentType] # no method uses the mocks
        self.record, self.providers, self.checking = record, providers, checking
        self.declared, self.problems = set[str](), list[str]()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        prefix = f"{parent.split('::')[2]}$" if parent and STACK not in parent else ""
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{prefix}{type_}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 # the service's name
        urn = self.make_urn(request.parent, request.type, request.name)
        old = new = self.record.entries.get(urn, Entry())
        repeated = urn in self.declared
        self.declared.add(urn)
        try:
            new, changed, problems = plan(old, urn, request, self.providers)
            problems += ["it is declared twice: give one of the two another name"] * repeated
            if not problems and not self.checking:
                new = put(self.record, self.providers, urn, old, new, changed=changed)
                self.record.note(urn, new)
        except (CommandError, OSError) as error:
            problems = [str(error)]
        self.problems += [f"{label(urn)}: {problem}" for problem in problems]
        if self.problems and not self.checking:
            raise CommandError("\n".join([*self.problems, _FAILED]))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=new.id, object=values.encode(new.outputs))

    def RegisterResourceOutputs(self, request: Any) -> Empty:  # noqa: N802 # as above
        if not self.checking and STACK in request.urn:
            exports: dict[str, Any] = rpc.deserialize_properties(request.outputs)
            outputs = {key: "[secret]" if rpc.is_rpc_secret(out) else out for key, out in exports.items()}
            self.record.note(request.urn, Entry(outputs=outputs))  # as `pulumi stack output` prints them
        return Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802 # as above
        invoke = provider_pb2.InvokeRequest(tok=request.tok, args=request.args)
        response = self.providers[request.tok.partition(":")[0]].Invoke(invoke)
        return resource_pb2.ResourceInvokeResponse.FromString(response.SerializeToString())

    def _refuse(self, request: Any) -> Any:
        raise pulumi.RunError(f"the program calls {type(request).__name__}, {_UNKNOWN}.")

    Call = ReadResource = RegisterStackTransform = RegisterStackInvokeTransform = _refuse
