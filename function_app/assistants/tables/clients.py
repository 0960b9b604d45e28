"""The app's own clients of its tables, beside the extension's bindings.

The SDK is imported by the first request that needs a table: it costs more than all else
that a start imports. Only the modules of this folder use the clients.
"""

import contextlib
import functools
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assistants import settings
from assistants.settings import CHAT_STATE_TABLE, Settings

if TYPE_CHECKING:
    from azure.data.tables import TableClient

# Seconds. The SDK tries three more times; its own waits of 300 s outlast every front end.
_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 20
_ANSWERS_OF_A_FRONT_END = (408, 502)


class Tables:
    """Clients of the app's tables. Their methods leave options untyped, hence `Any`.

    Each is made once, before any request has it: `TableServiceClient.get_table_client` builds a new pipeline
    over policies that all its clients share, and a request of another thread that meets such a policy between
    two pipelines fails (`AttributeError: '_SansIOHTTPPolicyRunner' object has no attribute 'next'`).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.storage
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    @property
    def chat_state(self) -> Any:
        return self._client(CHAT_STATE_TABLE)

    @property
    def leases(self) -> Any:
        return self._client(self._settings.lease_table)

    @property
    def todos(self) -> Any:
        return self._client(self._settings.todo_table)

    def _client(self, name: str) -> Any:
        with self._lock:
            if not self._clients:
                names = (CHAT_STATE_TABLE, self._settings.lease_table, self._settings.todo_table)
                self._clients = dict(zip(names, self._connect(names), strict=True))
        return self._clients[name]

    def _connect(self, names: Sequence[str]) -> "list[TableClient]":
        from azure.data.tables import TableClient  # noqa: PLC0415 # see the module's docstring

        # The SDK logs every request and its answer at Information.
        logging.getLogger("azure").setLevel(logging.WARNING)
        timeouts: dict[str, Any] = {
            "connection_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _READ_TIMEOUT,
            "retry_total": 3,
        }
        endpoint, connection_string = self._settings.table_endpoint, self._settings.connection_string
        if not endpoint:
            return [TableClient.from_connection_string(connection_string, name, **timeouts) for name in names]
        from assistants.identity import ManagedIdentity  # noqa: PLC0415 # see the module's docstring

        credential: Any = ManagedIdentity(self._settings.identity)
        return [TableClient(endpoint, name, credential=credential, **timeouts) for name in names]


@functools.cache
def current_tables() -> Tables:
    """The tables of this process's settings."""
    return Tables(settings.current())


def insert_row(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Insert a row, and its table where that is missing (Core Tools). Returns its `etag`.

    Raises as `create_entity` does. `row` needs a property, or a key, that no other writer gives it.
    """
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # see the module's docstring

    try:
        return _insert_once(table, row)
    except ResourceNotFoundError:
        _create_table(table)
        return _insert_once(table, row)


def _insert_once(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    from azure.core.exceptions import (  # noqa: PLC0415 # see the module's docstring
        HttpResponseError,
        ResourceExistsError,
        ResourceNotFoundError,
        ServiceResponseError,
    )

    try:
        return table.create_entity(row)
    except (ServiceResponseError, HttpResponseError) as error:
        # The SDK repeats neither a POST whose answer was lost nor one that a front end answered itself.
        if isinstance(error, HttpResponseError) and error.status_code not in _ANSWERS_OF_A_FRONT_END:
            raise
        try:
            existing = table.get_entity(row["PartitionKey"], row["RowKey"])
        except ResourceNotFoundError:
            raise error from None
        if any(existing.get(name) != value for name, value in row.items() if isinstance(value, str)):
            raise ResourceExistsError("Another writer's row has this key.") from error
        return {"etag": existing.metadata["etag"]}


def _create_table(table: Any) -> None:
    from azure.core.exceptions import ResourceExistsError, ServiceResponseError  # noqa: PLC0415 # see the module's docstring

    # Another request was faster, or the answer was lost: the next insert shows whether the table is there.
    with contextlib.suppress(ResourceExistsError, ServiceResponseError):
        table.create_table()
