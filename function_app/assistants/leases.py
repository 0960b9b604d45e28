"""One writer at a time for each assistant, by a row in a table of the app's own.

The extension writes a conversation without any: of two posts at once both pay for the model and
one is lost, of two creates one fails, and a create beside a post leaves rows that no state counts
(azure-functions-openai-extension, AssistantService.cs).
"""

import contextlib
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assistants import conversations
from assistants.conversations import State
from assistants.storage import Tables, insert

LEASE_SECONDS = 300
"""Longer than the 230 s that Azure's front end gives a request, so that a lease outlives its own."""

CLAIM_SECONDS = 30
"""For a create: from its check until the extension has written the rows, which takes well under a second."""

_ROW = "lease"
_POST, _CLAIM = "post", "create"
# Most posts take a few seconds: a client that waits for the whole lease would wait for nothing.
_RETRY_SECONDS = 5


@dataclass(frozen=True)
class Lease:
    assistant_id: str
    etag: str


@dataclass(frozen=True)
class Held:
    """Somebody else's; `retry_after` is in seconds."""

    retry_after: int


def acquire(tables: Tables, assistant_id: str, state: State | None = None) -> Lease | Held:
    """The right to write until `release`, or until LEASE_SECONDS have passed.

    `state` is what the caller has read just before, if it has.
    """
    return _take(tables, assistant_id, state, _POST, LEASE_SECONDS)


def claim(tables: Tables, assistant_id: str, state: State | None = None) -> Lease | Held:
    """The right to create, until there is a state from after the claim, or CLAIM_SECONDS have passed.

    Nobody gives it back: the extension writes the rows when the code that took it has returned.
    """
    return _take(tables, assistant_id, state, _CLAIM, CLAIM_SECONDS)


def held(table: Any, assistant_id: str) -> Held | None:
    """Who may be writing, for a caller that has found no state."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # storage.py says why

    try:
        return _unended(table.get_entity(assistant_id, _ROW))
    except ResourceNotFoundError:
        return None


def release(table: Any, lease: Lease) -> None:
    """Give it back, unless it ended and somebody else has it by now."""
    from azure.core import MatchConditions  # noqa: PLC0415 # storage.py says why
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError  # noqa: PLC0415 # as above

    with contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):
        table.delete_entity(
            lease.assistant_id, _ROW, etag=lease.etag, match_condition=MatchConditions.IfNotModified
        )


def remove_ended(table: Any, most: int) -> None:
    """Delete what nobody gives back: after a create without a post, or an instance that died."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # storage.py says why

    ended = table.query_entities("ExpiresAt lt @now", parameters={"now": datetime.now(UTC)})
    with contextlib.suppress(ResourceNotFoundError):  # there is no table yet
        for row in itertools.islice(ended, most):
            release(table, Lease(str(row["PartitionKey"]), row.metadata["etag"]))


def _take(tables: Tables, assistant_id: str, state: State | None, purpose: str, seconds: int) -> Lease | Held:
    from azure.core import MatchConditions  # noqa: PLC0415 # storage.py says why
    from azure.core.exceptions import (  # noqa: PLC0415 # as above
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
    )

    table = tables.leases
    row = {
        "PartitionKey": assistant_id,
        "RowKey": _ROW,
        "Owner": os.urandom(16).hex(),
        "Purpose": purpose,
        "ExpiresAt": datetime.now(UTC) + timedelta(seconds=seconds),
    }
    # Where nobody has posted, the row of the create is most likely still there: no insert can succeed.
    created_only = state is not None and state.total_messages <= 1
    for attempt in range(2):
        if attempt or not created_only:
            with contextlib.suppress(ResourceExistsError):
                return Lease(assistant_id, insert(table, row)["etag"])
        # Given back, or taken over by another, between two of the calls.
        with contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):
            found = table.get_entity(assistant_id, _ROW)
            if found.get("Owner") == row["Owner"]:
                # The SDK's retry of an insert or update found the row of the first try.
                return Lease(assistant_id, found.metadata["etag"])
            if other := _held(tables, found, state):
                return other
            taken = table.update_entity(
                row,
                mode="replace",
                etag=found.metadata["etag"],
                match_condition=MatchConditions.IfNotModified,
            )
            return Lease(assistant_id, taken["etag"])
    return Held(1)


def _held(tables: Tables, row: Any, state: State | None) -> Held | None:
    found = _unended(row)
    return None if found and row["Purpose"] == _CLAIM and _has_created(tables, row, state) else found


def _unended(row: Any) -> Held | None:
    left = (row["ExpiresAt"] - datetime.now(UTC)).total_seconds()
    return Held(max(1, min(_RETRY_SECONDS, round(left)))) if left > 0 else None


def _has_created(tables: Tables, row: Any, state: State | None) -> bool:
    """Whether the rows of this claim are written: one instance has set both times, by one clock."""
    state = state or conversations.get_state(tables.chat_state, row["PartitionKey"])
    return state is not None and state.created_after(row["ExpiresAt"] - timedelta(seconds=CLAIM_SECONDS))
