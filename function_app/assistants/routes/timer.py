"""The one function that no request starts: the nightly removal of idle assistants and ended leases."""

import azure.functions as func

from assistants import retention
from assistants.settings import Settings
from assistants.tables import lease_rows
from assistants.tables.clients import Tables

MAX_LEASES = 5000


def blueprint(settings: Settings, tables: Tables) -> func.Blueprint:
    timers = func.Blueprint()

    # Declared also where retention is off: a deployment waits for every function that the code declares.
    @timers.function_name("RemoveIdleAssistants")
    @timers.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")  # pyright: ignore[reportUnknownMemberType] # its **kwargs have no type
    def remove_idle_assistants(timer: func.TimerRequest) -> None:  # pyright: ignore[reportUnusedFunction] # the decorators register it
        del timer
        try:
            if settings.retention_days:
                retention.delete_idle(tables, settings.retention_days)
        finally:
            lease_rows.delete_ended(tables, MAX_LEASES)

    return timers
