"""`POST /api/assistants/{id}/messages`, and `POST /api/assistants/{id}?message=` as in the bindings' docs.

Both wait for `RunAssistant`, the function with the extension's binding (posts.py explains why).
"""

import asyncio
import concurrent.futures
import functools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import azure.functions as func

from assistants import model_probe, paths, posts, rules
from assistants.binding_call import Outcome, run_assistant
from assistants.errors import DomainError
from assistants.model_probe import Cause
from assistants.posts import Exchange, PostError, PostLog, PostRequest, Reason, Services
from assistants.routes import parsing, request_body
from assistants.routes.parsing import Problem
from assistants.routes.responses import bad_request, domain_problem, failure, json_response, problem, utc_text
from assistants.settings import (
    CHAT_STATE_TABLE,
    MODEL_CONNECTION,
    STORAGE_CONNECTION,
    Settings,
    without_separator,
)
from assistants.tables.clients import Tables

# A post waits for the model. In the worker's own small thread pool, a few posts would leave no thread for
# the skills that they wait for.
_WAITING_THREADS = 64
# The host answers every failure with the same 500 without a body, and the rows do not show the cause.
_SKILLS_MAY_HAVE_RUN = (
    " Skills that the model called may have run, and would run again: check their effects before you retry."
)
_PERMANENT_CAUSES = (
    "Permanent causes: a content filter, a reply or a skill's result of more than"
    f" {rules.MAX_TEXT_UNITS} UTF-16 units, more than 99 new messages at once.{_SKILLS_MAY_HAVE_RUN}"
)
_UNEXPECTED = "The app's function RunAssistant answered {value}, but nothing was stored."
# `value` and `locked_until` are those of the PostError.
_DETAILS: Mapping[Reason | Outcome | Cause, str] = {
    Reason.CANNOT_CONTINUE: "The conversation cannot continue: {value}. To start a new one with this id, send"
    " PUT, which replaces all its messages; to remove it, send DELETE.",
    Reason.CHANGED: "The conversation has {value} messages, which is not the totalMessages of the request: it"
    " has changed since. Nothing was sent; GET shows it.",
    Reason.DELETED: "The assistant {value} was deleted while the message was posted.",
    Reason.OVERWRITTEN: "Another request changed the conversation while the message was posted.",
    Reason.ROWS_UNREADABLE: "The conversation could not be read after the call: send GET to read it.",
    Reason.UNEXPLAINED: "The model or the storage failed, and only the app's log contains the reason. The"
    f" most frequent one is the model's rate limit, which is temporary. {_PERMANENT_CAUSES}",
    Outcome.INDETERMINATE: "There was no answer in time, and the message may still be stored: GET shows"
    " it. Until it is stored, or until {locked_until} at the latest, the assistant can be neither replaced"
    " nor deleted.",
    Outcome.UNREACHABLE: "The app's function RunAssistant is temporarily unreachable.",
    Outcome.BUSY: "The app is temporarily overloaded.",
    Outcome.KEY_REFUSED: "The key is valid for this function only. Send a host key, such as the one named"
    " default.",
    Outcome.MISSING: "The app's function RunAssistant is disabled or missing, so no message can be"
    " posted: remove the app setting AzureWebJobs.RunAssistant.Disabled, or deploy the code again.",
    Outcome.DONE: _UNEXPECTED,
    Outcome.REFUSED: _UNEXPECTED,
    Cause.AVAILABLE: "The model answers other requests: the failure was temporary, or its cause is this"
    f" conversation or the storage. {_PERMANENT_CAUSES}",
    Cause.RATE_LIMIT: f"The model is at its rate limit, which is temporary.{_SKILLS_MAY_HAVE_RUN}",
    Cause.NO_ROLE: "The model account rejects the app's identity: it lacks the role Cognitive Services OpenAI"
    " User. A new role assignment takes up to 10 minutes to take effect.",
    Cause.DENIED: "The model account denies access to the app (403): check its network rules and policies.",
    Cause.NO_DEPLOYMENT: "The model account does not have the deployment that the app setting"
    " CHAT_MODEL_DEPLOYMENT_NAME names.",
    Cause.NO_IDENTITY: "The app's identity cannot get a token for the model: the app setting"
    " AzureOpenAI__clientId is wrong, or the platform's token endpoint is unavailable.",
    Cause.NO_ANSWER: "The model account does not answer: it has an outage, or the app setting"
    " AzureOpenAI__endpoint is wrong.",
}
# Every other reason: 503.
_STATUS: Mapping[Reason | Outcome | Cause, int] = {
    Reason.CHANGED: 412,
    Reason.DELETED: 404,
    **dict.fromkeys((Reason.CANNOT_CONTINUE, Reason.OVERWRITTEN), 409),
    **dict.fromkeys((Outcome.KEY_REFUSED, Outcome.MISSING, Outcome.DONE, Outcome.REFUSED), 502),
    **dict.fromkeys((Reason.ROWS_UNREADABLE, Cause.DENIED, Cause.NO_DEPLOYMENT), 502),
    Outcome.INDETERMINATE: 504,
}
_RETRY_SECONDS: Mapping[Reason | Outcome | Cause, int] = {
    Reason.OVERWRITTEN: 1,
    Outcome.UNREACHABLE: 5,
    Outcome.BUSY: 5,
    Cause.NO_ROLE: 60,
    **dict.fromkeys((Reason.UNEXPLAINED, Cause.AVAILABLE, Cause.RATE_LIMIT), 10),
    **dict.fromkeys((Cause.NO_IDENTITY, Cause.NO_ANSWER), 10),
}


@dataclass(frozen=True)
class Form:
    """One of the two forms of a post: how its message is read, and how its exchange is returned."""

    parse: Callable[[func.HttpRequest], tuple[parsing.Message, list[Problem]]]
    to_response: Callable[[Exchange], func.HttpResponse]


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()
    executor = functools.cache(lambda: concurrent.futures.ThreadPoolExecutor(_WAITING_THREADS, "post"))
    run = functools.partial(run_assistant, settings.site_host)
    services = Services(tables, run, model_probe.create_probe(settings).probe)

    async def respond_in_thread(req: func.HttpRequest, form: Form) -> func.HttpResponse:
        log = PostLog()
        try:
            response = await asyncio.get_running_loop().run_in_executor(
                executor(), respond, req, form, settings, services, log
            )
        except Exception as error:  # noqa: BLE001 # the host's own 500 has no problem document
            response = failure(error, {"messageStored": log.message_stored})
        write_log(log, response.status_code)
        return response

    @routes.function_name("PostMessage")
    @routes.route(route=paths.MESSAGES, methods=["POST"])
    async def post_message(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return await respond_in_thread(req, JSON)

    @routes.function_name("PostUserQuery")
    @routes.route(route=paths.ASSISTANT, methods=["POST"])
    async def post_user_query(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        return await respond_in_thread(req, TEXT)

    # The message has two parts, since the host rewrites dates in a JSON body (binding_call.py).
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
    req: func.HttpRequest, form: Form, settings: Settings, services: Services, log: PostLog
) -> func.HttpResponse:
    """200 with the exchange in its form, else a problem that says whether the message is stored."""
    log.assistant_id = assistant_id = req.route_params.get("assistantId", "")
    if rejection := request_body.check_body(req):
        return rejection
    message, problems = form.parse(req)
    if problems := parsing.id_problems(assistant_id) + problems:
        return bad_request(problems)
    request = PostRequest(
        assistant_id,
        message.text,
        _key(req, settings),
        settings.model.context_tokens,
        settings.max_conversation_messages,
        message.total_messages,
    )
    try:
        exchange = posts.exchange(services, request, log)
    except PostError as error:
        log.message_stored = error.message_stored
        return _problem(error)
    except DomainError as error:
        return domain_problem(error, {"messageStored": False})
    log.message_stored = True
    return form.to_response(exchange)


def _exchange_as_json(exchange: Exchange) -> func.HttpResponse:
    return json_response(
        {
            "assistantId": exchange.state.assistant_id,
            "reply": exchange.reply,
            "messages": [message.to_json() for message in exchange.messages],
            "totalMessages": exchange.state.total_messages,
            "totalTokens": exchange.state.total_tokens,
        },
        200,
    )


def _message_of_query(req: func.HttpRequest) -> tuple[parsing.Message, list[Problem]]:
    message = req.params.get("message", "")
    problems = parsing.query_problems(req.url, "message")
    problems += [Problem("query", "message", detail) for detail in rules.message_problems(message)]
    return parsing.Message(message), problems


JSON = Form(lambda req: parsing.parse_message_body(req.get_body()), _exchange_as_json)
TEXT = Form(_message_of_query, lambda exchange: func.HttpResponse(exchange.reply, mimetype="text/plain"))
"""As in the extension's sample: the message is a query parameter, and the response only the reply."""


def _problem(error: PostError) -> func.HttpResponse:
    members: dict[str, object] = {"messageStored": error.message_stored}
    locked_until = ""
    if error.locked_until:
        members["lockedUntil"] = locked_until = utc_text(error.locked_until)
    return problem(
        _STATUS.get(error.reason, 503),
        _DETAILS[error.reason].format(value=error.value, locked_until=locked_until),
        retry_after=error.retry_after or _RETRY_SECONDS.get(error.reason),
        members=members,
    )


def _key(req: func.HttpRequest, settings: Settings) -> str:
    """The key that the client sent, "" if the host requires none; `run_assistant` handles commas.

    The host reads the header first, then the first `code`, in upper or lower case (recordings `auth`).
    """
    if settings.http_auth_level is func.AuthLevel.ANONYMOUS:
        return ""
    headers: Any = req.headers
    codes = parsing.query_values(req.url).get("code", [""])
    return str(headers.get("x-functions-key") or unquote_plus(codes[0]))


def write_log(log: PostLog, status: int) -> None:
    """One line for each post, and its failures.

    Called by the coroutine: the host drops records of threads that the worker has not created
    (azure-functions-python-worker #1158).
    """
    for text, error in log.failures:
        logging.warning(text, exc_info=error)
    logging.log(
        logging.WARNING if status >= 500 else logging.INFO,
        "Post to assistant %s: status %d, message stored: %s, call of the extension: %s%s, %.1f s",
        log.assistant_id if rules.ID.fullmatch(log.assistant_id) else "(invalid id)",
        status,
        {True: "yes", False: "no", None: "unknown"}[log.message_stored],
        f"{log.call.outcome.name} {log.call.status}" if log.call else "none",
        f", the model account {log.model.cause.value}" if log.model else "",
        time.monotonic() - log.started,
    )
