# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The SDK's stubs name messages of other files by a module path that does not exist (pulumi.alias_pb2).
"""The services that a running program calls: ResourceMonitor and Engine."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.empty_pb2 import Empty

from local_azure.engine.aliases import Alias
from local_azure.engine.config import Project
from local_azure.engine.deployment import StepFailedError
from local_azure.engine.events import Listener, Message, Severity
from local_azure.engine.goals import Goal
from local_azure.engine.protos import alias_pb2, engine_pb2, resource_pb2, source_pb2
from local_azure.engine.providers import ProviderError
from local_azure.engine.registrations import Registrations
from local_azure.engine.rpc import AbortError, CallError, Method, Server
from local_azure.engine.values import UnsupportedValueError, hash_assets
from local_azure.engine.wire import Accepts, decode, dependencies, encode

_FEATURES = {
    "secrets": resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    "resourceReferences": resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    "outputValues": resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    "aliasSpecs": resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    "deletedWith": resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
}
_SEVERITIES: Mapping[int, Severity] = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _unsupported(what: str) -> AbortError:
    return AbortError(
        "UNIMPLEMENTED",
        f"local Azure's embedded engine has no {what}: install the Pulumi CLI to run this program",
    )


def seconds(duration: str) -> float:
    """Go's duration text (`1h30m`, `90s`) in seconds. Raises ValueError."""
    total, rest = 0.0, duration
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        unit = rest[len(number) :][: len(rest[len(number) :]) - len(rest[len(number) :].lstrip("nusmhµ"))]
        if not number or unit not in _UNITS:
            raise ValueError(f"unable to parse customTimeout {duration!r}")
        total += float(number) * _UNITS[unit]
        rest = rest[len(number) + len(unit) :]
    return total


class EngineService:
    """Log lines of the program and the providers, and the root resource. Outlives single programs."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._root = ""
        self.errors = 0

    def add_to(self, server: Server) -> None:
        p = engine_pb2
        server.add(
            "pulumirpc.Engine",
            [
                Method("Log", p.LogRequest, self._log),
                Method("GetRootResource", p.GetRootResourceRequest, self._get_root),
                Method("SetRootResource", p.SetRootResourceRequest, self._set_root),
                Method("StartDebugging", p.StartDebuggingRequest, self._start_debugging),
                Method("RequirePulumiVersion", p.RequirePulumiVersionRequest, self._require_version),
            ],
        )

    async def _log(self, request: engine_pb2.LogRequest) -> Empty:
        severity = _SEVERITIES[request.severity]
        if severity == "error":
            self.errors += 1
        self._listener.message(
            Message(severity, request.message.rstrip("\n"), request.urn, request.ephemeral)
        )
        return Empty()

    async def _get_root(self, _: engine_pb2.GetRootResourceRequest) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def _set_root(
        self, request: engine_pb2.SetRootResourceRequest
    ) -> engine_pb2.SetRootResourceResponse:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def _start_debugging(self, _: engine_pb2.StartDebuggingRequest) -> Empty:
        return Empty()

    async def _require_version(
        self, _: engine_pb2.RequirePulumiVersionRequest
    ) -> engine_pb2.RequirePulumiVersionResponse:
        raise _unsupported("CLI version to compare with (require_pulumi_version)")


class MonitorService:
    """One program's resource monitor."""

    def __init__(self, project: Project, stack: str, *, preview: bool, parallel: int) -> None:
        self.ended = asyncio.Event()
        """Set when the program has said that no more registrations come."""
        self._registrations: asyncio.Future[Registrations] = asyncio.get_running_loop().create_future()
        self._project_root = project.root
        self._program_folder = project.folder
        self._paths: dict[str, str] = {}
        self._info = resource_pb2.DeploymentInfo(
            project=project.name,
            stack=stack,
            organization="organization",
            dryRun=preview,
            parallel=parallel,
            supportedFeatures=list(_FEATURES.values()),
        )
        self._component_providers: dict[str, dict[str, str]] = {}

    def attach(self, registrations: Registrations) -> None:
        """What the calls act on. The program may start before, while the state is still being read."""
        self._registrations.set_result(registrations)

    def add_to(self, server: Server) -> None:
        p = resource_pb2
        server.add(
            "pulumirpc.ResourceMonitor",
            [
                Method("GetDeploymentInfo", Empty, self._deployment_info),
                Method("SupportsFeature", p.SupportsFeatureRequest, self._supports_feature),
                Method("RegisterResource", p.RegisterResourceRequest, self._register),
                Method("RegisterResourceOutputs", p.RegisterResourceOutputsRequest, self._register_outputs),
                Method("ReadResource", p.ReadResourceRequest, self._read),
                Method("Invoke", p.ResourceInvokeRequest, self._invoke),
                Method("Call", p.ResourceCallRequest, self._refuse("methods on remote components (Call)")),
                Method("RegisterPackage", p.RegisterPackageRequest, self._refuse("parameterized providers")),
                Method("RegisterResourceHook", p.RegisterResourceHookRequest, self._refuse("resource hooks")),
                Method("RegisterErrorHook", p.RegisterErrorHookRequest, self._refuse("error hooks")),
                Method("SignalAndWaitForShutdown", Empty, self._shut_down),
            ],
        )

    @staticmethod
    def _refuse(what: str) -> Any:
        async def refuse(_: object) -> Empty:
            raise _unsupported(what)

        return refuse

    async def _deployment_info(self, _: Empty) -> resource_pb2.DeploymentInfo:
        return self._info

    async def _supports_feature(
        self, request: resource_pb2.SupportsFeatureRequest
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    async def _shut_down(self, _: Empty) -> Empty:
        # There are no hooks to call back, so the program need not wait for the deletes.
        self.ended.set()
        return Empty()

    # --- registrations ------------------------------------------------------

    def _goal(self, request: resource_pb2.RegisterResourceRequest) -> Goal:
        properties = {
            key: hash_assets(value, self._program_folder) for key, value in decode(request.object).items()
        }
        property_dependencies = {key: list(item.urns) for key, item in request.propertyDependencies.items()}
        if not property_dependencies:
            property_dependencies = {key: list(request.dependencies) for key in properties}
        for key, urns in dependencies(request.object).items():
            known = property_dependencies.setdefault(key, [])
            known += [urn for urn in urns if urn not in known]
        timeouts = {
            name: seconds(text)
            for name in ("create", "update", "delete", "read")
            if (text := getattr(request.customTimeouts, name))
        }
        before = request.deleteBeforeReplace
        return Goal(
            type=request.type,
            name=request.name,
            custom=request.custom,
            properties=properties,
            parent=request.parent,
            protect=request.protect if request.HasField("protect") else None,
            dependencies=list(dict.fromkeys(request.dependencies)),
            property_dependencies=property_dependencies,
            provider=request.provider or self._inherited_provider(request),
            version=request.version,
            download_url=request.pluginDownloadURL,
            delete_before_replace=before if request.deleteBeforeReplaceDefined or before else None,
            ignore_changes=list(request.ignoreChanges),
            replace_on_changes=list(request.replaceOnChanges),
            additional_secret_outputs=list(request.additionalSecretOutputs),
            aliases=[Alias(urn=urn) for urn in request.aliasURNs]
            + [_alias(item) for item in request.aliases],
            custom_timeouts=timeouts,
            import_id=request.importId,
            retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
            deleted_with=request.deletedWith,
            source_position=self._position(request.sourcePosition),
            stack_trace=[_frame(self._position(frame.pc)) for frame in request.stackTrace.frames],
        )

    def _inherited_provider(self, request: resource_pb2.RegisterResourceRequest) -> str:
        package = request.type.partition(":")[0]
        return request.providers.get(package) or self._component_providers.get(request.parent, {}).get(
            package, ""
        )

    def _position(self, position: source_pb2.SourcePosition) -> str:
        """`project:///<path from the project's folder>#<line>`, as the CLI keeps it; else empty."""
        if not position.uri.startswith("file://"):
            return ""
        # The same few files come with every frame of every registration.
        if position.uri not in self._paths:
            path = os.path.relpath(urlsplit(position.uri).path, self._project_root)
            self._paths[position.uri] = Path(path).as_posix()
        column = f",{position.column}" if position.column else ""
        return f"project:///{self._paths[position.uri]}#{position.line}{column}"

    async def _register(
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        if request.remote:
            raise _unsupported("remote components")
        if request.transforms:
            raise _unsupported("transforms")
        try:
            goal = self._goal(request)
        except (ValueError, UnsupportedValueError, OSError) as error:
            raise AbortError("INVALID_ARGUMENT", f"resource '{request.name}': {error}") from error
        outcome = await (await self._registrations).register(goal)
        resource = outcome.resource
        if not request.custom:
            inherited = self._component_providers.get(request.parent, {})
            self._component_providers[resource.urn] = inherited | dict(request.providers)
        if outcome.result != "SUCCESS" and not request.supportsResultReporting:
            raise AbortError("INTERNAL", "resource registration failed")
        accepts = Accepts(request.acceptSecrets, unknowns=True, resources=request.acceptResources)
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn,
            id=resource.id,
            object=encode(resource.outputs or {}, accepts),
            result=resource_pb2.Result.Value(outcome.result),
        )

    async def _register_outputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Empty:
        try:
            outputs = {
                key: hash_assets(value, self._program_folder)
                for key, value in decode(request.outputs).items()
            }
        except (UnsupportedValueError, OSError) as error:
            raise AbortError("INVALID_ARGUMENT", f"outputs of {request.urn}: {error}") from error
        (await self._registrations).register_outputs(request.urn, outputs)
        return Empty()

    async def _read(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        if request.type == "pulumi:pulumi:StackReference":
            raise _unsupported("stack references")
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            properties=decode(request.properties),
            parent=request.parent,
            dependencies=list(dict.fromkeys(request.dependencies)),
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=list(request.additionalSecretOutputs),
            source_position=self._position(request.sourcePosition),
            stack_trace=[_frame(self._position(frame.pc)) for frame in request.stackTrace.frames],
        )
        outcome = await (await self._registrations).read(goal, request.id)
        if outcome.result == "FAIL":
            raise AbortError("UNKNOWN", f"reading {request.type} '{request.name}' failed")
        accepts = Accepts(request.acceptSecrets, unknowns=True, resources=request.acceptResources)
        return resource_pb2.ReadResourceResponse(
            urn=outcome.resource.urn, properties=encode(outcome.resource.outputs or {}, accepts)
        )

    async def _invoke(
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        registrations = await self._registrations
        deployment = registrations.deployment
        package = request.tok.partition(":")[0]
        if package == "pulumi":
            raise _unsupported(f"function {request.tok}")
        try:
            reference = request.provider or await registrations.default_provider(package, request.version)
            found, failures = await deployment.provider(reference).invoke(
                request.tok, decode(request.args), preview=deployment.preview
            )
        except (CallError, ProviderError) as error:
            raise AbortError("UNKNOWN", f"invocation of {request.tok} returned an error: {error}") from error
        except StepFailedError as error:
            raise AbortError("UNKNOWN", f"invocation of {request.tok}: its provider failed") from error
        answer = resource_pb2.ResourceInvokeResponse()
        accepts = Accepts(secrets=True, unknowns=True, resources=request.acceptResources)
        getattr(answer, "return").CopyFrom(encode(found, accepts))
        for failure in failures:
            answer.failures.add(property=failure.property, reason=failure.reason)
        return answer


def _frame(position: str) -> dict[str, Any]:
    return {"sourcePosition": position} if position else {}


def _alias(alias: alias_pb2.Alias) -> Alias:
    if not alias.HasField("spec"):
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )
