"""One writer at a time for each assistant, by a row in a table of the app's own.

The extension takes no lock of any kind: of two posts at once both pay for the model and one is lost, of
two creates one fails, and a create beside a post leaves rows that no state counts
(azure-functions-openai-extension, AssistantService.cs).

A lease is short, and its holder renews it while it works, so that a holder that died frees the assistant
within LEASE_SECONDS. A post is the exception. Once it has called the extension, nobody can stop that call:
it tries the model again and again and then writes its rows without looking whether the conversation is still
the one that it has read (the last PATCH has no If-Match). So its row also says that a call is pending. Until
the rows of that call are there, or PENDING_CALL_SECONDS have passed, no request replaces or deletes the
conversation. Another post may go on after CALL_SECONDS: of two calls that have read the same conversation
the table service takes the rows of one only.

All times are those of the table service (the `Timestamp` of a row and the `Date` of an answer), since the
clocks of two instances may differ.
"""

import contextlib
import itertools
import logging
import math
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from assistants.tables import conversations
from assistants.tables.clients import Tables, insert
from assistants.tables.conversations import State

LEASE_SECONDS = 30
"""Of a write, unless it is renewed; of a create, until the extension has written the rows."""

CALL_SECONDS = 230
"""Of a post that has called the extension: as long as Azure's front end waits for an answer."""

PENDING_CALL_SECONDS = 4 * 3600
"""The longest that a call of the extension can take until it writes.

The extension stops at 50 new rows, which 26 answers of the model with one tool call each exceed. Each answer
takes at most 4 tries of 100 s with 5.6 s between them, and so does each of the two requests to the table:
28 x 406 s are 3 h 10 min. The rest is for skills (recordings of the extension a6289e6; AssistantService.cs).
"""

_ROW = "lease"
_RENEW_AFTER_SECONDS = 10
# Most posts take a few seconds: a client that waited for the whole lease would wait for nothing.
_MOST_RETRY_SECONDS = 5
_RETRY_PENDING_SECONDS = 60
# The nightly removal compares times of two clocks.
_CLOCK_DIFFERENCE = timedelta(hours=1)
# Versions before this one wrote no `Seconds`.
_SECONDS_OF_OLD_ROWS = 300


class Purpose(StrEnum):
    """`PENDING` is no lease: it keeps what is known of a call that may still write."""

    WRITE = "write"
    CREATE = "create"
    POST = "post"
    CALL = "call"
    PENDING = "pending"


@dataclass(frozen=True)
class LeaseConflict:
    """Another request may write the assistant.

    `retry_after` is in seconds. `locked_until` is the latest time, in UTC, at which that ends.
    `call_pending`: not a request that runs, but a call of the extension that was lost and may still write.
    """

    retry_after: int
    locked_until: datetime
    call_pending: bool = False


class LeaseLostError(Exception):
    """The lease ended before it was renewed, and another request may have it."""


@dataclass(frozen=True)
class _PendingCall:
    """`messages_before`: how many messages the call has read; None where its rows can't be recognised."""

    seconds_left: float
    messages_before: int | None

    def has_written(self, state: State | None) -> bool:
        return (
            state is not None
            and self.messages_before is not None
            and state.total_messages > self.messages_before
        )


class Lease:
    """The right to write one assistant. Renew it between steps, and release it at the end."""

    def __init__(self, table: Any, row: dict[str, Any], etag: str, earlier_call: _PendingCall | None) -> None:
        self.assistant_id = str(row["PartitionKey"])
        self._table = table
        self._row = row
        self._etag = etag
        self._renewed = self._taken = time.monotonic()
        self._earlier_call = earlier_call

    def renew_if_due(self) -> None:
        """Raises LeaseLostError where another request has taken it over."""
        if time.monotonic() - self._renewed >= _RENEW_AFTER_SECONDS:
            self.renew()

    def renew(self) -> None:
        """Raises LeaseLostError where another request has taken it over."""
        self._write(_timed(self._row, LEASE_SECONDS))

    def start_call(self, before: State) -> datetime:
        """To be called right before the extension is: from then on its rows may come at any time.

        `before` is what the lease's holder has read. Returns the latest time, in UTC, at which they may come.
        Raises LeaseLostError.
        """
        if self._earlier_call and self._earlier_call.has_written(before):
            self._earlier_call = None
        messages_before = {"MessagesBefore": before.total_messages}
        if self._earlier_call:
            # Two calls that have read the same conversation write the same rows: whose they are is unknown.
            self._earlier_call = replace(self._earlier_call, messages_before=None)
            messages_before = {}
        self._row = {**self._row, "Purpose": Purpose.CALL, **messages_before}
        server_time = self._write(_timed(self._row, CALL_SECONDS, PENDING_CALL_SECONDS))
        return server_time + timedelta(seconds=PENDING_CALL_SECONDS)

    def release(self) -> Exception | None:
        """Give it back, unless another request has it by now. What is known of an earlier call stays.

        Returns the storage's failure instead of raising it: the lease ends by itself, and what its holder has
        done stays done. The caller logs it.
        """
        from azure.core.exceptions import (  # noqa: PLC0415 # tables/clients.py says why
            AzureError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        try:
            if self._earlier_call:
                self._write(_pending_row(self._row, self._earlier_call, time.monotonic() - self._taken))
                return None
            try:
                _delete(self._table, self.assistant_id, self._etag)
            except ResourceModifiedError:
                # An update whose answer was lost has changed the entity tag, or another request has it.
                existing = _read(self._table, self.assistant_id)
                if existing and existing.owner == self._row["Owner"]:
                    _delete(self._table, self.assistant_id, existing.etag)
        except (LeaseLostError, ResourceModifiedError, ResourceNotFoundError):
            return None
        except AzureError as error:
            return error
        return None

    def _write(self, row: dict[str, Any]) -> datetime:
        """Returns the table service's time."""
        from azure.core import MatchConditions  # noqa: PLC0415 # tables/clients.py says why
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError  # noqa: PLC0415 # as above

        started = time.monotonic()
        try:
            written = self._table.update_entity(
                row, mode="replace", etag=self._etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            # The SDK repeats an update whose answer was lost, and then finds its own row.
            found = _read(self._table, self.assistant_id)
            if found is None or found.owner != row["Owner"] or found.purpose != row["Purpose"]:
                raise LeaseLostError(row["PartitionKey"]) from error
            self._etag, server_time = found.etag, found.server_time
        else:
            self._etag, server_time = written["etag"], written["date"]
        self._renewed = started
        return server_time


@dataclass(frozen=True)
class _LeaseRow:
    """A row as it was read; the seconds are what is left of them by the table service's clock."""

    owner: str
    purpose: str
    etag: str
    seconds_left: float
    call: _PendingCall | None
    written_at: datetime
    server_time: datetime


def acquire(
    tables: Tables, assistant_id: str, purpose: Purpose, state: State | None = None
) -> Lease | LeaseConflict:
    """The right to write until `release`, or until LEASE_SECONDS have passed without a renewal.

    `purpose` is WRITE, CREATE or POST. Nobody releases the lease of a create, since the extension writes the
    rows when the code that has it has returned: it ends when there is a state from after it.
    `state` is what the caller has read just before, if it has.
    """
    from azure.core import MatchConditions  # noqa: PLC0415 # tables/clients.py says why
    from azure.core.exceptions import (  # noqa: PLC0415 # as above
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
    )

    table = tables.leases
    owner = os.urandom(16).hex()
    row = {"PartitionKey": assistant_id, "RowKey": _ROW, "Owner": owner, "Purpose": purpose}
    row = _timed(row, LEASE_SECONDS)
    # Where nobody has posted, the row of the create is most likely still there: no insert can succeed.
    skip_insert = state is not None and state.total_messages <= 1
    earlier_call: _PendingCall | None = None
    for _ in range(2):
        if not skip_insert:
            with contextlib.suppress(ResourceExistsError):
                return Lease(table, row, insert(table, row)["etag"], None)
        skip_insert = False
        existing = _read(table, assistant_id)
        if existing is None:
            continue  # released since
        if existing.owner == owner:
            # The SDK's second try of an insert or update found the row of the first.
            return Lease(table, row, existing.etag, earlier_call)
        earlier_call, conflict = _judge(tables, assistant_id, existing, purpose, state)
        if conflict:
            return conflict
        try:
            taken = table.update_entity(
                row, mode="replace", etag=existing.etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            continue  # released, or taken over by another, between two of the calls
        return Lease(table, row, taken["etag"], earlier_call)
    return lost_lease()


def release_and_log(lease: Lease) -> None:
    """For a function whose thread is the worker's own; what another thread logs does not arrive."""
    if error := lease.release():
        logging.warning("The lease of %s is not released and ends by itself: %r", lease.assistant_id, error)


def lost_lease() -> LeaseConflict:
    """For a caller to whom another request was faster. Its lease has just begun."""
    return LeaseConflict(1, datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS))


def create_in_progress(tables: Tables, assistant_id: str) -> LeaseConflict | None:
    """Who may be writing, for a caller that has found no state.

    Between the deletes and the insert of a create that replaces a conversation there is none.
    """
    row = _read(tables.leases, assistant_id)
    return None if row is None or row.seconds_left <= 0 else _lease_conflict(row, row.seconds_left)


def remove_ended(table: Any, most: int) -> None:
    """Delete what nobody releases: after a create without a post, or an instance that died."""
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError  # noqa: PLC0415 # tables/clients.py says why

    ended = table.query_entities(
        "ExpiresAt lt @before", parameters={"before": datetime.now(UTC) - _CLOCK_DIFFERENCE}
    )
    try:
        for row in itertools.islice(ended, most):
            with contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):  # it is in use again
                _delete(table, str(row["PartitionKey"]), row.metadata["etag"])
    except ResourceNotFoundError:
        pass  # there is no table yet


def _timed(row: dict[str, Any], seconds: int, call_seconds: int = 0) -> dict[str, Any]:
    """The row with its durations, which count from the time at which the table service writes it."""
    # For people, for `remove_ended`, and for instances that still run the version before this one.
    expires_at = datetime.now(UTC) + timedelta(seconds=max(seconds, call_seconds))
    call = {"CallSeconds": call_seconds} if call_seconds else {}
    return {**row, "Seconds": seconds, "ExpiresAt": expires_at, **call}


def _pending_row(row: dict[str, Any], call: _PendingCall, since: float) -> dict[str, Any]:
    """No lease, but what is known of a call; `since`: seconds that have passed since that was read."""
    kept = {name: row[name] for name in ("PartitionKey", "RowKey", "Owner")}
    messages_before = {} if call.messages_before is None else {"MessagesBefore": call.messages_before}
    left = max(1, math.ceil(call.seconds_left - since))
    return _timed({**kept, "Purpose": Purpose.PENDING, **messages_before}, 0, left)


def _delete(table: Any, assistant_id: str, etag: str) -> None:
    from azure.core import MatchConditions  # noqa: PLC0415 # tables/clients.py says why

    table.delete_entity(assistant_id, _ROW, etag=etag, match_condition=MatchConditions.IfNotModified)


def _read(table: Any, assistant_id: str) -> _LeaseRow | None:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # tables/clients.py says why

    dates: list[str] = []

    def keep_date(response: Any) -> None:
        dates.append(response.http_response.headers["Date"])

    try:
        row = table.get_entity(assistant_id, _ROW, raw_response_hook=keep_date)
    except ResourceNotFoundError:
        return None
    written_at, server_time = row.metadata["timestamp"], parsedate_to_datetime(dates[-1])
    age = max(0.0, (server_time - written_at).total_seconds())
    call = None
    if "CallSeconds" in row and (left := row["CallSeconds"] - age) > 0:
        call = _PendingCall(left, row.get("MessagesBefore"))
    return _LeaseRow(
        str(row["Owner"]),
        str(row["Purpose"]),
        row.metadata["etag"],
        row.get("Seconds", _SECONDS_OF_OLD_ROWS) - age,
        call,
        written_at,
        server_time,
    )


def _judge(
    tables: Tables, assistant_id: str, row: _LeaseRow, purpose: Purpose, state: State | None
) -> tuple[_PendingCall | None, LeaseConflict | None]:
    """The call that may still write, and why `purpose` has to wait."""
    if row.purpose == Purpose.CREATE and row.seconds_left > 0:
        state = state or conversations.get_state(tables.chat_state, assistant_id)
        written = state is not None and state.written_at is not None and state.written_at > row.written_at
        return None, None if written else _lease_conflict(row, row.seconds_left)
    if row.call is None:
        return None, _lease_conflict(row, row.seconds_left) if row.seconds_left > 0 else None
    if not row.call.has_written(state):
        state = conversations.get_state(tables.chat_state, assistant_id)
    if row.call.has_written(state):
        return None, None
    if row.seconds_left > 0:
        # Another post can go on when the lease has ended, other requests when the call has.
        longest = row.seconds_left if purpose is Purpose.POST else row.call.seconds_left
        return row.call, _lease_conflict(row, longest)
    if purpose is Purpose.POST:
        return row.call, None
    until = row.server_time + timedelta(seconds=math.ceil(row.call.seconds_left))
    return row.call, LeaseConflict(_RETRY_PENDING_SECONDS, until, call_pending=True)


def _lease_conflict(row: _LeaseRow, longest: float) -> LeaseConflict:
    return LeaseConflict(
        max(1, min(_MOST_RETRY_SECONDS, round(row.seconds_left))),
        row.server_time + timedelta(seconds=math.ceil(longest)),
    )
