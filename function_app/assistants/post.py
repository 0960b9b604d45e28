"""`POST /api/assistants/{id}/messages`, and the documentation's own `POST /api/assistants/{id}?message=`.

The extension's `assistantPost` is an input binding: it reads, asks the model and writes before any Python
runs, answers whatever goes wrong by a bare 500, and loses one of two posts at once. So both requests
come to a front without a binding, which checks, takes the lease and then calls the function that has
the binding (`RunAssistant`) over HTTP, as a client would. What became of it is told by the rows.
"""

import asyncio
import concurrent.futures
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import azure.functions as func

from assistants import checks, conversations, leases, request_body, routing
from assistants.checks import Problem
from assistants.conversations import Message, State
from assistants.leases import Held
from assistants.own_call import Called, Outcome, run_assistant
from assistants.responses import answered, bad_request, busy, json_response, not_found, problem
from assistants.settings import (
    CHAT_STATE_TABLE,
    MODEL_CONNECTION,
    STORAGE_CONNECTION,
    Settings,
    without_separator,
)
from assistants.storage import Tables

# A front waits for as long as the model takes. In the worker's own pool (a handful of threads) a few of
# them would leave no thread for the functions that they wait for: the skills.
_WAITING_THREADS = 64
_RETRY_MODEL_SECONDS = 10
# The host answers every one of these by the same 500 without a body, and no row tells them apart.
_MODEL_OR_STORAGE = (
    "The model or the storage refused, and only the app's log has the reason. Most often it is the model's"
    " rate limit, which passes. What does not pass: a filter, a conversation that has become too long, a"
    f" reply or a skill's result of more than {checks.MAX_MESSAGE_UNITS} UTF-16 units, more than 99 new"
    " messages at once. Skills that the model called may have run, and would run again: look before you"
    " send it again."
)
_NO_RUN_ASSISTANT = (
    "The app's own function RunAssistant is disabled or missing, so no message can be posted: remove the app"
    " setting AzureWebJobs.RunAssistant.Disabled, or deploy the code again."
)


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


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()
    waiting = functools.cache(lambda: concurrent.futures.ThreadPoolExecutor(_WAITING_THREADS, "post"))
    run = functools.partial(run_assistant, settings.site_host)

    async def wait(handle: Callable[[], func.HttpResponse]) -> func.HttpResponse:
        return await asyncio.get_running_loop().run_in_executor(waiting(), answered, handle)

    @routes.function_name("PostMessage")
    @routes.route(route=routing.MESSAGES, methods=["POST"])
    async def post_message(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return await wait(lambda: respond(req, settings, tables, run))

    @routes.function_name("PostUserQuery")
    @routes.route(route=routing.ASSISTANT, methods=["POST"])
    async def post_user_query(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        return await wait(lambda: respond_as_text(req, settings, tables, run))

    # The message in two parts: the host parses a JSON body, and rewrites a text that is a date (own_call.py).
    @routes.function_name("RunAssistant")
    @routes.route(route=routing.RUN, methods=["POST"])
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


def respond(req: func.HttpRequest, settings: Settings, tables: Tables, run: Run) -> func.HttpResponse:
    """200 with the reply and what was added; else a problem that says whether the message is stored."""
    if refused := request_body.refusal(req):
        return refused
    assistant_id = req.route_params.get("assistantId", "")
    message, problems = checks.parse_message_body(req.get_body())
    problems = checks.id_problems(assistant_id) + problems
    if problems:
        return bad_request(problems)
    found = exchange(assistant_id, message, _key(req, settings), tables, run)
    if isinstance(found, func.HttpResponse):
        return found
    return json_response(
        {
            "assistantId": assistant_id,
            "reply": found.reply,
            "messages": [one.shown() for one in found.messages],
            "totalMessages": found.state.total_messages,
            "totalTokens": found.state.total_tokens,
        },
        200,
    )


def respond_as_text(req: func.HttpRequest, settings: Settings, tables: Tables, run: Run) -> func.HttpResponse:
    """200 with the reply as text, as the extension's sample answers; else as `respond`."""
    if refused := request_body.refusal(req):
        return refused
    assistant_id = req.route_params.get("assistantId", "")
    message = req.params.get("message", "")
    problems = checks.id_problems(assistant_id)
    problems += checks.query_problems(req.url, "message")
    problems += [Problem("query", "message", detail) for detail in checks.message_problems(message)]
    if problems:
        return bad_request(problems)
    found = exchange(assistant_id, message, _key(req, settings), tables, run)
    if isinstance(found, func.HttpResponse):
        return found
    return func.HttpResponse(found.reply, mimetype="text/plain")


def exchange(
    assistant_id: str, message: str, key: str, tables: Tables, run: Run
) -> Exchange | func.HttpResponse:
    """Post one checked message to a conversation that nobody else writes meanwhile."""
    table = tables.chat_state
    known = conversations.get_state(table, assistant_id)
    # Between the deletes and the insert of a create that replaces there is no state: that is no 404.
    lease = leases.acquire(tables, assistant_id, known) if known else leases.held(tables.leases, assistant_id)
    if isinstance(lease, Held):
        return busy(assistant_id, lease.retry_after, members={"messageStored": False})
    if known is None or lease is None:
        return not_found(assistant_id)
    called = Called(Outcome.REFUSED)
    try:
        # Again, since somebody may have written, begun it anew or deleted it before the lease.
        before, rows = conversations.exchange_after(table, assistant_id, known.total_messages)
        if before is None:
            return not_found(assistant_id)
        last = conversations.row_key(before.total_messages)
        if stray := [one.row_key for one in rows if one.row_key > last]:
            # A key of the next rows is taken, or an answer among these would be given for the next one.
            return _cannot_go_on(f"{stray[0]} lies behind {last}, the last message that its state counts")
        called = run(assistant_id, message, key)
        return _result(assistant_id, message, before, called, tables)
    finally:
        # What has not answered may still write: then nobody else writes until the lease ends.
        if called.outcome is not Outcome.LOST:
            leases.release(tables.leases, lease)


def _result(
    assistant_id: str, message: str, before: State, called: Called, tables: Tables
) -> Exchange | func.HttpResponse:
    """The rows decide: all of an exchange is written in one transaction, or nothing."""
    try:
        state, messages = conversations.exchange_after(tables.chat_state, assistant_id, before.total_messages)
    except Exception:
        logging.exception("The rows of the exchange cannot be read")
        stored = True if called.outcome is Outcome.DONE else None
        return _failed(502, "The rows could not be read afterwards: GET shows what was added.", stored)
    if state is None:
        return _failed(404, f"The assistant {assistant_id} was deleted meanwhile.", False)
    if messages and messages[0].role == "User" and messages[0].content == message:
        return Exchange(state, messages)
    if messages or state.created_at != before.created_at:
        return _failed(409, "Somebody else wrote the conversation meanwhile.", False, retry_after=1)
    return _not_written(assistant_id, called, tables)


def _not_written(assistant_id: str, called: Called, tables: Tables) -> func.HttpResponse:
    match called.outcome:
        case Outcome.LOST:
            logging.warning("RunAssistant gave no answer of its own; status: %s", called.status)
            return _failed(504, "There was no answer in time. The message may still be stored.", None)
        case Outcome.UNREACHABLE:
            return _failed(503, "The app does not answer itself just now.", False, retry_after=5)
        case Outcome.REFUSED if called.status in (429, 503):
            return _failed(503, "The app has no room for the request just now.", False, retry_after=5)
        case Outcome.REFUSED if called.status in (401, 403):
            detail = "The key is good for this function only. Send a host key, as the one called default."
            return _failed(502, detail, False)
        case Outcome.REFUSED if called.status == 404:
            logging.error("RunAssistant is not there: its route answered 404")
            return _failed(502, _NO_RUN_ASSISTANT, False)
        case Outcome.FAILED:
            if reason := conversations.unanswered(tables.chat_state, assistant_id):
                return _cannot_go_on(reason)
            return _failed(503, _MODEL_OR_STORAGE, False, retry_after=_RETRY_MODEL_SECONDS)
        case _:
            logging.error("RunAssistant answered %s and no rows were written", called.status)
            return _failed(502, "The app's own function answered, but nothing was written.", False)


def _cannot_go_on(reason: str) -> func.HttpResponse:
    """409 without `Retry-After`, since it never passes."""
    return _failed(409, f"The conversation cannot go on: {reason}. PUT or DELETE the assistant.", False)


def _failed(
    status: int, detail: str, stored: bool | None, *, retry_after: int | None = None
) -> func.HttpResponse:
    return problem(status, detail, retry_after=retry_after, members={"messageStored": stored})


def _key(req: func.HttpRequest, settings: Settings) -> str:
    """The key that the client sent, "" where the host asks for none; `run_assistant` says of commas.

    The host looks at the header first, then at the first `code` in any case (recordings `auth`).
    """
    if settings.http_auth_level is func.AuthLevel.ANONYMOUS:
        return ""
    headers: Any = req.headers
    codes = checks.query_values(req.url).get("code", [""])
    return str(headers.get("x-functions-key") or unquote_plus(codes[0]))
