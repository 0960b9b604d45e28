"""Create, update, delete and read, the same for every type: parents, locks, the store, then the services."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from local_azure.core import ids, schema
from local_azure.core.errors import ArmError
from local_azure.core.regions import check_location
from local_azure.core.resource import ENVELOPE, Azure, Inputs, ResourceType, body_to_inputs, to_arm
from local_azure.core.store import SUBSCRIPTION_ID, Resource
from local_azure.core.tags import refuse_tags
from local_azure.services.authorization.locks import (
    LOCK_TYPE,
    refuse_locked_delete,
    refuse_locked_write,
)


class AlreadyExistsError(Exception):
    """The azure-native provider's own refusal: Azure would take the PUT as an update."""


class StartFailedError(Exception):
    """The resource exists, but the last step of its making failed."""

    def __init__(self, resource: Resource, reason: str) -> None:
        super().__init__(reason)
        self.resource = resource


async def create(azure: Azure, kind: ResourceType, inputs: Inputs) -> Resource:
    """Makes the resource, or leaves nothing behind.

    Raises AlreadyExistsError, ArmError, StartFailedError, or what a service raises.
    """
    resource_id = kind.id_of(inputs)
    if not kind.singleton and azure.store.get(resource_id) is not None:
        msg = f"cannot create already existing resource '{resource_id}'"
        raise AlreadyExistsError(msg)
    return await _put(azure, kind, to_arm(kind, inputs))


async def update(azure: Azure, kind: ResourceType, inputs: Inputs) -> Resource:
    """Like `create` for a resource that may exist; a failure puts the previous one back."""
    return await _put(azure, kind, to_arm(kind, inputs))


async def put(azure: Azure, kind: ResourceType, body: Resource) -> Resource:
    """What PUT on a resource's id does, `body` in ARM's own shape. Raises ArmError, StartFailedError."""
    _check_body(kind, body, body)
    return await _put(azure, kind, body)


async def patch(azure: Azure, kind: ResourceType, resource_id: str, changes: Mapping[str, Any]) -> Resource:
    """What PATCH does: objects are merged, null removes, anything else is replaced, and tags as a whole.

    Raises ArmError, StartFailedError.
    """
    previous = azure.store.require(resource_id)
    changed: Resource = _merged(previous, changes)
    if "tags" in changes:
        changed["tags"] = dict(changes["tags"] or {})
    _check_body(kind, changed, changes)
    return await _put(azure, kind, changed)


def set_tags(azure: Azure, resource: Resource, tags: Mapping[str, str]) -> Resource:
    """The resource with these tags and no others; nothing else of it is looked at. Raises ArmError."""
    require_parents(azure, resource["id"])
    refuse_locked_write(azure.store, resource["id"])
    tagged: Resource = {**resource, "tags": dict(tags)}
    refuse_tags(tagged)
    azure.store.put(tagged)
    return tagged


def _check_body(kind: ResourceType, body: Resource, given: Mapping[str, Any]) -> None:
    """Raises ArmError 400 for a body that the provider would not take, or where `given` cannot be set."""
    inputs = body_to_inputs(kind, body)
    settable = set(_paths(to_arm(kind, inputs)))
    wrong = [
        f"{kind.arm_type} has no property '{path}' that can be set"
        for path in _paths(given)
        if path not in settable
    ]
    wrong += [one.reason for one in (*schema.check(inputs, kind.schema.inputs), *kind.check(inputs))]
    if wrong:
        raise ArmError(400, "InvalidRequestContent", f"The request content was invalid: {'; '.join(wrong)}.")


def _paths(body: Mapping[str, Any]) -> Iterator[str]:
    """`properties.encryption.keySource` for each leaf that can be sent; a list is a leaf."""
    for name in (*ENVELOPE, "properties"):
        yield from _leaves(body.get(name), name)


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, item in cast("dict[str, Any]", value).items():
            yield from _leaves(item, f"{path}.{name}")
    elif value not in ({}, [], None):
        yield path


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
        merged = {name: _merged(before.get(name), value) for name, value in after.items()}
        return {name: value for name, value in {**before, **merged}.items() if value is not None}
    return new


async def delete(azure: Azure, resource_id: str, kinds: Mapping[str, ResourceType]) -> None:
    """Deletes the resource and all below it. A resource that is gone is no error. Raises ArmError.

    `kinds` by lower-case ARM type.
    """
    resource = azure.store.get(resource_id)
    if resource is None:
        return
    refuse_delete(azure, resource, kinds)
    own_kind = kinds.get(resource["type"].lower())
    if own_kind is not None and own_kind.singleton:
        azure.store.forget(resource_id)  # azure-native puts the defaults back: no DELETE
        return
    key = ids.key(resource_id)
    is_group = resource["type"] == ids.RESOURCE_GROUP_TYPE
    if is_group:
        azure.deleting.add(key)
    try:
        await _delete_all(azure, [*reversed(azure.store.list(under=resource_id)), resource], kinds)
    finally:
        azure.deleting.discard(key)


def refuse_delete(azure: Azure, resource: Resource, kinds: Mapping[str, ResourceType]) -> None:
    """ArmError where the resource may not be deleted now, before anything is touched."""
    kind = kinds.get(resource["type"].lower())
    if kind is not None and kind.singleton:
        refuse_locked_write(azure.store, resource["id"])
        return
    if resource["type"].lower() != LOCK_TYPE.lower():
        refuse_locked_delete(azure.store, resource["id"])
    if ids.key(resource["id"]) in azure.deleting:
        raise _being_deleted(resource["name"])
    if kind is not None:
        kind.refuse_delete(azure, resource)


async def _delete_all(azure: Azure, resources: list[Resource], kinds: Mapping[str, ResourceType]) -> None:
    """One after the other, last made first; what another one still uses comes again after that one.

    Raises ArmError 409 where one does not go, with what the last try said.
    """
    left = resources
    while left:
        refusals: dict[str, ArmError] = {}
        for one in left:
            if any(ids.is_at_or_below(refused, one["id"]) for refused in refusals):
                continue
            kind = kinds.get(one["type"].lower())
            try:
                if kind is not None:
                    await kind.remove(azure, one)
            except ArmError as error:
                refusals[one["id"]] = error
            else:
                azure.store.delete(one["id"])
        again = [one for one in left if azure.store.get(one["id"]) is not None]
        if len(again) == len(left):
            raise next(iter(refusals.values()))
        left = again


async def _put(azure: Azure, kind: ResourceType, resource: Resource) -> Resource:
    resource_id = resource["id"]
    previous = azure.store.get(resource_id)
    require_parents(azure, resource_id)
    refuse_locked_write(azure.store, resource_id)
    check_location(resource, previous)
    refuse_tags(resource)
    kind.validate(azure, resource, previous)
    kind.complete(azure, resource, previous)
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
    """Raises ArmError 404 where the subscription, the group, the scope or the parent resource is missing,

    409 where the group is being deleted.
    """
    store = azure.store
    scope, kind, names = ids.parse(resource_id)
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
    if len(names) > 1:
        namespace, top, *rest = kind.split("/")
        parent = ids.build(scope, f"{namespace}/{top}", names[0])
        if store.get(parent) is None:
            raise ArmError(
                404,
                "ParentResourceNotFound",
                f"Failed to perform 'write' on resource(s) of type '{'/'.join((top, *rest))}', because the "
                f"parent resource '{parent}' could not be found.",
            )


def _being_deleted(group: str) -> ArmError:
    return ArmError(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
    )
