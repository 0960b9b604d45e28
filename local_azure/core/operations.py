"""Create, update and delete for every type: checks parents and locks, changes store and services."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from local_azure.core import ids, refusals
from local_azure.core.errors import ArmError
from local_azure.core.locks import (
    LOCK_TYPE,
    refuse_locked_delete,
    refuse_locked_write,
)
from local_azure.core.resource import (
    ENVELOPE,
    Azure,
    Inputs,
    ResourceType,
    body_to_inputs,
    complete,
    merged,
    to_arm,
)
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.core.tags import refuse_tags


class AlreadyExistsError(Exception):
    """The azure-native provider's own error: Azure itself would take the PUT as an update."""


class StartFailedError(Exception):
    """The resource was created or updated, but its last step (`ResourceType.start`) failed."""

    def __init__(self, resource: Resource, reason: str) -> None:
        super().__init__(reason)
        self.resource = resource


async def create(azure: Azure, kind: ResourceType, inputs: Inputs) -> Resource:
    """Creates the resource; a failure leaves nothing behind.

    Raises AlreadyExistsError, ArmError, StartFailedError, or what a service raises.
    """
    resource_id = kind.id_of(inputs)
    if not kind.singleton and azure.store.get(resource_id) is not None:
        raise AlreadyExistsError(f"cannot create already existing resource '{resource_id}'")
    return await _put(azure, kind, to_arm(kind, inputs))


async def update(azure: Azure, kind: ResourceType, inputs: Inputs) -> Resource:
    """Creates or updates the resource; a failure restores the previous one."""
    return await _put(azure, kind, to_arm(kind, inputs))


async def put(azure: Azure, kind: ResourceType, body: Resource) -> Resource:
    """ARM's PUT on a resource's id, `body` in ARM's shape. Raises ArmError, StartFailedError."""
    _check_body(kind, body, body)
    return await _put(azure, kind, body)


async def patch(azure: Azure, kind: ResourceType, resource_id: str, changes: Mapping[str, Any]) -> Resource:
    """ARM's PATCH: merges objects, null removes a member; any other value, and all tags, are replaced.

    Raises ArmError, StartFailedError.
    """
    previous = azure.store.require(resource_id)
    changed: Resource = merged(previous, changes)
    if "tags" in changes:
        changed["tags"] = dict(changes["tags"] or {})
    _check_body(kind, changed, changes)
    return await _put(azure, kind, changed)


def set_tags(azure: Azure, resource: Resource, tags: Mapping[str, str]) -> Resource:
    """Replaces the tags of the resource and checks nothing else of it. Raises ArmError."""
    require_parents(azure, resource["id"])
    refuse_locked_write(azure.store, resource["id"])
    tagged: Resource = {**resource, "tags": dict(tags)}
    refuse_tags(tagged)
    azure.store.put(tagged)
    return tagged


def _check_body(kind: ResourceType, body: Resource, given: Mapping[str, Any]) -> None:
    """Raises ArmError 400 where the provider would refuse `body`, or a property in `given` cannot be set."""
    inputs = body_to_inputs(kind, body)
    settable = set(_paths(to_arm(kind, inputs)))
    reasons = [
        f"{kind.arm_type} has no property '{path}' that can be set"
        for path in _paths(given)
        if path not in settable
    ]
    reasons += [problem.reason for problem in kind.problems(inputs)]
    if reasons:
        raise ArmError(
            400, "InvalidRequestContent", f"The request content was invalid: {'; '.join(reasons)}."
        )


def _paths(body: Mapping[str, Any]) -> Iterator[str]:
    """`properties.encryption.keySource` and the like, for every leaf of a body; a list is a leaf."""
    for name in (*ENVELOPE, "properties"):
        yield from _leaves(body.get(name), name)


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, member in cast("dict[str, Any]", value).items():
            yield from _leaves(member, f"{path}.{name}")
    elif value not in ({}, [], None):
        yield path


async def delete(azure: Azure, resource_id: str, kinds: Mapping[str, ResourceType]) -> None:
    """Deletes the resource, if it exists, and all below it. `kinds`: by lower-case type. Raises ArmError."""
    resource = azure.store.get(resource_id)
    if resource is None:
        return
    refuse_delete(azure, resource, kinds)
    own_kind = kinds.get(resource["type"].lower())
    if own_kind is not None and own_kind.singleton:
        azure.store.forget(resource_id)  # azure-native restores the defaults: no DELETE
        return
    key = ids.key(resource_id)
    if resource["type"] == ids.RESOURCE_GROUP_TYPE:
        azure.deleting.add(key)
    try:
        await _delete_all(azure, [*reversed(azure.store.list(under=resource_id)), resource], kinds)
    finally:
        azure.deleting.discard(key)


def refuse_delete(azure: Azure, resource: Resource, kinds: Mapping[str, ResourceType]) -> None:
    """Raises ArmError where the resource may not be deleted now."""
    kind = kinds.get(resource["type"].lower())
    if kind is not None and kind.singleton:
        refuse_locked_write(azure.store, resource["id"])
        return
    if resource["type"].lower() != LOCK_TYPE.lower():
        refuse_locked_delete(azure.store, resource["id"])
    if ids.key(resource["id"]) in azure.deleting:
        raise _being_deleted(resource["name"])
    refusals.refuse_delete(azure, resource)
    if kind is not None:
        kind.refuse_delete(azure, resource)


async def _delete_all(azure: Azure, resources: list[Resource], kinds: Mapping[str, ResourceType]) -> None:
    """Deletes in the given order; a resource that another one still uses is tried again in the next pass.

    Raises the ArmError of a resource that cannot be deleted.
    """
    remaining = resources
    while remaining:
        refusals: dict[str, ArmError] = {}
        for resource in remaining:
            if any(ids.is_at_or_below(child, resource["id"]) for child in refusals):
                continue
            kind = kinds.get(resource["type"].lower())
            try:
                if kind is not None:
                    await kind.remove(azure, resource)
            except ArmError as error:
                refusals[resource["id"]] = error
            else:
                azure.store.delete(resource["id"])
        refused = [resource for resource in remaining if azure.store.get(resource["id"]) is not None]
        if len(refused) == len(remaining):
            raise next(iter(refusals.values()))
        remaining = refused


async def _put(azure: Azure, kind: ResourceType, resource: Resource) -> Resource:
    resource_id = resource["id"]
    previous = azure.store.get(resource_id)
    require_parents(azure, resource_id)
    refuse_locked_write(azure.store, resource_id)
    refuse_tags(resource)
    refusals.refuse_write(azure, resource, previous)
    kind.validate(azure, resource, previous)
    complete(azure, kind, resource, previous)
    azure.store.put(resource)
    try:
        await kind.apply(azure, resource)
    except BaseException:
        if previous is None:
            azure.store.delete(resource_id)
        else:
            azure.store.put(previous)
        raise
    azure.store.put(resource)
    try:
        await kind.start(azure, resource)
    except Exception as error:
        raise StartFailedError(azure.store.require(resource_id), str(error) or repr(error)) from error
    return azure.store.require(resource_id)


def require_parents(azure: Azure, resource_id: str) -> None:
    """Raises ArmError 404 for a missing group, scope or parent, 409 for a group that is being deleted."""
    store = azure.store
    scope, resource_type, names = ids.parse(resource_id)
    if not ids.is_at_or_below(resource_id, ids.subscription(SUBSCRIPTION_ID)):
        subscription = "/".join(resource_id.split("/")[:3])
        raise ArmError(
            404,
            "SubscriptionNotFound",
            f"'{subscription}' is not local Azure's subscription; that is "
            f"'{ids.subscription(SUBSCRIPTION_ID)}' (ARM_SUBSCRIPTION_ID).",
        )
    group = ids.resource_group_of(resource_id)
    if group is not None and ids.key(group) in azure.deleting:
        raise _being_deleted(ids.name_of(group))
    if group is not None and not ids.same(group, resource_id):
        store.require(group)
    if ids.PROVIDERS in scope:
        store.require(scope)
    namespace, *types = resource_type.split("/")
    for depth in range(1, len(names)):
        parent = ids.build(scope, "/".join((namespace, *types[:depth])), *names[:depth])
        exists = names[depth - 1].lower() == "default" or types[depth - 1].lower() == "locations"
        if not exists and store.get(parent) is None:
            raise ArmError(
                404,
                "ParentResourceNotFound",
                f"Failed to perform 'write' on resource(s) of type '{'/'.join(types)}', because the "
                f"parent resource '{parent}' could not be found.",
            )


def _being_deleted(group: str) -> ArmError:
    return ArmError(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
    )
