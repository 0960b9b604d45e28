"""`PUT /api/assistants/{assistantId}`: create an assistant, or begin an existing one anew."""

import json

import azure.functions as func

from assistants import checks, leases, paths
from assistants.checks import Problem
from assistants.leases import LeaseConflict, LeaseLostError, Purpose
from assistants.routes import request_body
from assistants.routes.responses import answered, bad_request, busy, json_response, problem
from assistants.settings import CHAT_STATE_TABLE, STORAGE_CONNECTION, Settings
from assistants.tables import conversations
from assistants.tables.clients import Tables

REPLACED = "Assistant-Replaced"

# The extension deletes in transactions of 100 rows, `state` last: cut off between two of them, it leaves a
# conversation that has lost its beginning. So the app deletes what does not fit into one, `state` first.
_ONE_TRANSACTION = 100


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    # `bytes` and not `str`: the host parses a text before the extension does, and rewrites a value that
    # looks like a date on the way. The Python worker's generic binding takes no dict.
    @routes.function_name("CreateAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["PUT"])
    @routes.assistant_create_output(arg_name="requests")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def create_assistant(req: func.HttpRequest, requests: func.Out[bytes]) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return answered(lambda: respond(req, requests, settings.default_instructions, tables))

    return routes


def respond(
    req: func.HttpRequest, requests: func.Out[bytes], default_instructions: str, tables: Tables
) -> func.HttpResponse:
    """202 and the create request set as output; else a problem and no output.

    The host writes the rows before it sends the answer, so a client that reads 202 finds them. It
    writes them after this has returned, so the lease stays, and ends when they are there.
    """
    if refused := request_body.refusal(req):
        return refused
    assistant_id = req.route_params.get("assistantId", "")
    body, problems = checks.parse_create_body(req.get_body())
    precondition: str | None = req.headers.get("If-None-Match")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # werkzeug's own
    if precondition not in (None, "*"):
        problems.append(Problem("header", "If-None-Match", "must be *, since an assistant has no entity tag"))
    problems = checks.id_problems(assistant_id) + problems
    if problems:
        return bad_request(problems)
    existing = conversations.get_state(tables.chat_state, assistant_id)
    if precondition and existing:
        return _refuse_existing(assistant_id)
    lease = leases.acquire(tables, assistant_id, Purpose.CREATE, existing)
    if isinstance(lease, LeaseConflict):
        return busy(assistant_id, lease)
    # Again, since somebody may have created it before the lease.
    if precondition and conversations.get_state(tables.chat_state, assistant_id):
        leases.release_and_log(lease)
        return _refuse_existing(assistant_id)
    if existing and existing.total_messages >= _ONE_TRANSACTION:
        try:
            conversations.delete(tables.chat_state, assistant_id, lease.renew_if_due)
            lease.renew()
        except LeaseLostError:
            return busy(assistant_id, leases.lost_lease())
    instructions = default_instructions if body.instructions is None else body.instructions
    requests.set(create_request(assistant_id, instructions))
    return json_response({"assistantId": assistant_id}, 202, {REPLACED: "true" if existing else "false"})


def _refuse_existing(assistant_id: str) -> func.HttpResponse:
    return problem(412, f"There is an assistant {assistant_id}, and If-None-Match: * asks not to replace it.")


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
