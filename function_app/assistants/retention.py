"""Deletes assistants that have been idle for longer than the configured retention."""

import logging
import os
import string
import time
from datetime import UTC, datetime, timedelta

from assistants import lifecycle
from assistants.errors import LeaseConflictError
from assistants.tables import conversations
from assistants.tables.clients import Tables

# The limits of one run. The shortest function timeout of any plan is ten minutes.
MAX_SECONDS = 240.0
MAX_DELETED = 1000


_FIRST_CHARACTERS = string.digits + string.ascii_letters + "-_"


def delete_idle(tables: Tables, days: int, *, start: str = "") -> None:
    """Delete the assistants that were not written for `days`, by id from `start` on, then those before it.

    `start` is by default another one in every run, so that runs that reach a limit do not always skip the
    same assistants. Raises RuntimeError if some could not be deleted: the invocation counts as failed.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 # tables/clients.py says why

    idle_since = datetime.now(UTC) - timedelta(days=days)
    start = start or _FIRST_CHARACTERS[os.urandom(1)[0] % len(_FIRST_CHARACTERS)]
    end = time.monotonic() + MAX_SECONDS
    deleted = failed = 0
    continuation = ""
    for assistant_id in conversations.idle_assistants(tables, idle_since, start):
        if deleted == MAX_DELETED or time.monotonic() > end:
            continuation = "; the limit is reached, and the next run continues"
            break
        try:
            deleted += _delete_if_idle(tables, assistant_id, idle_since)
        except AzureError:
            logging.exception("The idle assistant %s could not be deleted", assistant_id)
            failed += 1
    logging.info("Deleted %d assistants idle since %s%s", deleted, idle_since, continuation)
    if failed:
        raise RuntimeError(f"{failed} idle assistants could not be deleted; the next run retries")


def _delete_if_idle(tables: Tables, assistant_id: str, idle_since: datetime) -> bool:
    """False if the assistant is being written, or was written after the query."""

    def is_still_idle() -> bool:
        state = conversations.get_state(tables, assistant_id)
        return state is not None and state.last_updated_at < idle_since.strftime("%Y-%m-%dT%H:%M:%S")

    try:
        return lifecycle.delete(tables, assistant_id, only_if=is_still_idle)
    except LeaseConflictError:
        return False
