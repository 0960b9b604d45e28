"""`POST /api/assistants/{id}/messages`, and the documentation's own `POST /api/assistants/{id}?message=`.

Both wait for `RunAssistant`, the function with the extension's binding (posts.py says why).
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

# A post waits for as long as the model takes. In the worker's own pool (a handful of threads) a few of
# them would leave no thread for the functions that they wait for: the skills.
_WAITING_THREADS = 64
# The host answers every failure by the same 500 without a body, and no row tells them apart.
_SKILLS_MAY_HAVE_RUN = (
    " Skills that the model called may have run, and would run again: look before you send it again."
)
_NOT_THE_MODEL = (
    "What does not pass: a filter, a reply or a skill's result of more than"
    f" {rules.MAX_MESSAGE_UNITS} UTF-16 units, more than 99 new messages at once.{_SKILLS_MAY_HAVE_RUN}"
)
_UNEXPECTED = "The app's own function RunAssistant answered {value}, but nothing was written."
# A detail may name the error's `value` and `locked_until`.
_DETAILS: Mapping[Reason | Outcome | Cause, str] = {
    Reason.CANNOT_CONTINUE: "The conversation cannot go on: {value}. To start a new one with this id, send"
    " PUT, which replaces all its messages; to remove it, send DELETE.",
    Reason.DELETED: "The assistant {value} was deleted meanwhile.",
    Reason.OVERWRITTEN: "Somebody else wrote the conversation meanwhile.",
    Reason.ROWS_UNREADABLE: "The rows could not be read afterwards: GET shows what was added.",
    Reason.UNEXPLAINED: "The model or the storage refused, and only the app's log has the reason. Most often"
    f" it is the model's rate limit, which passes. {_NOT_THE_MODEL}",
    Outcome.INDETERMINATE: "There was no answer in time, and the message may still be stored: GET shows it."
    " Until it is, or until {locked_until}, the assistant can be neither replaced nor deleted.",
    Outcome.UNREACHABLE: "The app does not answer itself just now.",
    Outcome.BUSY: "The app has no room for the request just now.",
    Outcome.KEY_REFUSED: "The key is good for this function only. Send a host key, as the one called"
    " default.",
    Outcome.MISSING: "The app's own function RunAssistant is disabled or missing, so no message can be"
    " posted: remove the app setting AzureWebJobs.RunAssistant.Disabled, or deploy the code again.",
    Outcome.DONE: _UNEXPECTED,
    Outcome.REFUSED: _UNEXPECTED,
    Cause.WELL: "The model answers other requests: what failed has passed, or it lies in this conversation or"
    f" in the storage. {_NOT_THE_MODEL}",
    Cause.RATE_LIMIT: f"The model is at its rate limit, which passes.{_SKILLS_MAY_HAVE_RUN}",
    Cause.NO_ROLE: "The model account refuses the app's identity: it lacks the role Cognitive Services OpenAI"
    " User. A new role takes up to 10 minutes to arrive.",
    Cause.DENIED: "The model account denies access to the app (403): its network rules, or a policy of its"
    " owner.",
    Cause.NO_DEPLOYMENT: "The model account has no such deployment: the app setting"
    " CHAT_MODEL_DEPLOYMENT_NAME names it.",
    Cause.NO_IDENTITY: "The app's identity gets no token for the model: the app setting AzureOpenAI__clientId"
    " names the identity, or the platform's token endpoint does not answer.",
    Cause.NO_ANSWER: "The model account does not answer: an outage, or the app setting AzureOpenAI__endpoint"
    " is wrong.",
}
# 503 for all others.
_STATUS: Mapping[Reason | Outcome | Cause, int] = {
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
    **dict.fromkeys((Reason.UNEXPLAINED, Cause.WELL, Cause.RATE_LIMIT), 10),
    **dict.fromkeys((Cause.NO_IDENTITY, Cause.NO_ANSWER), 10),
}


@dataclass(frozen=True)
class Form:
    """One of the two forms of a post: where its message is, and how it is answered."""

    parse: Callable[[func.HttpRequest], tuple[str, list[Problem]]]
    to_response: Callable[[Exchange], func.HttpResponse]


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()
    waiting = functools.cache(lambda: concurrent.futures.ThreadPoolExecutor(_WAITING_THREADS, "post"))
    run = functools.partial(run_assistant, settings.site_host)
    services = Services(tables, run, model_probe.probe_of(settings).ask)

    async def wait(req: func.HttpRequest, form: Form) -> func.HttpResponse:
        log = PostLog()
        try:
            response = await asyncio.get_running_loop().run_in_executor(
                waiting(), respond, req, form, settings, services, log
            )
        except Exception as error:  # noqa: BLE001 # a bare 500 of the host would be no problem document
            response = failure(error, {"messageStored": log.message_stored})
        write_log(log, response.status_code)
        return response

    @routes.function_name("PostMessage")
    @routes.route(route=paths.MESSAGES, methods=["POST"])
    async def post_message(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return await wait(req, JSON)

    @routes.function_name("PostUserQuery")
    @routes.route(route=paths.ASSISTANT, methods=["POST"])
    async def post_user_query(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        return await wait(req, TEXT)

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
    req: func.HttpRequest, form: Form, settings: Settings, services: Services, log: PostLog
) -> func.HttpResponse:
    """200 with the reply in its form; else a problem that says whether the message is stored."""
    log.assistant_id = assistant_id = req.route_params.get("assistantId", "")
    if refused := request_body.refusal(req):
        return refused
    message, problems = form.parse(req)
    if problems := parsing.id_problems(assistant_id) + problems:
        return bad_request(problems)
    request = PostRequest(assistant_id, message, _key(req, settings), settings.model.context_tokens)
    try:
        exchange = posts.exchange(services, request, log)
    except PostError as error:
        log.message_stored = error.message_stored
        return _problem(error)
    except DomainError as error:
        return domain_problem(error, {"messageStored": False})
    log.message_stored = True
    return form.to_response(exchange)


def _message_of_body(req: func.HttpRequest) -> tuple[str, list[Problem]]:
    return parsing.parse_message_body(req.get_body())


def _exchange_as_json(exchange: Exchange) -> func.HttpResponse:
    return json_response(
        {
            "assistantId": exchange.state.assistant_id,
            "reply": exchange.reply,
            "messages": [message.shown() for message in exchange.messages],
            "totalMessages": exchange.state.total_messages,
            "totalTokens": exchange.state.total_tokens,
        },
        200,
    )


def _message_of_query(req: func.HttpRequest) -> tuple[str, list[Problem]]:
    message = req.params.get("message", "")
    problems = parsing.query_problems(req.url, "message")
    problems += [Problem("query", "message", detail) for detail in rules.message_problems(message)]
    return message, problems


def _reply_as_text(exchange: Exchange) -> func.HttpResponse:
    return func.HttpResponse(exchange.reply, mimetype="text/plain")


JSON = Form(_message_of_body, _exchange_as_json)
TEXT = Form(_message_of_query, _reply_as_text)
"""As the extension's sample: the message is a query parameter, and the answer the reply alone."""


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
    """The key that the client sent, "" where the host asks for none; `run_assistant` says of commas.

    The host looks at the header first, then at the first `code` in any case (recordings `auth`).
    """
    if settings.http_auth_level is func.AuthLevel.ANONYMOUS:
        return ""
    headers: Any = req.headers
    codes = parsing.query_values(req.url).get("code", [""])
    return str(headers.get("x-functions-key") or unquote_plus(codes[0]))


def write_log(log: PostLog, status: int) -> None:
    """One line for each post, and its failures.

    The host drops what a thread logs that the worker has not made (azure-functions-python-worker #1158), so
    this is called when the coroutine goes on.
    """
    for text, error in log.failures:
        logging.warning(text, exc_info=error)
    logging.log(
        logging.WARNING if status >= 500 else logging.INFO,
        "Post to assistant %s: status %d, message stored: %s, call of the extension: %s%s, %.1f s",
        log.assistant_id if rules.ID.fullmatch(log.assistant_id) else "(refused id)",
        status,
        {True: "yes", False: "no", None: "unknown"}[log.message_stored],
        f"{log.call.outcome.name} {log.call.status}" if log.call else "none",
        f", the model account {log.model.cause.value}" if log.model else "",
        time.monotonic() - log.started,
    )
