"""One writer at a time for each assistant, by a lease: a row in a table of the app.

The extension takes no lock: of two concurrent posts both pay for the model and one is lost, of two concurrent
creates one fails, and a create during a post leaves rows that the state does not count
(azure-functions-openai-extension, AssistantService.cs).

A lease is short, and its holder renews it while it works, so that the assistant of a holder that crashed is
free again within LEASE_SECONDS. A post is the exception: once it has called the extension, the call cannot be
stopped. The extension retries the model and then writes its rows without checking that the conversation is
unchanged (the last PATCH has no If-Match). So the row also records a pending call. Until the rows of that
call exist, or PENDING_CALL_SECONDS have passed, no request replaces or deletes the conversation. Another post
may start after CALL_SECONDS: of two calls that have read the same conversation, the table service accepts the
rows of only one.

All times are those of the table service (the `Timestamp` of a row and the `Date` of a response), since the
clocks of two instances may differ.
"""

import logging
import math
import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from assistants.errors import LeaseConflictError, LeaseLostError
from assistants.tables import conversations, lease_rows
from assistants.tables.clients import Tables
from assistants.tables.conversations import State
from assistants.tables.lease_rows import LeaseRow, StoredLease

LEASE_SECONDS = 30
"""The lease of a write, until it is renewed, and of a create, until the rows are written."""

CALL_SECONDS = 230
"""The lease of a post that has called the extension: the timeout of Azure's front end."""

PENDING_CALL_SECONDS = 4 * 3600
"""The maximum time until a call of the extension has written.

The extension stops at 50 new rows, which 26 answers of the model with one tool call each exceed. Each answer
takes at most 4 tries of 100 s with 5.6 s between them, and so does each of the two requests to the table:
28 x 406 s are 3 h 10 min. The rest is for skills (recordings of the extension a6289e6; AssistantService.cs).
"""

_RENEW_AFTER_SECONDS = 10
# Most posts take a few seconds: waiting for the whole lease would be too long.
_MAX_RETRY_SECONDS = 5
_RETRY_PENDING_SECONDS = 60


class Purpose(StrEnum):
    """`PENDING` is no lease: the row only records a call that may still write."""

    WRITE = "write"
    CREATE = "create"
    POST = "post"
    CALL = "call"
    PENDING = "pending"


@dataclass(frozen=True)
class _PendingCall:
    """`messages_before`: how many messages the call has read; None if its rows cannot be recognised."""

    seconds_left: float
    messages_before: int | None

    def has_written(self, state: State | None) -> bool:
        return (
            state is not None
            and self.messages_before is not None
            and state.total_messages > self.messages_before
        )


class Lease:
    """The exclusive right to write one assistant. Renew it between steps and release it at the end."""

    def __init__(self, tables: Tables, row: LeaseRow, etag: str, earlier_call: _PendingCall | None) -> None:
        self.assistant_id = row.assistant_id
        self._tables = tables
        self._row = row
        self._etag = etag
        self._renewed = self._acquired = time.monotonic()
        self._earlier_call = earlier_call

    def renew_if_due(self) -> None:
        """Raises LeaseLostError if another request has taken it over."""
        if time.monotonic() - self._renewed >= _RENEW_AFTER_SECONDS:
            self.renew()

    def renew(self) -> None:
        """Raises LeaseLostError if another request has taken it over."""
        self._write(replace(self._row, seconds=LEASE_SECONDS))

    def start_call(self, before: State) -> datetime:
        """Record the call that follows: the extension may write its rows at any time from then on.

        `before` is the state that the call will read. Returns the latest time, in UTC, at which it may write.
        Raises LeaseLostError.
        """
        if self._earlier_call and self._earlier_call.has_written(before):
            self._earlier_call = None
        messages_before: int | None = before.total_messages
        if self._earlier_call:
            # Two calls that have read the same conversation write the same rows, which cannot be told apart.
            self._earlier_call = replace(self._earlier_call, messages_before=None)
            messages_before = None
        self._row = replace(self._row, purpose=Purpose.CALL, messages_before=messages_before)
        server_time = self._write(replace(self._row, seconds=CALL_SECONDS, call_seconds=PENDING_CALL_SECONDS))
        return server_time + timedelta(seconds=PENDING_CALL_SECONDS)

    def release(self) -> Exception | None:
        """Release it, unless another request has it by now. The record of an earlier call is kept.

        Returns an error of the storage instead of raising it, for the caller to log: the lease expires by
        itself, and the work of its holder is done.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 # tables/clients.py says why

        try:
            if self._earlier_call:
                self._write(self._pending_row(self._earlier_call))
            elif not lease_rows.delete(self._tables, self.assistant_id, self._etag):
                # A lost response has hidden the new entity tag, or the lease was taken over.
                stored = lease_rows.read(self._tables, self.assistant_id)
                if stored and stored.row.owner == self._row.owner:
                    lease_rows.delete(self._tables, self.assistant_id, stored.etag)
        except LeaseLostError:
            return None
        except AzureError as error:
            return error
        return None

    def _pending_row(self, call: _PendingCall) -> LeaseRow:
        """The record of an earlier call, without a lease."""
        seconds_left = max(1, math.ceil(call.seconds_left - (time.monotonic() - self._acquired)))
        return LeaseRow(
            self.assistant_id, self._row.owner, Purpose.PENDING, 0, seconds_left, call.messages_before
        )

    def _write(self, row: LeaseRow) -> datetime:
        """Returns the table service's time."""
        started = time.monotonic()
        stored = lease_rows.replace(self._tables, row, self._etag)
        if stored is None:
            # The SDK repeats an update whose response was lost, and then meets its own row.
            stored = lease_rows.read(self._tables, self.assistant_id)
            if stored is None or (stored.row.owner, stored.row.purpose) != (row.owner, row.purpose):
                raise lost_lease(self.assistant_id)
        self._etag = stored.etag
        self._renewed = started
        return stored.server_time


def acquire(tables: Tables, assistant_id: str, purpose: Purpose, state: State | None = None) -> Lease:
    """A lease that lasts until `release`, or for LEASE_SECONDS without a renewal.

    `purpose` is WRITE, CREATE or POST. The lease of a create is not released, since the extension writes the
    rows after its holder has returned: it ends when a newer state exists.
    `state` is the state that the caller has just read, if any. Raises LeaseConflictError.
    """
    row = LeaseRow(assistant_id, os.urandom(16).hex(), purpose, LEASE_SECONDS)
    # Without a post so far, the row of the create most likely still exists, and an insert would fail.
    skip_insert = state is not None and state.total_messages <= 1
    earlier_call: _PendingCall | None = None
    for _ in range(2):
        if not skip_insert and (etag := lease_rows.insert(tables, row)) is not None:
            return Lease(tables, row, etag, None)
        skip_insert = False
        stored = lease_rows.read(tables, assistant_id)
        if stored is None:
            continue  # released meanwhile
        if stored.row.owner == row.owner:
            # The SDK's retry of an insert or update met the row of the first attempt.
            return Lease(tables, row, stored.etag, earlier_call)
        earlier_call = _pending_call(tables, stored, purpose, state)
        if stored := lease_rows.replace(tables, row, stored.etag):
            return Lease(tables, row, stored.etag, earlier_call)
        # Released or taken over since it was read.
    raise lost_lease(assistant_id)


def release_and_log(lease: Lease) -> None:
    """For functions that run in a thread of the worker; records of other threads are dropped."""
    if error := lease.release():
        logging.warning(
            "The lease of %s could not be released and will expire: %r", lease.assistant_id, error
        )


def lost_lease(assistant_id: str) -> LeaseLostError:
    """The error for a caller whose lease another request has just acquired."""
    return LeaseLostError(assistant_id, 1, datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS))


def ensure_not_leased(tables: Tables, assistant_id: str) -> None:
    """For a caller that found no state. Raises LeaseConflictError.

    A create that replaces a conversation deletes the state before it inserts the new one.
    """
    stored = lease_rows.read(tables, assistant_id)
    if stored and stored.seconds_left > 0:
        raise _conflict(stored, stored.seconds_left)


def post_locked_until(tables: Tables, assistant_id: str) -> datetime | None:
    """Until when, at the latest, another request makes a post wait. None if a post could start now."""
    stored = lease_rows.read(tables, assistant_id)
    if stored is None or stored.seconds_left <= 0:
        return None
    try:
        _pending_call(tables, stored, Purpose.POST, None)
    except LeaseConflictError as error:
        return error.locked_until
    return None


def _pending_call(
    tables: Tables, stored: StoredLease, purpose: Purpose, state: State | None
) -> _PendingCall | None:
    """The call that may still write. Raises LeaseConflictError if `purpose` has to wait."""
    assistant_id, seconds_left = stored.row.assistant_id, stored.seconds_left
    if stored.row.purpose == Purpose.CREATE and seconds_left > 0:
        state = state or conversations.get_state(tables, assistant_id)
        if state and state.written_at and state.written_at > stored.written_at:
            return None
        raise _conflict(stored, seconds_left)
    if stored.call_seconds_left <= 0:
        if seconds_left > 0:
            raise _conflict(stored, seconds_left)
        return None
    call = _PendingCall(stored.call_seconds_left, stored.row.messages_before)
    if not call.has_written(state):
        state = conversations.get_state(tables, assistant_id)
    if call.has_written(state):
        return None
    if seconds_left > 0:
        # Another post can start when the lease has expired, other requests when the call has ended.
        raise _conflict(stored, seconds_left if purpose is Purpose.POST else call.seconds_left)
    if purpose is Purpose.POST:
        return call
    locked_until = stored.server_time + timedelta(seconds=math.ceil(call.seconds_left))
    raise LeaseConflictError(assistant_id, _RETRY_PENDING_SECONDS, locked_until, call_pending=True)


def _conflict(stored: StoredLease, locked_seconds: float) -> LeaseConflictError:
    return LeaseConflictError(
        stored.row.assistant_id,
        max(1, min(_MAX_RETRY_SECONDS, round(stored.seconds_left))),
        stored.server_time + timedelta(seconds=math.ceil(locked_seconds)),
    )
