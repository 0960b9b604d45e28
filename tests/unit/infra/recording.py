"""Runs the whole program under Pulumi's mocks, each time from nothing, and records what it asks for."""

import asyncio
import contextlib
import json
import runpy
from collections.abc import Generator, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from pulumi.runtime import rpc, set_all_config, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import run_in_stack

from delivery.package import Package
from infra import program as infra_program
from infra.settings import reading

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "assistant"
SUBSCRIPTION_ID = "11111111-2222-4333-8444-555555555555"
TODAY = date(2026, 11, 25)
"""No model of these tests has retired yet."""
PACKAGE = Package(path=".build/function_app.zip", content_hash="0123456789abcdef" * 4, size=1)
"""The package that the program is given: a real build takes wheels from the network."""
EMPTY: dict[str, Any] = {}
ARM = f"/subscriptions/{SUBSCRIPTION_ID}"


@dataclass(frozen=True)
class Recorded:
    """A registration as the engine gets it. `parent`, `dependencies`: logical names; inputs: camelCase."""

    name: str
    type: str
    inputs: Mapping[str, Any]
    parent: str
    dependencies: frozenset[str]
    protect: bool
    delete_before_replace: bool | None


@dataclass
class Run:
    resources: dict[str, Recorded] = field(default_factory=dict[str, Recorded])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])

    def __getitem__(self, name: str) -> Recorded:
        return self.resources[name]

    def of_type(self, type_: str) -> list[Recorded]:
        return [resource for resource in self.resources.values() if resource.type == type_]

    def app_settings(self) -> dict[str, str]:
        pairs = self["function-app"].inputs["siteConfig"]["appSettings"]
        return {pair["name"]: pair["value"] for pair in pairs}

    def before(self, name: str) -> frozenset[str]:
        """All direct and indirect dependencies of `name`."""
        before: set[str] = set()
        left = [name]
        while left:
            added = self.resources[left.pop()].dependencies - before
            before |= added
            left += added
        return frozenset(before)


class Azure(Mocks):
    """Answers with what only Azure knows. Where a value could be guessed from a name it is made unlike it."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs: dict[str, Any] = cast("Any", args).inputs
        if not args.custom:
            return "", inputs
        return f"{ARM}/id-of-azure/{args.name}", {**inputs, **_outputs(args.typ, inputs)}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token == "azure-native:cognitiveservices:getAccount":
            return {}, []
        assert args.token == "azure-native:authorization:getClientConfig", args.token
        answer = {"clientId": "c", "objectId": "o", "subscriptionId": SUBSCRIPTION_ID, "tenantId": "t"}
        return answer, []


def _outputs(type_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    match type_.removeprefix("azure-native:"):
        case "resources:ResourceGroup":
            return {"name": inputs["resourceGroupName"]}
        case "managedidentity:UserAssignedIdentity":
            return {"clientId": "client-id-of-azure", "principalId": "principal-id-of-azure"}
        case "storage:StorageAccount":
            kinds = ("blob", "queue", "table")
            endpoints = {kind: f"https://{kind}.endpoint-of-azure.test/" for kind in kinds}
            return {"name": inputs["accountName"], "primaryEndpoints": endpoints}
        case "storage:BlobContainer":
            return {"name": inputs["containerName"]}
        case "applicationinsights:Component":
            return {"connectionString": "connection-string-of-azure"}
        case "cognitiveservices:Account":
            properties = {**inputs["properties"], "endpoint": "https://openai.endpoint-of-azure.test/"}
            return {"name": inputs["accountName"], "properties": properties}
        case "cognitiveservices:Deployment":
            return {"name": "deployment-of-azure"}
        case "web:WebApp":
            # A list goes in and a map comes out (pulumi-azure-native), on which the SDK insists.
            identities = dict.fromkeys(inputs["identity"]["userAssignedIdentities"], EMPTY)
            return {
                "defaultHostName": "site.host-of-azure.test",
                "hostNameSslStates": [
                    {"name": "site.host-of-azure.test", "hostType": "Standard"},
                    {"name": "scm.host-of-azure.test", "hostType": "Repository"},
                ],
                "identity": {"type": "UserAssigned", "userAssignedIdentities": identities},
            }
        case _:
            return {}


class _Recorder(MockMonitor):
    """The mocks see inputs only; parents, protection, order and stack outputs are in the requests."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        super().__init__(self.azure)
        self.run = Run()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        base: Any = super()
        answer = base.RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            assert request.name not in self.run.resources, f"two resources have the name {request.name}"
            self.run.resources[request.name] = Recorded(
                name=request.name,
                type=request.type,
                inputs=_plain(rpc.deserialize_properties(request.object)),
                parent=_logical(request.parent),
                dependencies=frozenset(_logical(urn) for urn in request.dependencies),
                protect=request.protect,
                delete_before_replace=request.deleteBeforeReplace
                if request.deleteBeforeReplaceDefined
                else None,
            )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        if "pulumi:pulumi:Stack::" in request.urn:
            self.run.outputs |= _plain(rpc.deserialize_properties(request.outputs))
        base: Any = super()
        return base.RegisterResourceOutputs(request)


def _logical(urn: str) -> str:
    return "" if "pulumi:pulumi:Stack::" in urn else urn.rpartition("::")[2]


def _plain(value: Any) -> Any:
    """Secrets unwrapped at any depth; but the provider that a dynamic resource carries is left out."""
    plain: Any = rpc.unwrap_rpc_secret(value)
    if isinstance(plain, dict):
        members = cast("dict[str, Any]", plain)
        return {key: _plain(member) for key, member in members.items() if key != "__provider"}
    if isinstance(plain, list):
        return [_plain(element) for element in cast("list[Any]", plain)]
    return plain


@contextlib.contextmanager
def _fresh_loop() -> Generator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def _run_file(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def run_program(
    config: Mapping[str, object] | None = None,
    *,
    stack: str = "dev",
    preview: bool = False,
    project: str = PROJECT,
    program: str = "__main__.py",
    azure: Azure | None = None,
) -> Run:
    """`config`: keys of the project's namespace, values as one would write them in YAML."""
    text = {
        f"{project}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (config or {}).items()
    }

    def run() -> Run:
        recorder = _Recorder(azure or Azure())
        set_all_config(text, [])
        with _fresh_loop() as loop:
            set_mocks(recorder.azure, project=project, stack=stack, preview=preview, monitor=recorder)
            # set_mocks makes a stack; the program shall have its own, as under the language host.
            set_root_resource(cast("Any", None))
            with (
                patch.object(reading, "today", return_value=TODAY),
                patch.object(infra_program, "build_package", return_value=PACKAGE),
            ):
                loop.run_until_complete(run_in_stack(lambda: _run_file(ROOT / program)))
        return recorder.run

    return copy_context().run(run)
