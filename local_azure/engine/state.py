"""Resources and snapshots, and their form in Pulumi's checkpoint (deployment schema version 3)."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self, cast

from local_azure.engine.crypto import Crypter
from local_azure.engine.errors import EngineError
from local_azure.engine.values import SECRET, SIG, Properties, Value, is_secret, reveal

ENGINE_VERSION = "v3.260.0+local-azure.embedded"
SCHEMA_VERSIONS = (3, 4)
STACK_TYPE = "pulumi:pulumi:Stack"
_PROVIDER_PREFIX = "pulumi:providers:"

Json = dict[str, Any]


class StateError(EngineError):
    pass


def now() -> str:
    return timestamp(datetime.now(UTC))


def timestamp(moment: datetime) -> str:
    """A time in UTC as Go writes it (RFC3339Nano): no zeros at the end. The CLI writes what it read anew."""
    text = moment.isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0') if '.' in text else text}Z"


# --- URNs -------------------------------------------------------------------


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """`parent` is the parent's URN or empty; the root stack never shows in a child's type."""
    parent_type = qualified_type(parent) if parent else ""
    if parent_type and parent_type != STACK_TYPE:
        kind = f"{parent_type}${kind}"
    return f"urn:pulumi:{stack}::{project}::{kind}::{name}"


def qualified_type(urn: str) -> str:
    return urn.split("::", 3)[2]


def urn_type(urn: str) -> str:
    return qualified_type(urn).rpartition("$")[2]


def urn_name(urn: str) -> str:
    return urn.split("::", 3)[3]


def is_provider_type(kind: str) -> bool:
    return kind.startswith(_PROVIDER_PREFIX)


def provider_package(kind: str) -> str:
    return kind.removeprefix(_PROVIDER_PREFIX)


def provider_type(package: str) -> str:
    return _PROVIDER_PREFIX + package


def split_reference(reference: str) -> tuple[str, str]:
    """The URN and id of a provider reference `<urn>::<id>`."""
    urn, _, resource_id = reference.rpartition("::")
    return urn, resource_id


# --- resources --------------------------------------------------------------


def _strings() -> list[str]:
    return []


@dataclass(eq=False)
class Resource:
    """One physical resource. Several may share a URN while a replacement is under way."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    delete: bool = False
    inputs: Properties = field(default_factory=lambda: cast(Properties, {}))
    outputs: Properties | None = None
    parent: str = ""
    protect: bool = False
    taint: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=_strings)
    init_errors: list[str] = field(default_factory=_strings)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(
        default_factory=lambda: cast("dict[str, list[str]]", {})
    )
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=_strings)
    aliases: list[str] = field(default_factory=_strings)
    custom_timeouts: dict[str, float] = field(default_factory=lambda: cast("dict[str, float]", {}))
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    created: str = ""
    modified: str = ""
    source_position: str = ""
    stack_trace: list[Json] = field(default_factory=lambda: cast("list[Json]", []))
    ignore_changes: list[str] = field(default_factory=_strings)
    hide_diff: list[Any] = field(default_factory=lambda: cast("list[Any]", []))
    replace_on_changes: list[str] = field(default_factory=_strings)
    refresh_before_update: bool = False
    unknown_keys: Json = field(default_factory=lambda: cast(Json, {}))
    """Keys of the checkpoint that this engine does not use; kept for the CLI."""

    @property
    def name(self) -> str:
        return urn_name(self.urn)

    @property
    def is_provider(self) -> bool:
        return is_provider_type(self.type)

    def depends_on(self) -> Iterator[str]:
        """URNs of everything it needs, its parent and provider aside."""
        yield from self.dependencies
        for urns in self.property_dependencies.values():
            yield from urns
        if self.deleted_with:
            yield self.deleted_with

    def needs(self) -> set[str]:
        """URNs of everything that must exist before it: dependencies, parent and provider."""
        found = set(self.depends_on())
        if self.parent:
            found.add(self.parent)
        if self.provider:
            found.add(split_reference(self.provider)[0])
        return found - {""}

    def renamed(self, renames: Mapping[str, str]) -> Self:
        """References to aliased URNs replaced by the new ones."""
        if not renames.keys() & self.needs():
            return self
        provider_urn, provider_id = split_reference(self.provider)
        return replace(
            self,
            parent=renames.get(self.parent, self.parent),
            deleted_with=renames.get(self.deleted_with, self.deleted_with),
            provider=f"{renames[provider_urn]}::{provider_id}" if provider_urn in renames else self.provider,
            dependencies=[renames.get(urn, urn) for urn in self.dependencies],
            property_dependencies={
                key: [renames.get(urn, urn) for urn in urns]
                for key, urns in self.property_dependencies.items()
            },
        )


@dataclass(frozen=True)
class Operation:
    """An operation that had begun and not ended: `creating`, `updating`, `deleting`, `reading`."""

    kind: str
    resource: Resource


@dataclass
class Snapshot:
    resources: list[Resource] = field(default_factory=lambda: cast("list[Resource]", []))
    operations: list[Operation] = field(default_factory=lambda: cast("list[Operation]", []))
    rest: Json = field(default_factory=lambda: cast(Json, {}))
    """What else stands in the deployment: metadata and keys this engine does not use."""


# Attribute and key, in the order of the CLI's checkpoint (P:sdk/go/common/apitype/core.go).
_KEYS = (
    ("urn", "urn"),
    ("custom", "custom"),
    ("delete", "delete"),
    ("id", "id"),
    ("type", "type"),
    ("inputs", "inputs"),
    ("outputs", "outputs"),
    ("parent", "parent"),
    ("protect", "protect"),
    ("taint", "taint"),
    ("external", "external"),
    ("dependencies", "dependencies"),
    ("init_errors", "initErrors"),
    ("provider", "provider"),
    ("property_dependencies", "propertyDependencies"),
    ("pending_replacement", "pendingReplacement"),
    ("additional_secret_outputs", "additionalSecretOutputs"),
    ("aliases", "aliases"),
    ("custom_timeouts", "customTimeouts"),
    ("import_id", "importID"),
    ("retain_on_delete", "retainOnDelete"),
    ("deleted_with", "deletedWith"),
    ("created", "created"),
    ("modified", "modified"),
    ("source_position", "sourcePosition"),
    ("stack_trace", "stackTrace"),
    ("ignore_changes", "ignoreChanges"),
    ("hide_diff", "hideDiff"),
    ("replace_on_changes", "replaceOnChanges"),
    ("refresh_before_update", "refreshBeforeUpdate"),
)
_ATTRIBUTES = {key: attribute for attribute, key in _KEYS}
_ALWAYS = {"urn", "custom", "type"}


def to_json(resource: Resource, seal: Callable[[Value], Value]) -> Json:
    """The resource as the checkpoint holds it; `seal` turns property values into stored ones."""
    found: Json = {}
    for attribute, key in _KEYS:
        value = getattr(resource, attribute)
        if key in ("inputs", "outputs") and value:
            value = {name: seal(item) for name, item in value.items()}
        if value or key in _ALWAYS:
            found[key] = value
    return found | resource.unknown_keys


def from_json(data: Json, open_: Callable[[Value], Value]) -> Resource:
    attributes: Json = {}
    unknown: Json = {}
    for key, value in data.items():
        if key in ("inputs", "outputs"):
            properties: Properties = value or {}
            attributes[key] = {name: open_(item) for name, item in properties.items()}
        elif attribute := _ATTRIBUTES.get(key):
            attributes[attribute] = value
        else:
            unknown[key] = value
    return Resource(**attributes, unknown_keys=unknown)


def sealed_with(crypter: Crypter) -> Callable[[Value], Value]:
    """Property value to its form in the state: each secret is encrypted as a whole."""

    def seal(value: Value) -> Value:
        if isinstance(value, list):
            return [seal(item) for item in value]
        if isinstance(value, dict):
            if is_secret(value):
                return {
                    SIG: SECRET,
                    "ciphertext": crypter.encrypt(json.dumps(reveal(value), separators=(",", ":"))),
                }
            return {key: seal(item) for key, item in value.items()}
        return value

    return seal


def opened_with(crypter: Crypter) -> Callable[[Value], Value]:
    def open_(value: Value) -> Value:
        if isinstance(value, list):
            return [open_(item) for item in value]
        if isinstance(value, dict):
            if is_secret(value):
                if isinstance(sealed := value.get("ciphertext"), str) and sealed:
                    return {SIG: SECRET, "value": json.loads(crypter.decrypt(sealed))}
                return {SIG: SECRET, "value": json.loads(str(value.get("plaintext", "null")))}
            return {key: open_(item) for key, item in value.items()}
        return value

    return open_


def redacted(value: Value) -> Value:
    """For display and JSON output: secrets as `[secret]`."""
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, dict):
        return "[secret]" if is_secret(value) else {key: redacted(item) for key, item in value.items()}
    return value


# --- checkpoint -------------------------------------------------------------


def deployment_of(checkpoint: Json) -> Json:
    """The deployment inside a checkpoint file, before anything is decrypted.

    Raises StateError for a schema this engine cannot keep whole.
    """
    version = checkpoint.get("version")
    if version not in SCHEMA_VERSIONS or checkpoint.get("features"):
        features = ", ".join(checkpoint.get("features") or ()) or "none"
        raise StateError(
            f"the state has schema version {version} (features: {features}), which the embedded engine "
            "cannot keep: use the Pulumi CLI that wrote it"
        )
    return cast(Json, checkpoint["checkpoint"].get("latest") or {})


def read_snapshot(deployment: Json, open_: Callable[[Value], Value]) -> Snapshot:
    rest = {
        key: value
        for key, value in deployment.items()
        if key not in ("manifest", "secrets_providers", "resources", "pending_operations")
    }
    return Snapshot(
        resources=[from_json(item, open_) for item in deployment.get("resources") or ()],
        operations=[
            Operation(item["type"], from_json(item["resource"], open_))
            for item in deployment.get("pending_operations") or ()
        ],
        rest=rest,
    )


def write_checkpoint(
    qualified_stack: str, snapshot: Snapshot, salt: str, seal: Callable[[Value], Value]
) -> Json:
    deployment: Json = {
        "manifest": {
            "time": now(),
            "magic": hashlib.sha256(ENGINE_VERSION.encode()).hexdigest(),
            "version": ENGINE_VERSION,
        },
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
    }
    if snapshot.resources:
        deployment["resources"] = [to_json(resource, seal) for resource in snapshot.resources]
    if snapshot.operations:
        deployment["pending_operations"] = [
            {"resource": to_json(operation.resource, seal), "type": operation.kind}
            for operation in snapshot.operations
        ]
    deployment |= {"metadata": {}} | snapshot.rest
    return {"version": 3, "checkpoint": {"stack": qualified_stack, "latest": deployment}}


def salt_of(deployment: Json) -> str | None:
    """The salt of the state's secrets provider. Raises StateError for a provider that is not a passphrase."""
    provider = deployment.get("secrets_providers")
    if not provider:
        return None
    if provider.get("type") != "passphrase":
        raise StateError(
            f"the state's secrets provider is {provider.get('type')!r}; "
            "the embedded engine knows 'passphrase' only"
        )
    return str(provider["state"]["salt"])


def referenceable(resources: Iterable[Resource]) -> list[Resource]:
    """The resources with references dropped whose target does not stand before them.

    After a refresh has found resources gone, nothing may point to them.
    """
    kept: list[Resource] = []
    known: set[str] = {""}
    for resource in resources:
        kept.append(
            replace(
                resource,
                parent=resource.parent if resource.parent in known else "",
                deleted_with=resource.deleted_with if resource.deleted_with in known else "",
                dependencies=[urn for urn in resource.dependencies if urn in known],
                property_dependencies={
                    key: [urn for urn in urns if urn in known]
                    for key, urns in resource.property_dependencies.items()
                },
            )
            if resource.needs() - known
            else resource
        )
        known.add(resource.urn)
    return kept
