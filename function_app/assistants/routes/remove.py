"""`DELETE /api/assistants/{assistantId}`, which is safe to repeat."""

import azure.functions as func

from assistants import lifecycle, paths
from assistants.routes import parsing
from assistants.routes.responses import bad_request, handle_errors
from assistants.tables.clients import Tables


def blueprint(tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    @routes.function_name("DeleteAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["DELETE"])
    def delete_assistant(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return handle_errors(lambda: respond(req, tables))

    return routes


def respond(req: func.HttpRequest, tables: Tables) -> func.HttpResponse:
    """204, also when there was nothing. Raises LeaseConflictError."""
    assistant_id = req.route_params.get("assistantId", "")
    if problems := parsing.id_problems(assistant_id):
        return bad_request(problems)
    lifecycle.delete(tables, assistant_id)
    return func.HttpResponse(status_code=204)
