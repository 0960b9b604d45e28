"""Starts a Python worker, sends invocations to it and restarts it when it ends."""

import asyncio
import json
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.functions_host import worker
from local_azure.functions_host.worker import Datum

log = logging.getLogger("Host.Worker")

INDEXING_TIMEOUT = 120.0
"""Seconds (Docs: Python build options)."""

_MESSAGE_LIMIT = 512 * 1024 * 1024
"""Bytes of a message: the largest body of a request in base64, and a response as large."""

_FIRST_BACKOFF = 0.1
_LAST_BACKOFF = 10.0


class WorkerExitedError(Exception):
    """The worker ended during the invocation."""


class HandlerError(Exception):
    """The handler raised, or a value of it cannot be encoded; the message is the traceback."""


@dataclass(frozen=True)
class FunctionMetadata:
    name: str
    bindings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class IndexingResponse:
    """The functions of a package; `error` is set if the package could not be indexed."""

    functions: tuple[FunctionMetadata, ...]
    error: str | None = None
    traceback: str | None = None


class WorkerProcess:
    """A worker that is restarted when it ends. Belongs to one event loop."""

    def __init__(self, python: str, root: Path, environment: Mapping[str, str]) -> None:
        self._command = (python, "-I", "-S", "-u", worker.__file__)
        self._root = root
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Datum]]] = {}
        self._ready = asyncio.Event()
        self._supervision: asyncio.Task[None] | None = None
        self._backoff = _FIRST_BACKOFF

    async def start(self) -> IndexingResponse:
        """Starts the worker and indexes the functions. Stops the worker if that fails."""
        reader, indexed = await self._launch()
        if indexed.error is None:
            self._ready.set()
            self._supervision = asyncio.create_task(self._supervise(reader))
        else:
            await self._end()
        return indexed

    async def wait_until_ready(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), seconds)
        return self._ready.is_set()

    async def invoke(self, function: str, inputs: Mapping[str, Datum]) -> dict[str, Datum]:
        """The function's outputs, `$return` among them, by name.

        `inputs` has the trigger's value, too. Raises HandlerError and WorkerExitedError.
        """
        if self._writer is None:
            raise WorkerExitedError("The worker is not running.")
        invocation = str(uuid.uuid4())
        future: asyncio.Future[dict[str, Datum]] = asyncio.get_running_loop().create_future()
        self._waiting[invocation] = future
        try:
            values = {name: worker.to_message(value) for name, value in inputs.items()}
            self._writer.write(worker.encode({"id": invocation, "function": function, "inputs": values}))
            await self._writer.drain()
            return await future
        except ConnectionError as error:
            raise WorkerExitedError(str(error)) from error
        finally:
            self._waiting.pop(invocation, None)

    async def stop(self) -> None:
        if self._supervision is not None:
            self._supervision.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervision
        await self._end()

    async def _launch(self) -> tuple[asyncio.StreamReader, IndexingResponse]:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                str(self._root),
                env=self._environment,
                cwd=self._root,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=_MESSAGE_LIMIT)
        indexed: dict[str, Any] | None = None
        try:
            async with asyncio.timeout(INDEXING_TIMEOUT):
                while (indexed := await _next_message(reader)) and indexed["kind"] != "indexed":
                    pass
        except TimeoutError:
            error = f"The worker did not index the functions within {INDEXING_TIMEOUT:g} s."
            return reader, IndexingResponse((), error)
        if indexed is None:
            code = await self._process.wait()
            error = f"The worker ended with code {code} while it imported the functions."
            return reader, IndexingResponse((), error)
        functions = tuple(FunctionMetadata(name, tuple(bindings)) for name, bindings in indexed["functions"])
        return reader, IndexingResponse(functions, indexed["error"], indexed["traceback"])

    async def _supervise(self, reader: asyncio.StreamReader) -> None:
        while True:
            started = time.monotonic()
            while (message := await _next_message(reader)) is not None:
                self._complete(message)
            self._ready.clear()
            code = await self._end()
            log.error("The Python worker ended with code %s and is restarted", code)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(WorkerExitedError(f"The worker ended with code {code}."))
            if time.monotonic() - started > _LAST_BACKOFF:
                self._backoff = _FIRST_BACKOFF
            reader = await self._restart()
            self._ready.set()

    async def _restart(self) -> asyncio.StreamReader:
        while True:
            await asyncio.sleep(self._backoff)
            self._backoff = min(self._backoff * 2, _LAST_BACKOFF)
            try:
                reader, indexed = await self._launch()
            except OSError as error:
                log.error("The Python worker does not start: %s", error)
                continue
            if indexed.error is None:
                return reader
            log.error("%s", indexed.traceback or indexed.error)
            await self._end()

    def _complete(self, message: Mapping[str, Any]) -> None:
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "traceback" in message:
            future.set_exception(HandlerError(message["traceback"]))
        else:
            outputs = message["outputs"].items()
            future.set_result({name: worker.from_message(output) for name, output in outputs})

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if process is None:
            return None
        with suppress(ProcessLookupError):
            # A handler may block the worker's event loop, so SIGTERM need not have an effect.
            process.kill()
        return await process.wait()


async def _next_message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message that is no log record, which goes to the log; None at the end."""
    while True:
        try:
            line = await reader.readline()
        except ConnectionError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        if message["kind"] != "log":
            return message
        logging.getLogger(message["category"]).log(message["level"], "%s", message["message"])
