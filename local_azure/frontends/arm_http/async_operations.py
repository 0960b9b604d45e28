"""ARM's asynchronous operations, which continue after a 202 response."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from local_azure.core import ids
from local_azure.core.errors import ArmError

log = logging.getLogger(__name__)

_WAIT = 1.0
"""Seconds that a status request waits for the end of the operation: clients poll every second at most."""


class AsyncOperations:
    """Belongs to one event loop. An operation does not survive the end of local Azure."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """The latest operation on each subject, by its id."""

    def has(self, subject: str) -> bool:
        """Whether an operation on the subject is running."""
        task = self._tasks.get(_operation_id(subject))
        return task is not None and not task.done()

    def begin(self, subject: str, work: Callable[[], Coroutine[Any, Any, None]]) -> str:
        """The id of the running operation on the subject (an ARM id), or of a new one."""
        operation = _operation_id(subject)
        if not self.has(subject):
            self._tasks[operation] = asyncio.create_task(work())
        return operation

    async def outcome(self, operation: str) -> int:
        """202 while it runs, 204 when it has ended. Raises its ArmError, or 404 for an unknown id."""
        task = self._tasks.get(operation)
        if task is None:
            raise ArmError(404, "OperationNotFound", f"There is no operation '{operation}'.")
        if not (await asyncio.wait({task}, timeout=_WAIT))[0]:
            return HTTPStatus.ACCEPTED
        error = task.exception()
        if error is None:
            return HTTPStatus.NO_CONTENT
        if isinstance(error, ArmError):
            raise error
        log.error("an operation failed", exc_info=error)
        raise ArmError(500, "InternalServerError", f"The operation failed: {error or type(error).__name__}.")

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _operation_id(subject: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, ids.key(subject)))
