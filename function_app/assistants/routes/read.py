"""`GET /api/assistants` and `GET /api/assistants/{assistantId}`.

Both read the tables directly. The extension's `assistantQuery` binding has no pages, always returns the
system prompt, and answers 500 without a body if `timestampUTC` is missing.
"""

import json
import re

import azure.functions as func

from assistants import leases, listing, paths
from assistants.errors import AssistantNotFoundError
from assistants.routes import parsing
from assistants.routes.parsing import Problem
from assistants.routes.responses import bad_request, handle_errors, json_response, problem, utc_text
from assistants.settings import Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables
from assistants.tables.conversations import NEVER, State

_PARAMETERS = ("limit", "continuationToken", "since", "includeInstructions", "includeLock")
_LIST_PARAMETERS = ("limit", "continuationToken", "prefix", "includeRemaining")
_TIMESTAMP = "timestampUTC"
_ROW_KEY = re.compile("msg-[0-9A-F]{4,5}")
_PARTITION = re.compile("[^\x00]{1,512}", re.DOTALL)
# Characters that Newtonsoft.Json escapes and `json` does not.
_NEWTONSOFT = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    @routes.function_name("GetAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["GET"])
    def get_assistant(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return handle_errors(lambda: respond(req, settings, tables))

    @routes.function_name("ListAssistants")
    @routes.route(route=paths.ASSISTANTS, methods=["GET"])
    def list_assistants(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # as above
        return handle_errors(lambda: respond_list(req, tables))

    return routes


def respond(req: func.HttpRequest, settings: Settings, tables: Tables) -> func.HttpResponse:
    """A page of one conversation, or with `timestampUTC` the response of `assistantQuery`.

    Raises AssistantNotFoundError.
    """
    assistant_id = req.route_params.get("assistantId", "")
    problems = parsing.id_problems(assistant_id)
    if query_problems := parsing.query_problems(req.url, *_PARAMETERS, _TIMESTAMP):
        return bad_request(problems + query_problems)
    if _TIMESTAMP in req.params:
        return _respond_as_binding(req, assistant_id, problems, settings, tables)
    limit, limit_problems = parsing.parse_limit(req.params)
    after, token_problems = parsing.parse_token(req.params, "m", _ROW_KEY)
    since, since_problems = parsing.parse_moment(req.params, "since")
    with_instructions, switch_problems = parsing.parse_switch(req.params, "includeInstructions")
    with_lock, lock_problems = parsing.parse_switch(req.params, "includeLock")
    problems += limit_problems + token_problems + since_problems + switch_problems + lock_problems
    if problems:
        return bad_request(problems)
    if with_instructions and not settings.expose_instructions:
        return problem(403, "The setting exposeInstructions does not allow the instructions to be returned.")
    # Before the rows: a post that ends between the two reads is in the rows, and neither missing nor locked.
    locked_until = leases.post_locked_until(tables, assistant_id) if with_lock else None
    state = conversations.get_state(tables, assistant_id)
    if state is None:
        raise AssistantNotFoundError(assistant_id)
    messages = list(
        conversations.messages_after(
            tables, assistant_id, after, limit=limit + 1, since=since, with_instructions=with_instructions
        )
    )
    page = messages[:limit]
    body = {**state.to_json(), "messages": [message.to_json() for message in page]}
    if locked_until is not None:
        body["lockedUntil"] = utc_text(locked_until)
    if len(messages) > limit:
        body["continuationToken"] = parsing.encode_token("m", page[-1].row_key)
    return json_response(body, 200)


def _respond_as_binding(
    req: func.HttpRequest, assistant_id: str, problems: list[Problem], settings: Settings, tables: Tables
) -> func.HttpResponse:
    """The JSON of the extension's AssistantState: members, order and escapes of Newtonsoft.Json.

    The system prompt is omitted unless the settings allow it.
    """
    since, since_problems = parsing.parse_moment(req.params, _TIMESTAMP)
    problems += since_problems
    problems += [
        Problem("query", name, f"cannot be combined with {_TIMESTAMP}")
        for name in _PARAMETERS
        if name in req.params
    ]
    if problems or since is None:
        return bad_request(problems)
    stored_state = conversations.get_state(tables, assistant_id)
    state = stored_state or State(assistant_id, NEVER, NEVER, 0, 0)
    recent = (
        conversations.messages_after(
            tables, assistant_id, "", since=since, with_instructions=settings.expose_instructions
        )
        if stored_state
        else ()
    )
    body = {
        "id": assistant_id,
        "exists": stored_state is not None,
        "createdAt": state.created_at,
        "lastUpdatedAt": state.last_updated_at,
        "totalMessages": state.total_messages,
        "totalTokens": state.total_tokens,
        "recentMessages": [
            {"content": message.content, "role": message.role, "toolCalls": message.tool_calls}
            for message in recent
        ],
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).translate(_NEWTONSOFT)
    return func.HttpResponse(text, mimetype="application/json")


def respond_list(req: func.HttpRequest, tables: Tables) -> func.HttpResponse:
    """A page of assistants by id. With `includeRemaining` it says how many follow, for one more request."""
    if unclear := parsing.query_problems(req.url, *_LIST_PARAMETERS):
        return bad_request(unclear)
    limit, problems = parsing.parse_limit(req.params)
    after, token_problems = parsing.parse_token(req.params, "a", _PARTITION)
    prefix, prefix_problems = parsing.parse_prefix(req.params)
    with_remaining, switch_problems = parsing.parse_switch(req.params, "includeRemaining")
    if problems := problems + token_problems + prefix_problems + switch_problems:
        return bad_request(problems)
    page = listing.page_after(tables, after, limit, prefix)
    body: dict[str, object] = {"assistants": [state.to_json() for state in page.states]}
    if page.last_partition is not None:
        body["continuationToken"] = parsing.encode_token("a", page.last_partition)
        if with_remaining:
            count, is_exact = conversations.count_after(tables, page.last_partition, prefix)
            body["remaining"] = {"count": count, "isExact": is_exact}
    return json_response(body, 200)
