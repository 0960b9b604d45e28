"""`PUT /api/assistants/{assistantId}`: create an assistant, or begin an existing one anew."""

import json

import azure.functions as func

from assistants import checks, conversations, leases, routing
from assistants.checks import Problem
from assistants.leases import Held, Lease
from assistants.responses import answered, bad_request, busy, json_response, problem
from assistants.settings import CHAT_STATE_TABLE, STORAGE_CONNECTION, Settings
from assistants.storage import Tables

REPLACED = "Assistant-Replaced"


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    # `bytes` and not `str`: the host parses a text before the extension does, and rewrites a value that
    # looks like a date on the way. The Python worker's generic binding takes no dict.
    @routes.function_name("CreateAssistant")
    @routes.route(route=routing.ASSISTANT, methods=["PUT"])
    @routes.assistant_create_output(arg_name="requests")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def create_assistant(req: func.HttpRequest, requests: func.Out[bytes]) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return answered(lambda: respond(req, requests, settings.default_instructions, tables))

    return routes


def respond(
    req: func.HttpRequest, requests: func.Out[bytes], default_instructions: str, tables: Tables
) -> func.HttpResponse:
    """202 and the create request set as output; else a problem and no output.

    The host writes the rows before it sends the answer, so a client that reads 202 finds them. It
    writes them after this has returned, so no lease can be held meanwhile: that nobody is writing is
    only looked at.
    """
    assistant_id = req.route_params.get("assistantId", "")
    body, problems = checks.parse_create_body(req.get_body())
    precondition: str | None = req.headers.get("If-None-Match")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # werkzeug's own
    if precondition not in (None, "*"):
        problems.append(Problem("header", "If-None-Match", "must be *, since an assistant has no entity tag"))
    problems = checks.id_problems(assistant_id) + problems
    if problems:
        return bad_request(problems)
    if precondition:
        replaces = False
        refusal = _refuse_existing(assistant_id, tables)
    else:
        refusal = _busy(leases.held(tables.leases, assistant_id), assistant_id)
        replaces = refusal is None and conversations.get_state(tables.chat_state, assistant_id) is not None
    if refusal is not None:
        return refusal
    instructions = default_instructions if body.instructions is None else body.instructions
    requests.set(create_request(assistant_id, instructions))
    return json_response({"assistantId": assistant_id}, 202, {REPLACED: "true" if replaces else "false"})


def _refuse_existing(assistant_id: str, tables: Tables) -> func.HttpResponse | None:
    """412 where there is one. Else the claim stays until it ends: of two creates at once one is refused."""
    claimed = leases.claim(tables.leases, assistant_id)
    if conversations.get_state(tables.chat_state, assistant_id) is None:
        return _busy(claimed, assistant_id)
    if isinstance(claimed, Lease):
        leases.release(tables.leases, claimed)
    return problem(412, f"There is an assistant {assistant_id}, and If-None-Match: * asks not to replace it.")


def _busy(found: Lease | Held | None, assistant_id: str) -> func.HttpResponse | None:
    return busy(assistant_id, found.retry_after) if isinstance(found, Held) else None


def create_request(assistant_id: str, instructions: str) -> bytes:
    """The extension's AssistantCreateRequest. Storage and table are ours: a client cannot name others."""
    return json.dumps(
        {
            "id": assistant_id,
            "instructions": instructions,
            "chatStorageConnectionSetting": STORAGE_CONNECTION,
            "collectionName": CHAT_STATE_TABLE,
        }
    ).encode()
