"""`POST /api/assistants/{id}/messages`, and the documentation's own `POST /api/assistants/{id}?message=`.

The extension's `assistantPost` is an input binding: it reads, asks the model and writes before any Python
runs, answers whatever goes wrong by a bare 500, and loses one of two posts at once. So both requests
come to a function without a binding, which checks, takes the lease and then calls the function that has
the binding (`RunAssistant`) over HTTP, as a client would. The rows show what became of it.
"""

import asyncio
import concurrent.futures
import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

import azure.functions as func

from assistants import checks, leases, model_probe, paths
from assistants.binding_call import Called, Outcome, run_assistant
from assistants.checks import Problem
from assistants.leases import LeaseConflict, LeaseLostError, Purpose
from assistants.model_probe import Cause, ModelAnswer
from assistants.routes import request_body
from assistants.routes.responses import bad_request, busy, failure, json_response, problem, utc_text
from assistants.settings import (
    CHAT_STATE_TABLE,
    MODEL_CONNECTION,
    STORAGE_CONNECTION,
    Settings,
    without_separator,
)
from assistants.tables import conversations
from assistants.tables.clients import Tables
from assistants.tables.conversations import Message, State

# A front waits for as long as the model takes. In the worker's own pool (a handful of threads) a few of
# them would leave no thread for the functions that they wait for: the skills.
_WAITING_THREADS = 64
_RETRY_MODEL_SECONDS = 10
_RETRY_ROLE_SECONDS = 60
# Docs: Azure OpenAI quotas and limits, "Maximum size of messages array". The service answers 400 beyond it.
_MAX_MODEL_MESSAGES = 2048
# The host answers every failure by the same 500 without a body, and no row tells them apart.
_SKILLS_MAY_HAVE_RUN = (
    " Skills that the model called may have run, and would run again: look before you send it again."
)
_NOT_THE_MODEL = (
    "What does not pass: a filter, a reply or a skill's result of more than"
    f" {checks.MAX_MESSAGE_UNITS} UTF-16 units, more than 99 new messages at once.{_SKILLS_MAY_HAVE_RUN}"
)
_MODEL_OR_STORAGE = (
    "The model or the storage refused, and only the app's log has the reason. Most often it is the model's"
    f" rate limit, which passes. {_NOT_THE_MODEL}"
)
_BY_CAUSE = {
    Cause.WELL: (
        503,
        "The model answers other requests: what failed has passed, or it lies in this conversation or in the"
        f" storage. {_NOT_THE_MODEL}",
        _RETRY_MODEL_SECONDS,
    ),
    Cause.RATE_LIMIT: (
        503,
        f"The model is at its rate limit, which passes.{_SKILLS_MAY_HAVE_RUN}",
        _RETRY_MODEL_SECONDS,
    ),
    Cause.NO_ROLE: (
        503,
        "The model account refuses the app's identity: it lacks the role Cognitive Services OpenAI User. A"
        " new role takes up to 10 minutes to arrive.",
        _RETRY_ROLE_SECONDS,
    ),
    Cause.DENIED: (
        502,
        "The model account denies access to the app (403): its network rules, or a policy of its owner.",
        None,
    ),
    Cause.NO_DEPLOYMENT: (
        502,
        "The model account has no such deployment: the app setting CHAT_MODEL_DEPLOYMENT_NAME names it.",
        None,
    ),
    Cause.NO_IDENTITY: (
        503,
        "The app's identity gets no token for the model: the app setting AzureOpenAI__clientId names the"
        " identity, or the platform's token endpoint does not answer.",
        _RETRY_MODEL_SECONDS,
    ),
    Cause.NO_ANSWER: (
        503,
        "The model account does not answer: an outage, or the app setting AzureOpenAI__endpoint is wrong.",
        _RETRY_MODEL_SECONDS,
    ),
}
_NO_RUN_ASSISTANT = (
    "The app's own function RunAssistant is disabled or missing, so no message can be posted: remove the app"
    " setting AzureWebJobs.RunAssistant.Disabled, or deploy the code again."
)


class PostError(Exception):
    """Why there is no reply. `message_stored` is None where that is not known; `retry_after` is in seconds.

    `locked_until`: until then, in UTC and at the latest, the message may be stored.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        message_stored: bool | None = False,
        *,
        retry_after: int | None = None,
        locked_until: datetime | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.message_stored = message_stored
        self.retry_after = retry_after
        self.locked_until = locked_until


@dataclass
class PostLog:
    """What the log gets of a post: never a text or a key.

    The host drops what a thread logs that the worker has not made (azure-functions-python-worker #1158), so
    this is written when the coroutine goes on.
    """

    assistant_id: str = ""
    call: Called | None = None
    model: ModelAnswer | None = None
    message_stored: bool | None = False
    failures: list[tuple[str, Exception]] = field(default_factory=list[tuple[str, Exception]])
    started: float = field(default_factory=time.monotonic)

    def write(self, status: int) -> None:
        for text, error in self.failures:
            logging.warning(text, exc_info=error)
        logging.log(
            logging.WARNING if status >= 500 else logging.INFO,
            "Post to assistant %s: status %d, message stored: %s, call of the extension: %s%s, %.1f s",
            self.assistant_id if checks.ID.fullmatch(self.assistant_id) else "(refused id)",
            status,
            {True: "yes", False: "no", None: "unknown"}[self.message_stored],
            f"{self.call.outcome.name} {self.call.status}" if self.call else "none",
            f", the model account {self.model.cause.value}" if self.model else "",
            time.monotonic() - self.started,
        )


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
        said = [one.content for one in self.messages if one.role == "Assistant" and one.content]
        return said[-1] if said else ""


Run = Callable[[str, str, str], Called]
"""Asks the bound function; assistant id, message and key."""

AskModel = Callable[[], ModelAnswer | None]
"""What the model itself answers; None where it was not asked."""


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()
    waiting = functools.cache(lambda: concurrent.futures.ThreadPoolExecutor(_WAITING_THREADS, "post"))
    run = functools.partial(run_assistant, settings.site_host)
    ask_model = model_probe.probe_of(settings).ask

    async def wait(handle: Callable[[PostLog], func.HttpResponse]) -> func.HttpResponse:
        log = PostLog()
        try:
            response = await asyncio.get_running_loop().run_in_executor(waiting(), handle, log)
        except Exception as error:  # noqa: BLE001 # a bare 500 of the host would be no problem document
            response = failure(error, {"messageStored": log.message_stored})
        log.write(response.status_code)
        return response

    @routes.function_name("PostMessage")
    @routes.route(route=paths.MESSAGES, methods=["POST"])
    async def post_message(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return await wait(lambda log: respond(req, settings, tables, run, log, ask_model=ask_model))

    @routes.function_name("PostUserQuery")
    @routes.route(route=paths.ASSISTANT, methods=["POST"])
    async def post_user_query(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        return await wait(lambda log: respond_as_text(req, settings, tables, run, log, ask_model=ask_model))

    # The message in two parts: the host parses a JSON body, and rewrites a date (binding_call.py).
    @routes.function_name("RunAssistant")
    @routes.route(route=paths.RUN, methods=["POST"])
    @routes.assistant_post_input(  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
        arg_name="state",
        id="{assistantId}",
        user_message="{message}{rest}",
        ai_connection_name=MODEL_CONNECTION,
        chat_model="%CHAT_MODEL_DEPLOYMENT_NAME%",
        chat_storage_connection_setting=STORAGE_CONNECTION,
        collection_name=CHAT_STATE_TABLE,
        temperature=without_separator(settings.model.temperature),
        max_tokens=str(settings.model.max_tokens),
        is_reasoning_model=settings.model.is_reasoning,
    )
    async def run_bound(req: func.HttpRequest, state: str) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        del req
        return func.HttpResponse(state, mimetype="application/json")

    return routes


def respond(
    req: func.HttpRequest,
    settings: Settings,
    tables: Tables,
    run: Run,
    log: PostLog,
    *,
    ask_model: AskModel = lambda: None,
) -> func.HttpResponse:
    """200 with the reply and what was added; else a problem that says whether the message is stored."""
    log.assistant_id = req.route_params.get("assistantId", "")
    if refused := request_body.refusal(req):
        return refused
    message, problems = checks.parse_message_body(req.get_body())
    request = _request(req, message, settings)
    if problems := checks.id_problems(request.assistant_id) + problems:
        return bad_request(problems)

    def to_response(exchange: Exchange) -> func.HttpResponse:
        return json_response(
            {
                "assistantId": request.assistant_id,
                "reply": exchange.reply,
                "messages": [message.shown() for message in exchange.messages],
                "totalMessages": exchange.state.total_messages,
                "totalTokens": exchange.state.total_tokens,
            },
            200,
        )

    return _respond(request, lambda: exchange(request, tables, run, log, ask_model), log, to_response)


def respond_as_text(
    req: func.HttpRequest,
    settings: Settings,
    tables: Tables,
    run: Run,
    log: PostLog,
    *,
    ask_model: AskModel = lambda: None,
) -> func.HttpResponse:
    """200 with the reply as text, as the extension's sample answers; else as `respond`."""
    log.assistant_id = req.route_params.get("assistantId", "")
    if refused := request_body.refusal(req):
        return refused
    message = req.params.get("message", "")
    problems = checks.query_problems(req.url, "message")
    problems += [Problem("query", "message", detail) for detail in checks.message_problems(message)]
    request = _request(req, message, settings)
    if problems := checks.id_problems(request.assistant_id) + problems:
        return bad_request(problems)

    def to_response(exchange: Exchange) -> func.HttpResponse:
        return func.HttpResponse(exchange.reply, mimetype="text/plain")

    return _respond(request, lambda: exchange(request, tables, run, log, ask_model), log, to_response)


def _request(req: func.HttpRequest, message: str, settings: Settings) -> PostRequest:
    assistant_id = req.route_params.get("assistantId", "")
    return PostRequest(assistant_id, message, _key(req, settings), settings.model.context_tokens)


def _respond(
    request: PostRequest,
    post: Callable[[], Exchange | LeaseConflict],
    log: PostLog,
    to_response: Callable[[Exchange], func.HttpResponse],
) -> func.HttpResponse:
    try:
        outcome = post()
    except PostError as error:
        log.message_stored = error.message_stored
        return _problem(error)
    if isinstance(outcome, LeaseConflict):
        return busy(request.assistant_id, outcome, {"messageStored": False})
    log.message_stored = True
    return to_response(outcome)


def _problem(error: PostError) -> func.HttpResponse:
    members: dict[str, object] = {"messageStored": error.message_stored}
    if error.locked_until:
        members["lockedUntil"] = utc_text(error.locked_until)
    return problem(error.status, error.detail, retry_after=error.retry_after, members=members)


def exchange(
    request: PostRequest, tables: Tables, run: Run, log: PostLog, ask_model: AskModel
) -> Exchange | LeaseConflict:
    """Post a message to a conversation that nobody else writes meanwhile. Raises PostError."""
    table, assistant_id = tables.chat_state, request.assistant_id
    known = conversations.get_state(table, assistant_id)
    if known is None:
        if conflict := leases.create_in_progress(tables, assistant_id):
            return conflict
        raise _not_found(assistant_id)
    lease = leases.acquire(tables, assistant_id, Purpose.POST, known)
    if isinstance(lease, LeaseConflict):
        return lease
    keep_lease = False
    try:
        # Again, since somebody may have written, begun it anew or deleted it before the lease.
        before, rows = conversations.exchange_after(table, assistant_id, known.total_messages)
        if before is None:
            raise _not_found(assistant_id)
        _check_before_call(before, rows)
        try:
            locked_until = lease.start_call(before)
        except LeaseLostError:
            return leases.lost_lease()
        # What has not answered may still write: then nobody else writes until its rows are there.
        keep_lease, log.message_stored = True, None
        log.call = call = run(assistant_id, request.message, request.key)
        keep_lease = call.outcome is Outcome.LOST
        if outcome := _read_exchange(request, before, call, tables, log):
            keep_lease = False
            return outcome
        if call.outcome is Outcome.FAILED:
            messages = list(conversations.messages_after(table, assistant_id, ""))
            raise _why_failed(request, before, messages, ask_model, log)
        raise _why_not_written(call, locked_until)
    finally:
        if not keep_lease and (error := lease.release()):
            log.failures.append((f"The lease of {assistant_id} is not released and ends by itself", error))


def _check_before_call(before: State, rows: Sequence[Message]) -> None:
    """Raises PostError for a conversation that cannot go on, before the model is asked."""
    last = conversations.row_key(before.total_messages)
    if stray := [row.row_key for row in rows if row.row_key > last]:
        # A key of the next rows is taken, or an answer among these would be given for the next one.
        raise _cannot_go_on(f"{stray[0]} lies behind {last}, the last message that its state counts")
    if before.total_messages >= _MAX_MODEL_MESSAGES:
        raise _cannot_go_on(
            f"it has {before.total_messages} messages, and with a new one no model takes more than"
            f" {_MAX_MODEL_MESSAGES}"
        )


def _read_exchange(
    request: PostRequest, before: State, call: Called, tables: Tables, log: PostLog
) -> Exchange | None:
    """What the call has written: all rows of an exchange are written in one transaction, or none.

    Raises PostError where another request has written.
    """
    assistant_id = request.assistant_id
    try:
        state, rows = conversations.exchange_after(tables.chat_state, assistant_id, before.total_messages)
    except Exception as error:
        log.failures.append(("The rows of the exchange cannot be read", error))
        stored = True if call.outcome is Outcome.DONE else None
        detail = "The rows could not be read afterwards: GET shows what was added."
        raise PostError(502, detail, stored) from error
    if state is None:
        raise PostError(404, f"The assistant {assistant_id} was deleted meanwhile.")
    if not rows and state.created_at == before.created_at:
        return None
    if rows and rows[0].role == "User" and rows[0].content == request.message:
        # Who comes next may have written since.
        end = next((index for index, row in enumerate(rows) if index and row.role == "User"), len(rows))
        return Exchange(state, rows[:end])
    raise PostError(409, "Somebody else wrote the conversation meanwhile.", retry_after=1)


def _why_failed(
    request: PostRequest, before: State, messages: Sequence[Message], ask_model: AskModel, log: PostLog
) -> PostError:
    """Why the binding failed: by the rows where they show it, else by what the model itself answers."""
    if reason := conversations.why_no_reply_is_possible(messages):
        return _cannot_go_on(reason)
    answer = log.model = ask_model()
    too_long = _too_long(request, before)
    if too_long and (answer is None or answer.cause is Cause.WELL):
        return _cannot_go_on(too_long)
    if answer is None:
        return PostError(503, _MODEL_OR_STORAGE, retry_after=_RETRY_MODEL_SECONDS)
    status, detail, retry_after = _BY_CAUSE[answer.cause]
    return PostError(status, detail, retry_after=answer.retry_after or retry_after)


def _why_not_written(call: Called, locked_until: datetime) -> PostError:
    match call.outcome:
        case Outcome.LOST:
            return PostError(
                504,
                "There was no answer in time, and the message may still be stored: GET shows it. Until it is,"
                f" or until {utc_text(locked_until)}, the assistant can be neither replaced nor deleted.",
                None,
                locked_until=locked_until,
            )
        case Outcome.UNREACHABLE:
            return PostError(503, "The app does not answer itself just now.", retry_after=5)
        case Outcome.REFUSED if call.status in (429, 503):
            return PostError(503, "The app has no room for the request just now.", retry_after=5)
        case Outcome.REFUSED if call.status in (401, 403):
            return PostError(
                502, "The key is good for this function only. Send a host key, as the one called default."
            )
        case Outcome.REFUSED if call.status == 404:
            return PostError(502, _NO_RUN_ASSISTANT)
        case _:
            return PostError(
                502, f"The app's own function RunAssistant answered {call.status}, but nothing was written."
            )


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


def _cannot_go_on(reason: str) -> PostError:
    """409 without `Retry-After`, since it never passes."""
    return PostError(
        409,
        f"The conversation cannot go on: {reason}. To start a new one with this id, send PUT, which replaces"
        " all its messages; to remove it, send DELETE.",
    )


def _not_found(assistant_id: str) -> PostError:
    return PostError(404, f"There is no assistant {assistant_id}.")


def _key(req: func.HttpRequest, settings: Settings) -> str:
    """The key that the client sent, "" where the host asks for none; `run_assistant` says of commas.

    The host looks at the header first, then at the first `code` in any case (recordings `auth`).
    """
    if settings.http_auth_level is func.AuthLevel.ANONYMOUS:
        return ""
    headers: Any = req.headers
    codes = checks.query_values(req.url).get("code", [""])
    return str(headers.get("x-functions-key") or unquote_plus(codes[0]))
