"""`DELETE /api/assistants/{assistantId}`, which is safe to repeat."""

from collections.abc import Callable

import azure.functions as func

from assistants import checks, leases, paths
from assistants.leases import LeaseConflict, LeaseLostError, Purpose
from assistants.routes.responses import answered, bad_request, busy
from assistants.tables import conversations
from assistants.tables.clients import Tables


def blueprint(tables: Tables) -> func.Blueprint:
    routes = func.Blueprint()

    @routes.function_name("DeleteAssistant")
    @routes.route(route=paths.ASSISTANT, methods=["DELETE"])
    def delete_assistant(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        return answered(lambda: respond(req, tables))

    return routes


def respond(req: func.HttpRequest, tables: Tables) -> func.HttpResponse:
    """204, also when there was nothing; 409 while another request writes, or a call may still do so."""
    assistant_id = req.route_params.get("assistantId", "")
    if problems := checks.id_problems(assistant_id):
        return bad_request(problems)
    outcome = remove(assistant_id, tables)
    if isinstance(outcome, LeaseConflict):
        return busy(assistant_id, outcome)
    return func.HttpResponse(status_code=204)


def remove(
    assistant_id: str, tables: Tables, *, only_if: Callable[[], bool] = lambda: True
) -> bool | LeaseConflict:
    """Delete all rows of one assistant and its lease, or return who is writing it.

    `only_if` is asked when nobody else can write any more; False where it has said no.
    """
    lease = leases.acquire(tables, assistant_id, Purpose.WRITE)
    if isinstance(lease, LeaseConflict):
        return lease
    try:
        if not only_if():
            return False
        conversations.delete(tables.chat_state, assistant_id, lease.renew_if_due)
    except LeaseLostError:
        return leases.lost_lease()
    finally:
        leases.release_and_log(lease)
    return True
