"""Creates and deletes assistants while holding their lease."""

from collections.abc import Callable

from assistants import leases
from assistants.errors import AssistantExistsError
from assistants.leases import Purpose
from assistants.tables import conversations
from assistants.tables.clients import Tables

# The extension deletes in transactions of 100 rows, `state` last: interrupted between two of them, it leaves
# a conversation without its first messages. So the app deletes longer conversations itself, `state` first.
_ONE_TRANSACTION = 100


def prepare_create(tables: Tables, assistant_id: str, *, only_if_new: bool) -> bool:
    """Acquire the lease for the extension's create. Returns whether it replaces an assistant.

    The extension writes the rows after the caller has returned. So the lease is not released here; it ends
    when the rows exist. Raises AssistantExistsError (with `only_if_new`) and LeaseConflictError.
    """
    existing = conversations.get_state(tables, assistant_id)
    if only_if_new and existing:
        raise AssistantExistsError(assistant_id)
    lease = leases.acquire(tables, assistant_id, Purpose.CREATE, existing)
    # Checked again: another request may have created it before the lease was acquired.
    if only_if_new and conversations.get_state(tables, assistant_id):
        leases.release_and_log(lease)
        raise AssistantExistsError(assistant_id)
    if existing and existing.total_messages >= _ONE_TRANSACTION:
        conversations.delete(tables, assistant_id, lease.renew_if_due)
        lease.renew()
    return existing is not None


def delete(tables: Tables, assistant_id: str, *, only_if: Callable[[], bool] = lambda: True) -> bool:
    """Delete all rows of one assistant. Returns whether it did. Raises LeaseConflictError.

    `only_if` is called while the lease is held, and prevents the deletion by returning False.
    """
    lease = leases.acquire(tables, assistant_id, Purpose.WRITE)
    try:
        if not only_if():
            return False
        conversations.delete(tables, assistant_id, lease.renew_if_due)
    finally:
        leases.release_and_log(lease)
    return True
