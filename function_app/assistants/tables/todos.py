"""The rows of the to-do list, the newest first."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from assistants.tables.clients import Tables, insert_row

_PARTITION = "todos"
_LAST_ROW_NUMBER = 10**20


def add(tables: Tables, task: str) -> None:
    # Row keys sort in ascending order: the newest comes first.
    row_key = f"{_LAST_ROW_NUMBER - time.time_ns():020d}-{os.urandom(4).hex()}"
    insert_row(
        tables.todos,
        {"PartitionKey": _PARTITION, "RowKey": row_key, "Task": task, "CreatedAt": datetime.now(UTC)},
    )


def newest(tables: Tables, page: int | None) -> Iterator[str]:
    """All tasks, read `page` at a time, or as many as the service gives where it is None."""
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 # clients.py says why

    try:
        for row in tables.todos.query_entities(
            "PartitionKey eq @partition",
            parameters={"partition": _PARTITION},
            select=["Task"],
            results_per_page=page,
        ):
            yield str(row["Task"])
    except ResourceNotFoundError:
        pass  # Core Tools: nothing has made the table yet
