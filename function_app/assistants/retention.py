"""Deletes assistants that were idle for longer than the settings say."""

import logging
import os
import string
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from assistants import lifecycle
from assistants.errors import LeaseConflictError
from assistants.tables import conversations
from assistants.tables.clients import Tables

# Within the ten minutes that the shortest plan gives a function, and what one run may do at most.
MAX_SECONDS = 240.0
MAX_DELETED = 1000


@dataclass(frozen=True)
class Swept:
    """`finished` is false where the run came to one of its limits; `failed` counts what it could not delete.

    Either way the next run goes on.
    """

    deleted: int
    finished: bool
    failed: int = 0


def delete_idle(tables: Tables, days: int) -> None:
    """Raises RuntimeError where some could not be deleted, so that the invocation counts as failed."""
    idle_since = datetime.now(UTC) - timedelta(days=days)
    swept = sweep(tables, idle_since, start=_FIRST_CHARACTERS[os.urandom(1)[0] % len(_FIRST_CHARACTERS)])
    more = "" if swept.finished else "; there are more, for the next run"
    logging.info("Deleted %d assistants idle since %s%s", swept.deleted, idle_since, more)
    if swept.failed:
        raise RuntimeError(f"{swept.failed} idle assistants could not be deleted; the next run tries again")


_FIRST_CHARACTERS = string.digits + string.ascii_letters + "-_"


def sweep(
    tables: Tables,
    idle_since: datetime,
    *,
    start: str,
    max_deleted: int = MAX_DELETED,
    max_seconds: float = MAX_SECONDS,
) -> Swept:
    """Delete who was last written before `idle_since`, from the ids at `start` on and round to it.

    A run that is cut short by its limits begins elsewhere the next time, so that none is left for ever.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 # tables/clients.py says why

    end = time.monotonic() + max_seconds
    deleted = failed = 0
    for assistant_id in conversations.idle_assistants(tables, idle_since, start):
        if deleted == max_deleted or time.monotonic() > end:
            return Swept(deleted, finished=False, failed=failed)
        try:
            deleted += _delete_if_idle(tables, assistant_id, idle_since)
        except AzureError:
            logging.exception("The idle assistant %s could not be deleted", assistant_id)
            failed += 1
    return Swept(deleted, finished=True, failed=failed)


def _delete_if_idle(tables: Tables, assistant_id: str, idle_since: datetime) -> bool:
    """Whoever writes just now is not idle, nor is who has written since the query."""

    def is_still_idle() -> bool:
        state = conversations.get_state(tables, assistant_id)
        return state is not None and state.last_updated_at < idle_since.strftime("%Y-%m-%dT%H:%M:%S")

    try:
        return lifecycle.delete(tables, assistant_id, only_if=is_still_idle)
    except LeaseConflictError:
        return False
