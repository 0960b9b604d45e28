"""Why a request is not carried out. `routes/responses.py` has the problem document of each."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False)
class DomainError(Exception):
    assistant_id: str


class AssistantNotFoundError(DomainError):
    pass


class AssistantExistsError(DomainError):
    """A create that must not replace an assistant."""


@dataclass(eq=False)
class LeaseConflictError(DomainError):
    """Another request may write the assistant.

    `retry_after` is in seconds. `locked_until` is the latest time, in UTC, at which that ends.
    `call_pending`: not a request that runs, but a call of the extension that got no answer and may still
    write.
    """

    retry_after: int
    locked_until: datetime
    call_pending: bool = False


class LeaseLostError(LeaseConflictError):
    """The lease ended before it was renewed, or another request was faster: it has just begun to write."""
