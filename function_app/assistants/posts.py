"""Posts a message: takes the lease, calls the bound function, and reads from the rows what became of it.

The extension's `assistantPost` is an input binding: it reads, asks the model and writes before any Python
runs, answers whatever goes wrong by a bare 500, and loses one of two posts at once. So a post comes to a
function without a binding, which calls the one that has it (`RunAssistant`) under a lease.
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

# Docs: Azure OpenAI quotas and limits, "Maximum size of messages array". The service answers 400 beyond it.
_MAX_MODEL_MESSAGES = 2048


class Reason(Enum):
    """Why there is no reply, beside the outcome of the call and what the model answers."""

    CANNOT_CONTINUE = "the conversation can never go on"
    DELETED = "the assistant was deleted while the message was posted"
    OVERWRITTEN = "another request wrote the conversation"
    ROWS_UNREADABLE = "the rows could not be read after the call"
    UNEXPLAINED = "the call failed and the model was not asked"


@dataclass(eq=False)
class PostError(Exception):
    """Why there is no reply: `routes/post.py` has a problem for each `reason`.

    `message_stored` is None where that is not known. `value` is what the problem's text names.
    `retry_after`: the model's own, in seconds. `locked_until`: until then, in UTC and at the latest, the
    message may be stored.
    """

    reason: Reason | Outcome | Cause
    message_stored: bool | None = False
    value: object = ""
    retry_after: int | None = None
    locked_until: datetime | None = None


@dataclass
class PostLog:
    """What the log gets of a post: never a text or a key."""

    assistant_id: str = ""
    call: CallResult | None = None
    model: ModelAnswer | None = None
    message_stored: bool | None = False
    failures: list[tuple[str, Exception]] = field(default_factory=list[tuple[str, Exception]])
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class PostRequest:
    """`key`: that of the caller, "" where the host asks for none. `context_tokens`: 0 = not known."""

    assistant_id: str
    message: str = field(repr=False)
    key: str = field(repr=False)
    context_tokens: int = 0


@dataclass(frozen=True)
class Exchange:
    """What one message has added, and the state behind it."""

    state: State
    messages: Sequence[Message]

    @property
    def reply(self) -> str:
        """The last message of the assistant that is not empty; one that only calls tools is."""
        replies = [message.content for message in self.messages if message.role == "Assistant"]
        return next((text for text in reversed(replies) if text), "")


@dataclass(frozen=True)
class Services:
    """What a post needs beside the request.

    `run` calls the bound function with assistant id, message and key. `ask_model` returns what the model
    itself answers, None where it was not asked.
    """

    tables: Tables
    run: Callable[[str, str, str], CallResult]
    ask_model: Callable[[], ModelAnswer | None] = lambda: None


def exchange(services: Services, request: PostRequest, log: PostLog) -> Exchange:
    """Post a message to a conversation that nobody else writes meanwhile.

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
        # Again, since somebody may have written, begun it anew or deleted it before the lease.
        before, rows = conversations.exchange_after(tables, assistant_id, known.total_messages)
        if before is None:
            raise AssistantNotFoundError(assistant_id)
        _check_before_call(before, rows)
        locked_until = lease.start_call(before)
        # What has not answered may still write: then nobody else writes until its rows are there.
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
            log.failures.append((f"The lease of {assistant_id} is not released and ends by itself", error))


def _check_before_call(before: State, rows: Sequence[Message]) -> None:
    """Raises PostError for a conversation that cannot go on, before the model is asked."""
    last = conversations.row_key(before.total_messages)
    if stray := [row.row_key for row in rows if row.row_key > last]:
        # A key of the next rows is taken, or an answer among these would be given for the next one.
        clause = f"{stray[0]} lies behind {last}, the last message that its state counts"
        raise PostError(Reason.CANNOT_CONTINUE, value=clause)
    if before.total_messages >= _MAX_MODEL_MESSAGES:
        clause = (
            f"it has {before.total_messages} messages, and with a new one no model takes more than"
            f" {_MAX_MODEL_MESSAGES}"
        )
        raise PostError(Reason.CANNOT_CONTINUE, value=clause)


def _read_exchange(
    request: PostRequest, before: State, call: CallResult, tables: Tables, log: PostLog
) -> Exchange | None:
    """What the call has written: all rows of an exchange are written in one transaction, or none.

    Raises PostError where another request has written.
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
        # Who comes next may have written since.
        end = next((index for index, row in enumerate(rows) if index and row.role == "User"), len(rows))
        return Exchange(state, rows[:end])
    raise PostError(Reason.OVERWRITTEN)


def _why_failed(
    request: PostRequest, before: State, messages: Sequence[Message], services: Services, log: PostLog
) -> PostError:
    """Why the binding failed: by the rows where they show it, else by what the model itself answers."""
    if clause := history.why_no_reply_is_possible(messages):
        return PostError(Reason.CANNOT_CONTINUE, value=clause)
    answer = log.model = services.ask_model()
    too_long = _too_long(request, before)
    if too_long and (answer is None or answer.cause is Cause.WELL):
        return PostError(Reason.CANNOT_CONTINUE, value=too_long)
    if answer is None:
        return PostError(Reason.UNEXPLAINED)
    return PostError(answer.cause, retry_after=answer.retry_after)


def _too_long(request: PostRequest, before: State) -> str | None:
    """Whether the failure can be that of a history that no model takes, which never passes."""
    # A round of one tool call asks the model with the message, the call and its result behind the history.
    if before.total_messages + 3 > _MAX_MODEL_MESSAGES:
        return (
            f"it has {before.total_messages} messages, and a model takes {_MAX_MODEL_MESSAGES} with those"
            " that the new one and its tool calls add"
        )
    # The state has the tokens of the last call. Those of the message are estimated: four bytes each.
    tokens = before.total_tokens + len(request.message.encode()) // 4
    if request.context_tokens and tokens > request.context_tokens:
        return f"with the new message it has {tokens} tokens, and the model takes {request.context_tokens}"
    return None
