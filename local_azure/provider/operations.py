"""Create, update, delete and read, the same for every type: parents, locks, the store, then the services."""

from collections.abc import Mapping

from local_azure.arm import ids
from local_azure.arm.errors import ArmError
from local_azure.arm.store import SUBSCRIPTION_ID, Resource, Store
from local_azure.provider.authorization.locks import (
    LOCK_TYPE,
    refuse_locked_delete,
    refuse_locked_write,
)
from local_azure.provider.regions import check_location
from local_azure.provider.resource import Azure, Inputs, ResourceType, to_arm


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


async def delete(azure: Azure, resource_id: str, kinds: Mapping[str, ResourceType]) -> None:
    """Deletes the resource and all below it, last made first. A resource that is gone is no error.

    `kinds` by lower-case ARM type.
    """
    resource = azure.store.get(resource_id)
    if resource is None:
        return
    own_kind = kinds.get(resource["type"].lower())
    if own_kind is not None and own_kind.singleton:
        refuse_locked_write(azure.store, resource_id)  # azure-native puts the defaults back: no DELETE
        azure.store.forget(resource_id)
        return
    if ids.type_of(resource_id).lower() != LOCK_TYPE.lower():
        refuse_locked_delete(azure.store, resource_id)
    if own_kind is not None:
        own_kind.refuse_delete(azure, resource)
    for one in [*reversed(azure.store.list(under=resource_id)), resource]:
        kind = kinds.get(one["type"].lower())
        if kind is not None:
            await kind.remove(azure, one)
        azure.store.delete(one["id"])


async def _put(azure: Azure, kind: ResourceType, resource: Resource) -> Resource:
    resource_id = resource["id"]
    previous = azure.store.get(resource_id)
    require_parents(azure.store, resource_id)
    refuse_locked_write(azure.store, resource_id)
    check_location(resource)
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


def require_parents(store: Store, resource_id: str) -> None:
    """Raises ArmError 404 where the subscription, the group, the scope or the parent resource is missing."""
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
