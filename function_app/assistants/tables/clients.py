"""The clients of the app's tables.

The SDK is imported by the first request that needs a table, since its import takes longer than all other
imports of a cold start. Only the modules of this folder use the clients.
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

# Seconds. The SDK retries three times; its default timeouts of 300 s exceed those of every front end.
_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 20
_FRONT_END_STATUSES = (408, 502)


class Tables:
    """The clients of the app's tables. Their methods leave options untyped, hence `Any`.

    All are created once, before the first request: `TableServiceClient.get_table_client` builds a pipeline
    over policies that its clients share, and a concurrent request that uses such a policy fails
    (`AttributeError: '_SansIOHTTPPolicyRunner' object has no attribute 'next'`).
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

        # The SDK logs every request and response at Information.
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
    """Insert a row, and create its table if that is missing (Core Tools). Returns a mapping with its `etag`.

    Raises what `create_entity` raises. `row` needs a key or a string property that is unique to the writer.
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
        # The SDK does not repeat a POST whose response was lost or came from a front end.
        if isinstance(error, HttpResponseError) and error.status_code not in _FRONT_END_STATUSES:
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

    # Another request created it, or the response was lost: the next insert shows whether it exists.
    with contextlib.suppress(ResourceExistsError, ServiceResponseError):
        table.create_table()
