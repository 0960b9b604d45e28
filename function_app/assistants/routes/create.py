"""`PUT /api/assistants/{assistantId}`: create an assistant, or replace an existing one."""

import json

import azure.functions as func

from assistants import lifecycle, paths
from assistants.routes import parsing, request_body
from assistants.routes.parsing import Problem
from assistants.routes.responses import bad_request, handle_errors, json_response
from assistants.settings import CHAT_STATE_TABLE, STORAGE_CONNECTION, Settings
from assistants.tables.clients import Tables

REPLACED = "Assistant-Replaced"


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    # `bytes`, not `str`: the host parses a string before the extension does and rewrites values that look
    # like dates. The Python worker's generic binding accepts no dict.
    @routes.function_name("CreateAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["PUT"])
    @routes.assistant_create_output(arg_name="requests")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def create_assistant(req: func.HttpRequest, requests: func.Out[bytes]) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return handle_errors(lambda: respond(req, requests, settings.default_instructions, tables))

    return routes


def respond(
    req: func.HttpRequest, requests: func.Out[bytes], default_instructions: str, tables: Tables
) -> func.HttpResponse:
    """202 with the create request as output, else a problem without output. Raises DomainError.

    The host writes the rows after this has returned and before it sends the answer, so a client that reads
    202 finds them.
    """
    if rejection := request_body.check_body(req):
        return rejection
    assistant_id = req.route_params.get("assistantId", "")
    instructions, problems = parsing.parse_create_body(req.get_body())
    precondition: str | None = req.headers.get("If-None-Match")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # werkzeug's own
    if precondition not in (None, "*"):
        problems.append(Problem("header", "If-None-Match", "must be *, since an assistant has no entity tag"))
    problems = parsing.id_problems(assistant_id) + problems
    if problems:
        return bad_request(problems)
    replaces = lifecycle.prepare_create(tables, assistant_id, only_if_new=precondition is not None)
    requests.set(create_request(assistant_id, default_instructions if instructions is None else instructions))
    return json_response({"assistantId": assistant_id}, 202, {REPLACED: "true" if replaces else "false"})


def create_request(assistant_id: str, instructions: str) -> bytes:
    """The extension's AssistantCreateRequest. Clients cannot choose the storage account or the table."""
    return json.dumps(
        {
            "id": assistant_id,
            "instructions": instructions,
            "chatStorageConnectionSetting": STORAGE_CONNECTION,
            "collectionName": CHAT_STATE_TABLE,
        }
    ).encode()
