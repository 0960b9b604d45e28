"""Posts a message: acquires the lease, calls the bound function, and reads the outcome from the rows.

The extension's `assistantPost` is an input binding: it reads, calls the model and writes before any Python
runs, answers every failure with a 500 without a body, and loses one of two concurrent posts. So a post goes
to a function without the binding, which calls the one that has it (`RunAssistant`) while it holds a lease.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from assistants import history, leases
from assistants.binding_call import CallResult, Outcome
from assistants.errors import AssistantNotFoundError
from assistants.leases import Purpose
from assistants.model_probe import Cause, ModelAnswer
from assistants.tables import conversations
from assistants.tables.clients import Tables
from assistants.tables.conversations import Message, State

# Docs: Azure OpenAI quotas and limits, "Maximum size of messages array". The service answers 400 above it.
_MAX_MODEL_MESSAGES = 2048


class Reason(Enum):
    """Why there is no reply, other than the outcome of the call or the cause found by the model probe."""

    CANNOT_CONTINUE = "no further message can be posted to the conversation"
    CHANGED = "the conversation has another number of messages than the request requires"
    DELETED = "the assistant was deleted while the message was posted"
    OVERWRITTEN = "another request wrote the conversation"
    ROWS_UNREADABLE = "the rows could not be read after the call"
    UNEXPLAINED = "the call failed and the model was not probed"


@dataclass(eq=False)
class PostError(Exception):
    """Why there is no reply. `routes/post.py` maps each `reason` to a problem document.

    `message_stored` is None if that is not known. `value` is inserted into the problem's detail.
    `retry_after`: as sent by the model, in seconds. `locked_until`: the latest time, in UTC, at which the
    message may be stored.
    """

    reason: Reason | Outcome | Cause
    message_stored: bool | None = False
    value: object = ""
    retry_after: int | None = None
    locked_until: datetime | None = None


@dataclass
class PostLog:
    """What is logged of a post: never a text or a key."""

    assistant_id: str = ""
    call: CallResult | None = None
    model: ModelAnswer | None = None
    message_stored: bool | None = False
    failures: list[tuple[str, Exception]] = field(default_factory=list[tuple[str, Exception]])
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class PostRequest:
    """`key`: that of the caller, "" if the host requires none. `context_tokens`: 0 if not known.

    `max_messages`: the limit of the conversation, 0 for none. `total_messages`: how many it must have, so
    that of two equal requests only one is stored; None if that does not matter.
    """

    assistant_id: str
    message: str = field(repr=False)
    key: str = field(repr=False)
    context_tokens: int = 0
    max_messages: int = 0
    total_messages: int | None = None


@dataclass(frozen=True)
class Exchange:
    """The messages that one post has added, and the state after it."""

    state: State
    messages: Sequence[Message]

    @property
    def reply(self) -> str:
        """The last message of the assistant with a text; one that only calls tools has none."""
        replies = [message.content for message in self.messages if message.role == "Assistant"]
        return next((text for text in reversed(replies) if text), "")


@dataclass(frozen=True)
class Services:
    """The dependencies of a post.

    `run` calls the bound function with assistant id, message and key. `probe_model` returns the model's own
    answer, None if it was not probed.
    """

    tables: Tables
    run: Callable[[str, str, str], CallResult]
    probe_model: Callable[[], ModelAnswer | None] = lambda: None


def exchange(services: Services, request: PostRequest, log: PostLog) -> Exchange:
    """Post a message while holding the lease of the assistant.

    Raises AssistantNotFoundError and LeaseConflictError before anything is stored, and PostError.
    """
    tables, assistant_id = services.tables, request.assistant_id
    known = conversations.get_state(tables, assistant_id)
    if known is None:
        leases.ensure_not_leased(tables, assistant_id)
        raise AssistantNotFoundError(assistant_id)
    lease = leases.acquire(tables, assistant_id, Purpose.POST, known)
    keep_lease = False
    try:
        # Read again: the conversation may have changed before the lease was acquired.
        before, rows = conversations.exchange_after(tables, assistant_id, known.total_messages)
        if before is None:
            raise AssistantNotFoundError(assistant_id)
        _check_before_call(request, before, rows)
        locked_until = lease.start_call(before)
        # A call without a result may still write: then the lease stays until it expires.
        keep_lease, log.message_stored = True, None
        log.call = call = services.run(assistant_id, request.message, request.key)
        keep_lease = call.outcome is Outcome.INDETERMINATE
        if written := _read_exchange(request, before, call, tables, log):
            keep_lease = False
            return written
        if call.outcome is Outcome.FAILED:
            messages = list(conversations.messages_after(tables, assistant_id, ""))
            raise _why_failed(request, before, messages, services, log)
        if call.outcome is Outcome.INDETERMINATE:
            raise PostError(call.outcome, None, locked_until=locked_until)
        raise PostError(call.outcome, value=call.status)
    finally:
        if not keep_lease and (error := lease.release()):
            log.failures.append((f"The lease of {assistant_id} could not be released and will expire", error))


def _check_before_call(request: PostRequest, before: State, rows: Sequence[Message]) -> None:
    """Raises PostError for a conversation that cannot continue, before the model is called."""
    if request.total_messages not in (None, before.total_messages):
        raise PostError(Reason.CHANGED, value=before.total_messages)
    last_key = conversations.row_key(before.total_messages)
    if uncounted := [row.row_key for row in rows if row.row_key > last_key]:
        # The keys of the next rows may be in use, and a stored reply would be taken for the new one.
        clause = f"{uncounted[0]} comes after {last_key}, the last message that its state counts"
        raise PostError(Reason.CANNOT_CONTINUE, value=clause)
    if before.total_messages >= _MAX_MODEL_MESSAGES:
        clause = (
            f"it has {before.total_messages} messages, and with a new one no model accepts more than"
            f" {_MAX_MODEL_MESSAGES}"
        )
        raise PostError(Reason.CANNOT_CONTINUE, value=clause)
    if request.max_messages and before.total_messages + 2 > request.max_messages:
        clause = (
            f"it has {before.total_messages} messages, a post adds at least 2, and this app allows"
            f" {request.max_messages}"
        )
        raise PostError(Reason.CANNOT_CONTINUE, value=clause)


def _read_exchange(
    request: PostRequest, before: State, call: CallResult, tables: Tables, log: PostLog
) -> Exchange | None:
    """The exchange that the call has written. Its rows are written in one transaction, or not at all.

    Raises PostError if the rows cannot be read or another request has written.
    """
    try:
        state, rows = conversations.exchange_after(tables, request.assistant_id, before.total_messages)
    except Exception as error:
        log.failures.append(("The rows of the exchange cannot be read", error))
        stored = True if call.outcome is Outcome.DONE else None
        raise PostError(Reason.ROWS_UNREADABLE, stored) from error
    if state is None:
        raise PostError(Reason.DELETED, value=request.assistant_id)
    if not rows and state.created_at == before.created_at:
        return None
    if rows and rows[0].role == "User" and rows[0].content == request.message:
        # The next post may have written since.
        end = next((index for index, row in enumerate(rows) if index and row.role == "User"), len(rows))
        return Exchange(state, rows[:end])
    raise PostError(Reason.OVERWRITTEN)


def _why_failed(
    request: PostRequest, before: State, messages: Sequence[Message], services: Services, log: PostLog
) -> PostError:
    """Why the binding failed: from the rows if they show it, else from the answer of the model itself."""
    if clause := history.why_no_reply_is_possible(messages):
        return PostError(Reason.CANNOT_CONTINUE, value=clause)
    answer = log.model = services.probe_model()
    too_long = _too_long(request, before)
    if too_long and (answer is None or answer.cause is Cause.AVAILABLE):
        return PostError(Reason.CANNOT_CONTINUE, value=too_long)
    if answer is None:
        return PostError(Reason.UNEXPLAINED)
    return PostError(answer.cause, retry_after=answer.retry_after)


def _too_long(request: PostRequest, before: State) -> str | None:
    """A clause if the history exceeds the limits of the model, which is a permanent failure."""
    # With one tool call, the model gets the history, the message, the call and its result.
    if before.total_messages + 3 > _MAX_MODEL_MESSAGES:
        return (
            f"it has {before.total_messages} messages, and a model accepts {_MAX_MODEL_MESSAGES} with those"
            " that the new one and its tool calls add"
        )
    # The state has the tokens of the last call. Those of the message are estimated at four bytes each.
    tokens = before.total_tokens + len(request.message.encode()) // 4
    if request.context_tokens and tokens > request.context_tokens:
        return f"with the new message it has {tokens} tokens, and the model accepts {request.context_tokens}"
    return None
