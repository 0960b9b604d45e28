"""Starts a Python worker, sends invocations to it and restarts it when it ends."""

import asyncio
import base64
import json
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from local_azure.functions_host import worker

log = logging.getLogger("Host.Worker")

INDEXING_TIMEOUT = 120.0
"""Seconds (Docs: Python build options)."""

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


@dataclass(frozen=True)
class Datum:
    """A value of a binding or trigger, or a return value."""

    type: Literal["string", "json", "bytes"]
    value: Any


@dataclass(frozen=True)
class InvocationResponse:
    """`response` is None for a function without an HTTP output; `content` is the body."""

    outputs: Mapping[str, Datum]
    response: Mapping[str, Any] | None
    content: bytes
    returned: Datum | None = None
    """The return value of a function whose trigger azure.functions has no converter for."""


class WorkerProcess:
    """A worker that is restarted when it ends. Belongs to one event loop."""

    def __init__(self, python: str, root: Path, environment: Mapping[str, str]) -> None:
        self._command = (python, "-I", "-S", "-u", worker.__file__)
        self._root = root
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[str, asyncio.Future[InvocationResponse]] = {}
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

    async def invoke(
        self,
        function: str,
        http: Mapping[str, Any] | None = None,
        body: bytes = b"",
        inputs: Mapping[str, Datum] | None = None,
    ) -> InvocationResponse:
        """`inputs`: values of the other bindings by name. Raises HandlerError and WorkerExitedError."""
        if self._writer is None:
            raise WorkerExitedError("The worker is not running.")
        invocation = str(uuid.uuid4())
        future: asyncio.Future[InvocationResponse] = asyncio.get_running_loop().create_future()
        self._waiting[invocation] = future
        try:
            message = {
                "kind": "invoke",
                "id": invocation,
                "function": function,
                "http": http,
                "inputs": {name: asdict(value) for name, value in (inputs or {}).items()},
            }
            self._writer.write(worker.encode(message, body))
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
        reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(INDEXING_TIMEOUT):
                while (frame := await self._read(reader))[0]["kind"] != "indexed":
                    _log(frame[0])
        except TimeoutError:
            error = f"The worker did not index the functions within {INDEXING_TIMEOUT:g} s."
            return reader, IndexingResponse((), error)
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            error = f"The worker ended with code {code} while it imported the functions."
            return reader, IndexingResponse((), error)
        return reader, _indexing_response(frame[0])

    async def _supervise(self, reader: asyncio.StreamReader) -> None:
        while True:
            started = time.monotonic()
            await self._receive(reader)
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

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                message, content = await self._read(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if message["kind"] == "log":
                _log(message)
                continue
            future = self._waiting.get(message["id"])
            if future is None or future.done():
                continue
            if message["ok"]:
                future.set_result(_invocation_response(message, content))
            else:
                future.set_exception(HandlerError(message["traceback"]))

    async def _read(self, reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
        length, content_length = worker.HEADER.unpack(await reader.readexactly(worker.HEADER.size))
        message = cast("dict[str, Any]", json.loads(await reader.readexactly(length)))
        return message, await reader.readexactly(content_length)

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


def _log(message: Mapping[str, Any]) -> None:
    logging.getLogger(message["category"]).log(message["level"], "%s", message["message"])


def _indexing_response(message: Mapping[str, Any]) -> IndexingResponse:
    functions = tuple(
        FunctionMetadata(function["name"], tuple(function["bindings"])) for function in message["functions"]
    )
    return IndexingResponse(functions, message["error"], message.get("traceback"))


def _invocation_response(message: Mapping[str, Any], content: bytes) -> InvocationResponse:
    outputs = {name: _datum(output) for name, output in message["outputs"].items()}
    returned = message["returned"]
    return InvocationResponse(outputs, message["response"], content, _datum(returned) if returned else None)


def _datum(message: Mapping[str, Any]) -> Datum:
    value = message["value"]
    return Datum(message["type"], base64.b64decode(value) if message["type"] == "bytes" else value)
