"""The rows of the to-do list, newest first."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from assistants.tables.clients import Tables, insert_row

_PARTITION = "todos"
_LAST_ROW_NUMBER = 10**20


def add(tables: Tables, task: str) -> None:
    # Row keys sort in ascending order, so that the newest task comes first.
    row_key = f"{_LAST_ROW_NUMBER - time.time_ns():020d}-{os.urandom(4).hex()}"
    insert_row(
        tables.todos,
        {"PartitionKey": _PARTITION, "RowKey": row_key, "Task": task, "CreatedAt": datetime.now(UTC)},
    )


def newest(tables: Tables, page: int | None) -> Iterator[str]:
    """All tasks, newest first, read in pages of `page` rows; None for the service's maximum."""
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
        pass  # Core Tools: the table does not exist yet
