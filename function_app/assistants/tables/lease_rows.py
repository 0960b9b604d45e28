"""The rows of leases, in a table of the app: one for each assistant that is being written."""

import contextlib
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from assistants.tables.clients import Tables, insert_row

_ROW_KEY = "lease"
# `delete_ended` compares the times of two clocks.
_CLOCK_DIFFERENCE = timedelta(hours=1)


@dataclass(frozen=True)
class LeaseRow:
    """Durations are in seconds from the time at which the table service writes the row.

    `call_seconds`: how long a call of the extension may still write; 0 if there is none.
    `messages_before`: how many messages that call has read; None if its rows cannot be recognised.
    """

    assistant_id: str
    owner: str
    purpose: str
    seconds: float
    call_seconds: int = 0
    messages_before: int | None = None


@dataclass(frozen=True)
class StoredLease:
    """A row as read or written. Both times are those of the table service."""

    row: LeaseRow
    etag: str
    written_at: datetime
    server_time: datetime

    @property
    def seconds_left(self) -> float:
        return self.row.seconds - self._age

    @property
    def call_seconds_left(self) -> float:
        return self.row.call_seconds - self._age

    @property
    def _age(self) -> float:
        return max(0.0, (self.server_time - self.written_at).total_seconds())


def read(tables: Tables, assistant_id: str) -> StoredLease | None:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    dates: list[str] = []

    def keep_date(response: Any) -> None:
        dates.append(response.http_response.headers["Date"])

    try:
        row = tables.leases.get_entity(assistant_id, _ROW_KEY, raw_response_hook=keep_date)
    except ResourceNotFoundError:
        return None
    return StoredLease(
        LeaseRow(
            assistant_id,
            str(row["Owner"]),
            str(row["Purpose"]),
            row["Seconds"],
            row.get("CallSeconds", 0),
            row.get("MessagesBefore"),
        ),
        row.metadata["etag"],
        row.metadata["timestamp"],
        parsedate_to_datetime(dates[-1]),
    )


def insert(tables: Tables, row: LeaseRow) -> str | None:
    """The entity tag, or None if the row exists."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 # clients.py says why

    with contextlib.suppress(ResourceExistsError):
        return str(insert_row(tables.leases, _entity(row))["etag"])
    return None


def replace(tables: Tables, row: LeaseRow, etag: str) -> StoredLease | None:
    """None if the row has another entity tag or does not exist."""
    from azure.core import MatchConditions  # noqa: PLC0415 # clients.py says why
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError  # noqa: PLC0415 # as above

    with contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):
        response = tables.leases.update_entity(
            _entity(row), mode="replace", etag=etag, match_condition=MatchConditions.IfNotModified
        )
        return StoredLease(row, response["etag"], response["date"], response["date"])
    return None


def delete(tables: Tables, assistant_id: str, etag: str) -> bool:
    """False if the row has another entity tag or does not exist."""
    from azure.core import MatchConditions  # noqa: PLC0415 # clients.py says why
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError  # noqa: PLC0415 # as above

    with contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):
        tables.leases.delete_entity(
            assistant_id, _ROW_KEY, etag=etag, match_condition=MatchConditions.IfNotModified
        )
        return True
    return False


def delete_ended(tables: Tables, max_rows: int) -> None:
    """Delete expired leases that were not released: those of creates, and of instances that crashed."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    ended = tables.leases.query_entities(
        "ExpiresAt lt @before", parameters={"before": datetime.now(UTC) - _CLOCK_DIFFERENCE}
    )
    with contextlib.suppress(ResourceNotFoundError):  # the table does not exist yet
        for row in itertools.islice(ended, max_rows):
            delete(tables, str(row["PartitionKey"]), row.metadata["etag"])


def _entity(row: LeaseRow) -> dict[str, Any]:
    # For readers of the table and for `delete_ended`.
    expires_at = datetime.now(UTC) + timedelta(seconds=max(row.seconds, row.call_seconds))
    return {
        "PartitionKey": row.assistant_id,
        "RowKey": _ROW_KEY,
        "Owner": row.owner,
        "Purpose": row.purpose,
        "Seconds": row.seconds,
        "ExpiresAt": expires_at,
        **({"CallSeconds": row.call_seconds} if row.call_seconds else {}),
        **({} if row.messages_before is None else {"MessagesBefore": row.messages_before}),
    }
