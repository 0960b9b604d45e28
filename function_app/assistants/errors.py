"""Domain errors. `routes/responses.py` maps each to a problem document."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False)
class DomainError(Exception):
    assistant_id: str


class AssistantNotFoundError(DomainError):
    pass


class AssistantExistsError(DomainError):
    """The request must not replace an existing assistant."""


@dataclass(eq=False)
class LeaseConflictError(DomainError):
    """Another request may be writing the assistant.

    `retry_after` is in seconds. `locked_until` is the time, in UTC, at which the lock ends at the latest.
    `call_pending`: the lock belongs to a call of the extension without a result, which may still write.
    """

    retry_after: int
    locked_until: datetime
    call_pending: bool = False


class LeaseLostError(LeaseConflictError):
    """The lease expired before it was renewed, or another request acquired it first."""
