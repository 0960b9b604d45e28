"""The domain errors. `routes/responses.py` maps each to a problem document."""

from datetime import datetime


class DomainError(Exception):
    """Why a request cannot be carried out, whatever the protocol that it came by."""


class AssistantNotFoundError(DomainError):
    def __init__(self, assistant_id: str) -> None:
        super().__init__(assistant_id)
        self.assistant_id = assistant_id


class AssistantExistsError(DomainError):
    """A create that must not replace an assistant met one."""

    def __init__(self, assistant_id: str) -> None:
        super().__init__(assistant_id)
        self.assistant_id = assistant_id


class LeaseConflictError(DomainError):
    """Another request may write the assistant.

    `retry_after` is in seconds. `locked_until` is the latest time, in UTC, at which that ends.
    `call_pending`: not a request that runs, but a call of the extension that got no answer and may still
    write.
    """

    def __init__(
        self, assistant_id: str, retry_after: int, locked_until: datetime, *, call_pending: bool = False
    ) -> None:
        super().__init__(assistant_id)
        self.assistant_id = assistant_id
        self.retry_after = retry_after
        self.locked_until = locked_until
        self.call_pending = call_pending


class LeaseLostError(LeaseConflictError):
    """The lease ended before it was renewed, or another request was faster: it has just begun to write."""
