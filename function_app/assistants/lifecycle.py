"""Creates and deletes assistants, each under its lease."""

from collections.abc import Callable

from assistants import leases
from assistants.errors import AssistantExistsError
from assistants.leases import Purpose
from assistants.tables import conversations
from assistants.tables.clients import Tables

# The extension deletes in transactions of 100 rows, `state` last: cut off between two of them, it leaves a
# conversation that has lost its beginning. So the app deletes what does not fit into one, `state` first.
_ONE_TRANSACTION = 100


def prepare_create(tables: Tables, assistant_id: str, *, only_if_new: bool) -> bool:
    """Take the lease for the extension's create. Returns whether that replaces an assistant.

    The extension writes the rows after the caller has returned, so the lease stays, and ends when they are
    there. Raises AssistantExistsError with `only_if_new`, and LeaseConflictError.
    """
    existing = conversations.get_state(tables, assistant_id)
    if only_if_new and existing:
        raise AssistantExistsError(assistant_id)
    lease = leases.acquire(tables, assistant_id, Purpose.CREATE, existing)
    # Again, since somebody may have created it before the lease.
    if only_if_new and conversations.get_state(tables, assistant_id):
        leases.release_and_log(lease)
        raise AssistantExistsError(assistant_id)
    if existing and existing.total_messages >= _ONE_TRANSACTION:
        conversations.delete(tables, assistant_id, lease.renew_if_due)
        lease.renew()
    return existing is not None


def delete(tables: Tables, assistant_id: str, *, only_if: Callable[[], bool] = lambda: True) -> bool:
    """Delete all rows of one assistant and its lease. Raises LeaseConflictError.

    `only_if` is called when nobody else can write any more; False where it has returned False.
    """
    lease = leases.acquire(tables, assistant_id, Purpose.WRITE)
    try:
        if not only_if():
            return False
        conversations.delete(tables, assistant_id, lease.renew_if_due)
    finally:
        leases.release_and_log(lease)
    return True
