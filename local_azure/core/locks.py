"""What management locks forbid."""

from local_azure.core import ids
from local_azure.core.errors import ArmError
from local_azure.core.store import Store

LOCK_TYPE = "Microsoft.Authorization/locks"


def refuse_locked_delete(store: Store, resource_id: str) -> None:
    """ArmError 409 for a lock of either level at the resource, above it or below it."""
    scopes = [
        scope
        for scope, _ in _locks(store)
        if ids.is_at_or_below(resource_id, scope) or ids.is_at_or_below(scope, resource_id)
    ]
    if scopes:
        raise _locked(resource_id, "delete", scopes)


def refuse_locked_write(store: Store, resource_id: str) -> None:
    """ArmError 409 for a ReadOnly lock at the resource or above it."""
    scopes = [
        scope
        for scope, level in _locks(store)
        if level == "ReadOnly" and ids.is_at_or_below(resource_id, scope)
    ]
    if scopes and ids.type_of(resource_id).lower() != LOCK_TYPE.lower():
        raise _locked(resource_id, "write", scopes)


def _locks(store: Store) -> list[tuple[str, str]]:
    return [(ids.parse(lock["id"])[0], lock.get("properties", {})["level"]) for lock in store.list(LOCK_TYPE)]


def _locked(resource_id: str, operation: str, scopes: list[str]) -> ArmError:
    listed = ",".join(f"'{scope}'" for scope in dict.fromkeys(scopes))
    return ArmError(
        409,
        "ScopeLocked",
        f"The scope '{resource_id}' cannot perform {operation} operation because following scope(s) are "
        f"locked: {listed}. Please remove the lock and try again.",
    )
