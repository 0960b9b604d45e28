"""`DELETE /api/assistants/{assistantId}`, and the timer that deletes idle assistants and expired leases."""

import azure.functions as func

from assistants import lifecycle, paths, retention
from assistants.routes import parsing
from assistants.routes.responses import bad_request, handle_errors
from assistants.settings import Settings
from assistants.tables import lease_rows
from assistants.tables.clients import Tables

MAX_LEASES = 5000


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    @routes.function_name("DeleteAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["DELETE"])
    def delete_assistant(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return handle_errors(lambda: respond(req, tables))

    # Declared even if retention is off: a deployment waits for every function that the code declares.
    @routes.function_name("RemoveIdleAssistants")
    @routes.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def remove_idle_assistants(timer: func.TimerRequest) -> None:  # pyright: ignore[reportUnusedFunction] # as above
        del timer
        try:
            if settings.retention_days:
                retention.delete_idle(tables, settings.retention_days)
        finally:
            lease_rows.delete_ended(tables, MAX_LEASES)

    return routes


def respond(req: func.HttpRequest, tables: Tables) -> func.HttpResponse:
    """204, also if there is no such assistant. Raises LeaseConflictError."""
    assistant_id = req.route_params.get("assistantId", "")
    if problems := parsing.id_problems(assistant_id):
        return bad_request(problems)
    lifecycle.delete(tables, assistant_id)
    return func.HttpResponse(status_code=204)
