"""A timer that deletes leases that ended, and assistants that were idle for longer than the settings say."""

import logging
import os
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func

from assistants import conversations, leases
from assistants.checks import ID
from assistants.leases import Held
from assistants.settings import Settings
from assistants.storage import Tables

# Within the ten minutes that the shortest plan gives a function, and what one run may do at most.
MAX_SECONDS = 240.0
MAX_DELETED = 1000
MAX_LEASES = 5000


@dataclass(frozen=True)
class Swept:
    """`finished` is false where the run came to one of its limits: the next one goes on."""

    deleted: int
    finished: bool


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    timers = func.Blueprint()

    # Declared also where retention is off: a deployment waits for every function that the code declares.
    @timers.function_name("RemoveIdleAssistants")
    @timers.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def remove_idle_assistants(timer: func.TimerRequest) -> None:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        del timer
        leases.remove_ended(tables.leases, MAX_LEASES)
        if not settings.retention_days:
            return
        idle_since = datetime.now(UTC) - timedelta(days=settings.retention_days)
        swept = sweep(tables, idle_since, start=_FIRST_CHARACTERS[os.urandom(1)[0] % len(_FIRST_CHARACTERS)])
        more = "" if swept.finished else "; there are more, for the next run"
        logging.info("Deleted %d assistants idle since %s%s", swept.deleted, idle_since, more)

    return timers


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
    end = time.monotonic() + max_seconds
    deleted = 0
    for assistant_id in _idle(tables.chat_state, idle_since, start):
        if deleted == max_deleted or time.monotonic() > end:
            return Swept(deleted, finished=False)
        deleted += _remove_if_idle(tables, assistant_id, idle_since)
    return Swept(deleted, finished=True)


def _idle(table: Any, idle_since: datetime, start: str) -> Iterator[str]:
    for part in ("PartitionKey ge @start", "PartitionKey lt @start"):
        # Read by the service from end to end: once a day, and only the rows that are wanted come back.
        for row in table.query_entities(
            f"{part} and RowKey eq @state and LastUpdatedAt lt @since",
            parameters={"start": start, "state": conversations.STATE, "since": idle_since},
            select=["PartitionKey"],
        ):
            if ID.fullmatch(str(row["PartitionKey"])):
                yield str(row["PartitionKey"])


def _remove_if_idle(tables: Tables, assistant_id: str, idle_since: datetime) -> bool:
    """Whoever writes just now is not idle, nor is who has written since the query."""
    lease = leases.acquire(tables, assistant_id)
    if isinstance(lease, Held):
        return False
    try:
        state = conversations.get_state(tables.chat_state, assistant_id)
        if state is None or state.last_updated_at >= idle_since.strftime("%Y-%m-%dT%H:%M:%S"):
            return False
        conversations.delete(tables.chat_state, assistant_id)
    finally:
        leases.release(tables.leases, lease)
    return True
