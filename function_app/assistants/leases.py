"""One writer at a time for each assistant, by a row in a table of the app's own.

The extension writes a conversation without any: of two posts at once both pay for the model and
one is lost (azure-functions-openai-extension, AssistantService.cs: both add the same row key).
"""

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assistants.storage import insert

LEASE_SECONDS = 300
"""Longer than the 230 s that Azure's front end gives a request, so that a lease outlives its own."""

CLAIM_SECONDS = 30
"""For a create that must not replace: from its check until the extension has written the rows."""

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


def acquire(table: Any, assistant_id: str) -> Lease | Held:
    """The right to write until `release`, or until LEASE_SECONDS have passed.

    Only for an assistant that exists, or to delete: a claim to create gives way.
    """
    return _take(table, assistant_id, _POST, LEASE_SECONDS)


def claim(table: Any, assistant_id: str) -> Lease | Held:
    """The right to create, which nobody else has for CLAIM_SECONDS unless the assistant is there before."""
    return _take(table, assistant_id, _CLAIM, CLAIM_SECONDS)


def held(table: Any, assistant_id: str) -> Held | None:
    """Whether somebody is writing, without becoming a writer."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # storage.py says why

    try:
        return _held(table.get_entity(assistant_id, _ROW), _POST)
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


def _take(table: Any, assistant_id: str, purpose: str, seconds: int) -> Lease | Held:
    from azure.core import MatchConditions  # noqa: PLC0415 # storage.py says why
    from azure.core.exceptions import (  # noqa: PLC0415 # as above
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
    )

    row = {
        "PartitionKey": assistant_id,
        "RowKey": _ROW,
        "Owner": os.urandom(16).hex(),
        "Purpose": purpose,
        "ExpiresAt": datetime.now(UTC) + timedelta(seconds=seconds),
    }
    try:
        return Lease(assistant_id, insert(table, row)["etag"])
    except ResourceExistsError:
        pass
    try:
        found = table.get_entity(assistant_id, _ROW)
        if found.get("Owner") == row["Owner"]:
            return Lease(assistant_id, found.metadata["etag"])  # a retry found the row of its first try
        if other := _held(found, purpose):
            return other
        taken = table.update_entity(
            row, mode="replace", etag=found.metadata["etag"], match_condition=MatchConditions.IfNotModified
        )
        return Lease(assistant_id, taken["etag"])
    except (ResourceModifiedError, ResourceNotFoundError):
        return Held(1)  # given back, or taken over by another, between two of the calls above


def _held(row: Any, purpose: str) -> Held | None:
    left = (row["ExpiresAt"] - datetime.now(UTC)).total_seconds()
    # Who posts or deletes has seen that the assistant is there, so its create is over.
    if left <= 0 or (purpose == _POST and row.get("Purpose") == _CLAIM):
        return None
    return Held(max(1, min(_RETRY_SECONDS, round(left))))
