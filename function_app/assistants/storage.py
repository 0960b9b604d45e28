"""The app's own way to its tables, beside the extension's bindings.

The SDK is imported by the first request that needs a table: it costs more than all else
that a start imports.
"""

import contextlib
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

from assistants import settings
from assistants.settings import CHAT_STATE_TABLE, Settings

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

# Seconds. The SDK tries three more times; its own waits of 300 s outlast every front end.
_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 20


class Tables:
    """Clients of the tables, made once. Their methods leave options untyped, hence `Any`."""

    def __init__(self, found: Settings) -> None:
        self._settings = found.storage
        self._lock = threading.Lock()
        self._service: TableServiceClient | None = None

    @property
    def chat_state(self) -> Any:
        return self.table(CHAT_STATE_TABLE)

    @property
    def leases(self) -> Any:
        return self.table(self._settings.lease_table)

    @property
    def todos(self) -> Any:
        return self.table(self._settings.todo_table)

    def table(self, name: str) -> Any:
        with self._lock:
            if self._service is None:
                self._service = self._connect()
        return self._service.get_table_client(name)

    def _connect(self) -> "TableServiceClient":
        from azure.data.tables import TableServiceClient  # noqa: PLC0415 # see above

        # The SDK logs every request and its answer at Information.
        logging.getLogger("azure").setLevel(logging.WARNING)
        timeouts: dict[str, Any] = {
            "connection_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _READ_TIMEOUT,
            "retry_total": 3,
        }
        if not self._settings.table_endpoint:
            return TableServiceClient.from_connection_string(self._settings.connection_string, **timeouts)
        from assistants.identity import ManagedIdentity  # noqa: PLC0415 # see above

        credential: Any = ManagedIdentity(self._settings.identity)
        return TableServiceClient(self._settings.table_endpoint, credential=credential, **timeouts)


@functools.cache
def tables() -> Tables:
    """The tables of this process's settings."""
    return Tables(settings.current())


def insert(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Insert a row, and its table where that is missing (Core Tools). Raises as `create_entity` does."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError  # noqa: PLC0415 # see above

    try:
        return table.create_entity(row)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):  # another request was faster
            table.create_table()
        return table.create_entity(row)
