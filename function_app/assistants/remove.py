"""`DELETE /api/assistants/{assistantId}`, which is safe to repeat."""

import azure.functions as func

from assistants import checks, conversations, leases, routing
from assistants.leases import Held
from assistants.responses import answered, bad_request, busy
from assistants.storage import Tables


def blueprint(tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    @routes.function_name("DeleteAssistant")
    @routes.route(route=routing.ASSISTANT, methods=["DELETE"])
    def delete_assistant(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return answered(lambda: respond(req, tables))

    return routes


def respond(req: func.HttpRequest, tables: Tables) -> func.HttpResponse:
    """204, also when there was nothing; 409 while somebody writes."""
    assistant_id = req.route_params.get("assistantId", "")
    if problems := checks.id_problems(assistant_id):
        return bad_request(problems)
    found = remove(assistant_id, tables)
    return func.HttpResponse(status_code=204) if found is None else busy(assistant_id, found.retry_after)


def remove(assistant_id: str, tables: Tables) -> Held | None:
    """Delete all rows of one assistant and its lease, or say who is writing it."""
    lease = leases.acquire(tables, assistant_id)
    if isinstance(lease, Held):
        return lease
    try:
        conversations.delete(tables.chat_state, assistant_id)
    finally:
        leases.release(tables.leases, lease)
    return None
