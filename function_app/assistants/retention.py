"""A timer that deletes leases that ended, and assistants that were idle for longer than the settings say."""

import contextlib
import logging
import os
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func

from assistants import leases
from assistants.checks import ID
from assistants.routes.remove import remove
from assistants.settings import Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables

# Within the ten minutes that the shortest plan gives a function, and what one run may do at most.
MAX_SECONDS = 240.0
MAX_DELETED = 1000
MAX_LEASES = 5000


@dataclass(frozen=True)
class Swept:
    """`finished` is false where the run came to one of its limits; `failed` counts what it could not delete.

    Either way the next run goes on.
    """

    deleted: int
    finished: bool
    failed: int = 0


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    timers = func.Blueprint()

    # Declared also where retention is off: a deployment waits for every function that the code declares.
    @timers.function_name("RemoveIdleAssistants")
    @timers.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def remove_idle_assistants(timer: func.TimerRequest) -> None:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        del timer
        try:
            if settings.retention_days:
                _remove_idle(tables, settings.retention_days)
        finally:
            leases.remove_ended(tables.leases, MAX_LEASES)

    return timers


def _remove_idle(tables: Tables, days: int) -> None:
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
    for assistant_id in _idle(tables.chat_state, idle_since, start):
        if deleted == max_deleted or time.monotonic() > end:
            return Swept(deleted, finished=False, failed=failed)
        try:
            deleted += _remove_if_idle(tables, assistant_id, idle_since)
        except AzureError:
            logging.exception("The idle assistant %s could not be deleted", assistant_id)
            failed += 1
    return Swept(deleted, finished=True, failed=failed)


def _idle(table: Any, idle_since: datetime, start: str) -> Iterator[str]:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # tables/clients.py says why

    for part in ("PartitionKey ge @start", "PartitionKey lt @start"):
        # Read by the service from end to end: once a day, and only the rows that are wanted come back.
        rows = table.query_entities(
            f"{part} and RowKey eq @state and LastUpdatedAt lt @since",
            parameters={"start": start, "state": conversations.STATE, "since": idle_since},
            select=["PartitionKey"],
        )
        with contextlib.suppress(ResourceNotFoundError):  # there is no table yet
            for row in rows:
                if ID.fullmatch(str(row["PartitionKey"])):
                    yield str(row["PartitionKey"])


def _remove_if_idle(tables: Tables, assistant_id: str, idle_since: datetime) -> bool:
    """Whoever writes just now is not idle, nor is who has written since the query."""

    def is_still_idle() -> bool:
        state = conversations.get_state(tables.chat_state, assistant_id)
        return state is not None and state.last_updated_at < idle_since.strftime("%Y-%m-%dT%H:%M:%S")

    return remove(assistant_id, tables, only_if=is_still_idle) is True
