"""Operations that go on after the answer: 202, and an address that says when they are done."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from local_azure.core import ids
from local_azure.core.errors import ArmError

log = logging.getLogger(__name__)

REMEMBERED = 1000
_PATIENCE = 1.0
"""Seconds for which the answer to `is it done?` waits: clients ask again a second later at the soonest."""


class Running:
    """Belongs to one event loop. What was under way when local Azure stops is not done."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._latest: dict[str, str] = {}

    def has(self, subject: str) -> bool:
        """Whether an operation on the subject goes on."""
        task = self._tasks.get(self._latest.get(ids.key(subject), ""))
        return task is not None and not task.done()

    def begin(self, subject: str, work: Callable[[], Coroutine[Any, Any, None]]) -> str:
        """The operation's id: of the one that goes on for this subject (an ARM id), or of a new one."""
        if self.has(subject):
            return self._latest[ids.key(subject)]
        done = [one for one, task in self._tasks.items() if task.done()]
        for one in done[: max(0, len(self._tasks) - REMEMBERED)]:
            del self._tasks[one]
        self._latest = {key: one for key, one in self._latest.items() if one in self._tasks}
        operation = str(uuid.uuid4())
        self._tasks[operation] = asyncio.create_task(work())
        self._latest[ids.key(subject)] = operation
        return operation

    async def outcome(self, operation: str) -> int:
        """202 while it goes on, 204 once it is done. Raises its ArmError, or 404 for an unknown one."""
        task = self._tasks.get(operation)
        if task is None:
            raise ArmError(404, "OperationNotFound", f"There is no operation '{operation}'.")
        if not (await asyncio.wait({task}, timeout=_PATIENCE))[0]:
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
