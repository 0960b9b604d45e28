"""The definition of a resource type, and conversions between Pulumi's inputs and outputs and ARM's JSON."""

import copy
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import Any, cast

from local_azure.core import clock, ids, schema
from local_azure.core.access import ROLE_ASSIGNMENT_TYPE, ROLE_DEFINITION_TYPE
from local_azure.core.identity import complete_identity
from local_azure.core.naming import AutoName
from local_azure.core.schema import UNKNOWN, ListOf, MapOf, ObjectRef, Problem
from local_azure.core.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.dataplane import Services

Inputs = dict[str, Any]

ENVELOPE = ("location", "tags", "sku", "kind", "identity", "zones", "plan", "managedBy", "extendedLocation")
IN_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/"
_SUBSCRIPTION = "subscriptionId"
SCOPES = frozenset({"scope", "resourceUri", "resourceId"})
"""Inputs that hold the id of the resource that an extension resource belongs to."""
_STATE = "provisioningState"
_NAMED_BY_GUID = frozenset({ROLE_ASSIGNMENT_TYPE, ROLE_DEFINITION_TYPE})
_ANY_NAME, _ANY_NAME_RULE = r"[^<>%&\\?/#\x00-\x1f]{1,260}", r"1 to 260 characters other than <>%&\?/#"


@dataclass(frozen=True)
class Azure:
    """The store and the services that the functions of a resource type work on.

    `busy` holds the keys (`ids.key`) of resources with a running operation that excludes others, `deleting`
    those of resource groups that are being deleted. `now` returns the time in UTC. `provisioning_seconds` is
    the least duration of an exclusive operation: on Azure two that start together always conflict. `quotas`
    returns those that are not at their default, by name or `region/name`.
    """

    store: Store
    services: Services
    busy: set[str] = field(default_factory=set[str])
    deleting: set[str] = field(default_factory=set[str])
    now: Callable[[], datetime] = clock.utc
    provisioning_seconds: float = 0.3
    quotas: Callable[[], Mapping[str, int]] = dict[str, int]


def no_problems(_inputs: Inputs) -> Iterable[Problem]:
    return ()


def accept(_azure: Azure, _resource: Resource, _previous: Resource | None) -> None: ...


async def nothing_to_do(_azure: Azure, _resource: Resource) -> None: ...


@dataclass(frozen=True)
class Behaviour:
    """What a resource type does beyond its schema.

    renames        input name to the name in ARM's `properties`, where they differ
    defaults       Azure's defaults of ARM's `properties`, objects inside included
    once           members of ARM's `properties` that are made on creation and then kept
    check          rules on the inputs alone, which the real provider checks at preview (ranges)
    validate       (azure, resource, previous) raises ArmError for what Azure refuses
    complete       (azure, resource, previous) adds to `resource` what depends on its inputs
    apply          creates or updates it in the services; may add to `resource`
    start          the last step; the resource exists even if it fails
    remove         deletes it from the services; safe to repeat
    refuse_delete  (azure, resource) raises ArmError; not called when its parent is deleted
    shape          (resource, outputs) corrects outputs where Azure's response differs from the resource
    """

    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    once: Mapping[str, Callable[[], str]] = field(default_factory=dict[str, Callable[[], str]])
    check: Callable[[Inputs], Iterable[Problem]] = no_problems
    validate: Callable[[Azure, Resource, Resource | None], None] = accept
    complete: Callable[[Azure, Resource, Resource | None], None] = accept
    apply: Callable[[Azure, Resource], Awaitable[None]] = nothing_to_do
    start: Callable[[Azure, Resource], Awaitable[None]] = nothing_to_do
    remove: Callable[[Azure, Resource], Awaitable[None]] = nothing_to_do
    refuse_delete: Callable[[Azure, Resource], None] = lambda _azure, _resource: None
    shape: Callable[[Resource, Inputs], None] = lambda _resource, _outputs: None


@dataclass(frozen=True, kw_only=True)
class ResourceType(Behaviour):
    """An azure-native resource type.

    pulumi_type    `azure-native:storage:StorageAccount`
    path           the ARM id, with the inputs that are its names in braces; a change of one replaces
    name_pattern   what the last name in the path looks like, and the rule in words, as after "it takes"
    replace_on     paths of further inputs whose change replaces
    singleton      exists with its parent: create is an update, delete a reset
    schema_only    nothing but the schema is checked, and outputs that only Azure computes are missing
    by_rule        the path was made by rule, not taken from a row
    """

    pulumi_type: str
    path: str
    name_pattern: str = ""
    name_rule: str = ""
    replace_on: tuple[str, ...] = ()
    singleton: bool = False
    schema_only: bool = False
    by_rule: bool = False

    @property
    def module(self) -> str:
        return self.pulumi_type.split(":")[1]

    @cached_property
    def path_inputs(self) -> tuple[str, ...]:
        return tuple(name for name in re.findall(r"\{(\w+)\}", self.path) if name != _SUBSCRIPTION)

    @property
    def name_input(self) -> str:
        return self.path_inputs[-1] if self.path_inputs else ""

    @cached_property
    def arm_type(self) -> str:
        return ids.type_of(re.sub(r"\{(\w+)\}", "x", re.sub(r"^\{\w+\}", "", self.path)))

    @property
    def schema(self) -> schema.ResourceSchema:
        return schema.resource_schema(self.pulumi_type)

    @property
    def api_version(self) -> str:
        return self.schema.api_version

    @property
    def autoname(self) -> AutoName | None:
        """How the last name in the path is made by default; None: the program has to give it."""
        own = self.schema.inputs.get(self.name_input)
        if own is None or own.required:
            return None
        if self.name_pattern == AutoName.DEFAULT.value:
            return AutoName.DEFAULT
        if self.arm_type in _NAMED_BY_GUID:
            return AutoName.UUID
        return AutoName.RANDOM if self.arm_type.count("/") == 1 else AutoName.COPY

    @property
    def replacing(self) -> tuple[str, ...]:
        location = ("location",) if "location" in self.schema.inputs else ()
        return (*self.path_inputs, *location, *self.replace_on)

    @cached_property
    def has_provisioning_state(self) -> bool:
        outputs = self.schema.outputs
        inner = outputs.get("properties")
        nested = inner and isinstance(inner.kind, ObjectRef) and schema.object_type(inner.kind)
        return _STATE in {*outputs, *(nested or ())}

    @property
    def limits(self) -> str:
        """What local Azure does not do for this type, as a warning; empty for a type with behaviour."""
        if not self.schema_only:
            return ""
        text = f"{self.pulumi_type}: local Azure checks its inputs against the SDK's schema only."
        if self.by_rule:
            path = self.path.rpartition(ids.PROVIDERS)[2]
            text += f" Its id is made by rule ({path}); {', '.join(self.replacing)} replace it."
        return text

    def problems(self, inputs: Inputs) -> Iterator[Problem]:
        """What the provider refuses at preview: differences from the SDK's types, and broken rules."""
        yield from schema.check(inputs, self.schema.inputs)
        pattern, rule = self.name_pattern or _ANY_NAME, self.name_rule or _ANY_NAME_RULE
        for name in self.path_inputs:
            value = inputs.get(name)
            own = name == self.name_input and self.path.endswith("}")
            if not isinstance(value, str) or name in SCOPES:
                continue
            if not re.fullmatch(pattern if own else _ANY_NAME, value):
                text = f"'{name}' is {value!r} ({len(value)} characters); it takes "
                yield Problem(name, text + (rule if own else _ANY_NAME_RULE))
        yield from self.check(inputs)

    def id_of(self, inputs: Inputs) -> str:
        names = {
            name: inputs[name].rstrip("/") if name in SCOPES else inputs[name] for name in self.path_inputs
        }
        return self.path.format(**{_SUBSCRIPTION: SUBSCRIPTION_ID}, **names)

    def inputs_of_id(self, resource_id: str) -> Inputs | None:
        """The inputs that an id holds; None for an id of another type."""
        match = _path_pattern(self.path).fullmatch(resource_id)
        return match.groupdict() if match else None


@cache
def _path_pattern(path: str) -> re.Pattern[str]:
    pattern = re.sub(r"^\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(path)).replace(
        r"\{subscriptionId\}", "[^/]+"
    )
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern), re.IGNORECASE)


def complete(azure: Azure, kind: ResourceType, resource: Resource, previous: Resource | None) -> None:
    """Adds what Azure adds to `resource`: ids of identities, defaults, state. Raises ArmError 400."""
    complete_identity(azure.store, resource, previous)
    before = (previous or {}).get("properties", {})
    given = merged(kind.defaults, resource.get("properties", {}))
    kept = {name: before.get(name) or make() for name, make in kind.once.items()}
    state = {_STATE: "Succeeded"} if kind.has_provisioning_state else {}
    resource["properties"] = {**given, **kept, **state}
    kind.complete(azure, resource, previous)


def merged(old: Any, new: Any) -> Any:
    """ARM's merge of JSON: objects are merged, null removes a member, any other value replaces."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
        combined = {name: merged(before.get(name), value) for name, value in after.items()}
        return {name: value for name, value in {**before, **combined}.items() if value is not None}
    return new


def to_arm(kind: ResourceType, inputs: Inputs) -> Resource:
    """The resource in ARM's JSON shape that the inputs describe, with its id, name and type."""
    resource_id = kind.id_of(inputs)
    members = {
        name: copy.deepcopy(value)
        for name, value in inputs.items()
        if name not in kind.path_inputs and name not in schema.INTERNAL_INPUTS
    }
    envelope = {name: members.pop(name) for name in ENVELOPE if name in members}
    if "identity" in envelope:
        envelope["identity"] = _identity_to_arm(envelope["identity"])
    if "properties" in kind.schema.inputs:
        properties = members.pop("properties", {})
    else:
        properties = {kind.renames.get(name, name): value for name, value in members.items()}
    resource = Resource(
        id=resource_id, name=ids.name_of(resource_id), type=kind.arm_type, properties=properties
    )
    resource.update(cast("Resource", envelope))
    return resource


def body_to_inputs(kind: ResourceType, body: Resource) -> Inputs:
    """The inputs that ARM's JSON body describes, without the members that Azure adds."""
    return _with_names(kind, body, _sdk_members(kind, body, kind.schema.inputs))


def to_inputs(kind: ResourceType, resource: Resource) -> Inputs:
    """The inputs that would create the stored resource, for an import: those that Azure's response has."""
    members = _sdk_members(kind, resource, kind.schema.inputs)
    kind.shape(resource, members)
    return _with_names(kind, resource, members)


def to_outputs(kind: ResourceType, resource: Resource) -> Inputs:
    """A stored resource in the shape of the SDK's output type."""
    known = kind.schema.outputs
    members = {**_sdk_members(kind, resource, known), "name": resource["name"], "type": resource["type"]}
    outputs = {name: value for name, value in members.items() if name in known}
    outputs["azureApiVersion"] = kind.api_version
    kind.shape(resource, outputs)
    return outputs


def _sdk_members(kind: ResourceType, resource: Resource, known: Mapping[str, schema.Property]) -> Inputs:
    """The resource's members under the SDK's names; `known` are the SDK's inputs or its outputs."""
    members = copy.deepcopy({name: value for name, value in resource.items() if name in ENVELOPE})
    properties = copy.deepcopy(resource.get("properties", {}))
    # A vault key has one input `properties`, and its members as outputs (azure-rest-api-specs, keys.json).
    if "properties" in kind.schema.inputs and "properties" in known:
        return {"properties": properties, **members}
    back = {arm: sdk for sdk, arm in kind.renames.items()}
    return {**{back.get(name, name): value for name, value in properties.items()}, **members}


def _with_names(kind: ResourceType, resource: Resource, members: Inputs) -> Inputs:
    return {**_settable(kind, members), **(kind.inputs_of_id(resource["id"]) or {})}


def _settable(kind: ResourceType, members: Inputs) -> Inputs:
    """The members that are inputs, at any depth, without empty ones."""
    if identity := members.get("identity"):
        members = {**members, "identity": _identity_to_sdk(identity)}
    inputs: Inputs = {}
    for name, definition in kind.schema.inputs.items():
        value = _only_inputs(members.get(name), definition.kind)
        if value not in (None, {}, []):
            inputs[name] = value
    return inputs


def refreshed_inputs(kind: ResourceType, resource: Resource, inputs: Inputs, outputs: Inputs) -> Inputs:
    """The state's inputs, updated with the changes in Azure since the state's outputs, as azure-native does.

    Old and new outputs are reduced to what can be set, and the differences applied to the inputs. This
    finds a tag that was added or removed, and ignores the defaults that Azure added on creation.
    """
    if "properties" in kind.schema.inputs and "properties" not in kind.schema.outputs:
        return dict(inputs)  # a vault key: its inputs are not among its outputs
    before, after = (
        {name: value for name, value in _settable(kind, members).items() if name not in kind.path_inputs}
        for members in (outputs, to_outputs(kind, resource))
    )
    return _with_changes(inputs, before, after)


def _with_changes(inputs: Inputs, before: Inputs, after: Inputs) -> Inputs:
    changed = {name: value for name, value in inputs.items() if name in after or name not in before}
    for name, now in after.items():
        then, given = before.get(name), inputs.get(name)
        if then == now:
            continue
        if isinstance(then, dict) and isinstance(now, dict):
            own = cast("Inputs", given) if isinstance(given, dict) else {}
            changed[name] = _with_changes(own, cast("Inputs", then), cast("Inputs", now))
        else:
            changed[name] = now
    return changed


def preview_outputs(kind: ResourceType, inputs: Inputs) -> Inputs:
    """The outputs that a preview knows: those that are inputs. Everything else is unknown."""
    known = {
        name: value
        for name, value in inputs.items()
        if name not in kind.path_inputs or kind.path.endswith(f"/{{{name}}}")
    }
    return {
        name: kind.api_version if name == "azureApiVersion" else _previewed(known.get(name), definition.kind)
        for name, definition in kind.schema.outputs.items()
    }


def _previewed(value: Any, kind: schema.Kind) -> Any:
    if value is None or value is UNKNOWN:
        return UNKNOWN
    match kind:
        case ObjectRef() if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {
                name: _previewed(members.get(name), p.kind) for name, p in schema.object_type(kind).items()
            }
        case ListOf() if isinstance(value, list):
            return [_previewed(element, kind.element) for element in cast("list[Any]", value)]
        case MapOf() if isinstance(value, list):
            return UNKNOWN  # userAssignedIdentities: a list as input, a map as output
        case _:
            return value


def _only_inputs(value: Any, kind: schema.Kind) -> Any:
    if isinstance(kind, ObjectRef) and isinstance(value, dict):
        known = schema.object_type(kind)
        members = cast("dict[str, Any]", value)
        return {
            name: _only_inputs(member, known[name].kind) for name, member in members.items() if name in known
        }
    return value


def _identity_to_arm(identity: dict[str, Any]) -> dict[str, Any]:
    assigned = identity.get("userAssignedIdentities")
    if not assigned:
        return dict(identity)
    return {**identity, "userAssignedIdentities": {identity_id: {} for identity_id in assigned}}


def _identity_to_sdk(identity: dict[str, Any]) -> dict[str, Any]:
    assigned = identity.get("userAssignedIdentities")
    return {**identity, "userAssignedIdentities": list(assigned)} if assigned else dict(identity)
