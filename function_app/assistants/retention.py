"""Deletes assistants that have been idle for longer than the configured retention."""

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

# The limits of one run. The shortest function timeout of any plan is ten minutes.
MAX_SECONDS = 240.0
MAX_DELETED = 1000


@dataclass(frozen=True)
class SweepResult:
    """`finished` is false if the run reached a limit; `failed` counts what could not be deleted."""

    deleted: int
    finished: bool
    failed: int = 0


def delete_idle(tables: Tables, days: int) -> None:
    """Raises RuntimeError if some could not be deleted, so that the invocation counts as failed."""
    idle_since = datetime.now(UTC) - timedelta(days=days)
    start = _FIRST_CHARACTERS[os.urandom(1)[0] % len(_FIRST_CHARACTERS)]
    sweep_result = sweep(tables, idle_since, start=start)
    continuation = "" if sweep_result.finished else "; the limit is reached, and the next run continues"
    logging.info("Deleted %d assistants idle since %s%s", sweep_result.deleted, idle_since, continuation)
    if sweep_result.failed:
        raise RuntimeError(
            f"{sweep_result.failed} idle assistants could not be deleted; the next run retries"
        )


_FIRST_CHARACTERS = string.digits + string.ascii_letters + "-_"


def sweep(
    tables: Tables,
    idle_since: datetime,
    *,
    start: str,
    max_deleted: int = MAX_DELETED,
    max_seconds: float = MAX_SECONDS,
) -> SweepResult:
    """Delete the assistants last written before `idle_since`, by id from `start` on, then those before it.

    `start` differs from run to run, so that runs that reach a limit do not always skip the same assistants.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 # tables/clients.py says why

    end = time.monotonic() + max_seconds
    deleted = failed = 0
    for assistant_id in conversations.idle_assistants(tables, idle_since, start):
        if deleted == max_deleted or time.monotonic() > end:
            return SweepResult(deleted, finished=False, failed=failed)
        try:
            deleted += _delete_if_idle(tables, assistant_id, idle_since)
        except AzureError:
            logging.exception("The idle assistant %s could not be deleted", assistant_id)
            failed += 1
    return SweepResult(deleted, finished=True, failed=failed)


def _delete_if_idle(tables: Tables, assistant_id: str, idle_since: datetime) -> bool:
    """False if the assistant is being written, or was written after the query."""

    def is_still_idle() -> bool:
        state = conversations.get_state(tables, assistant_id)
        return state is not None and state.last_updated_at < idle_since.strftime("%Y-%m-%dT%H:%M:%S")

    try:
        return lifecycle.delete(tables, assistant_id, only_if=is_still_idle)
    except LeaseConflictError:
        return False
