"""`PUT /api/assistants/{assistantId}`: create an assistant, or begin an existing one anew."""

import json

import azure.functions as func

from assistants import checks
from assistants.responses import bad_request, json_response
from assistants.settings import Settings

# A failing constraint is a 404 from the host, before the key is looked at. `checks` says why the rule exists.
ROUTE = f"assistants/{{assistantId:maxlength({checks.MAX_ID_CHARACTERS}):regex(^[A-Za-z0-9_-]+$)}}"
CHAT_STORAGE_CONNECTION_SETTING = "AzureWebJobsStorage"
COLLECTION_NAME = "ChatState"


def blueprint(settings: Settings) -> func.Blueprint:
    routes = func.Blueprint()

    # `bytes` and not `str`: the host parses a text before the extension does, and rewrites a value that
    # looks like a date on the way. The Python worker's generic binding takes no dict.
    @routes.function_name("CreateAssistant")
    @routes.route(route=ROUTE, methods=["PUT"])
    @routes.assistant_create_output(arg_name="requests")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def create_assistant(req: func.HttpRequest, requests: func.Out[bytes]) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return respond(req, requests, settings.default_instructions)

    return routes


def respond(req: func.HttpRequest, requests: func.Out[bytes], default_instructions: str) -> func.HttpResponse:
    """202 and the create request set as output, or 400 and no output.

    The host writes the rows before it sends the answer, so a client that reads 202 finds them.
    """
    assistant_id = req.route_params.get("assistantId", "")
    body, problems = checks.parse_create_body(req.get_body())
    problems = checks.id_problems(assistant_id) + problems
    if problems:
        return bad_request(problems)
    instructions = default_instructions if body.instructions is None else body.instructions
    requests.set(create_request(assistant_id, instructions))
    return json_response({"assistantId": assistant_id}, 202)


def create_request(assistant_id: str, instructions: str) -> bytes:
    """The extension's AssistantCreateRequest. Storage and table are ours: a client cannot name others."""
    return json.dumps(
        {
            "id": assistant_id,
            "instructions": instructions,
            "chatStorageConnectionSetting": CHAT_STORAGE_CONNECTION_SETTING,
            "collectionName": COLLECTION_NAME,
        }
    ).encode()
