"""The host's side of a worker: starts it, calls it, and starts it again when it ends."""

import asyncio
import base64
import json
import logging
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from local_azure.functions_host import worker

log = logging.getLogger("Host.Worker")

INDEXING_LIMIT = 120.0
"""Seconds; Docs: Python build options give indexing two minutes."""

_FIRST_BACKOFF = 0.1
_LAST_BACKOFF = 10.0


class WorkerExitedError(Exception):
    """The worker ended while it ran the function."""


class HandlerError(Exception):
    """The handler raised, or what it returned or set cannot be sent on; the message holds the traceback."""


@dataclass(frozen=True)
class IndexedFunction:
    name: str
    bindings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Indexed:
    """What a worker found in the package; `error` says why it found nothing."""

    functions: tuple[IndexedFunction, ...]
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Input:
    """A value for the worker; None has no type."""

    type: Literal["string", "json"] | None
    value: str | None


@dataclass(frozen=True)
class Output:
    kind: Literal["string", "json", "bytes"]
    value: str | bytes


@dataclass(frozen=True)
class Result:
    """`response` is None for a function without an HTTP output; `text` is a returned `str`."""

    outputs: Mapping[str, Output]
    response: Mapping[str, Any] | None
    content: bytes
    returned: Output | None = None
    """What a function with a generic trigger gave back."""


LogSink = Callable[[str, int, str], None]
"""Category, level, message."""


class WorkerProcess:
    """One worker after another on the same code. Belongs to one event loop."""

    def __init__(self, python: str, root: Path, environment: Mapping[str, str], sink: LogSink) -> None:
        self.restarts = 0
        self._command = (python, "-I", "-S", "-u", worker.__file__)
        self._root = root
        self._environment = dict(environment)
        self._sink = sink
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[str, asyncio.Future[Result]] = {}
        self._ready = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._backoff = _FIRST_BACKOFF

    async def start(self) -> Indexed:
        """Starts the worker and waits for its index. It is kept running when that is good."""
        reader, indexed = await self._launch()
        if indexed.error is None:
            self._ready.set()
            self._keeping = asyncio.create_task(self._keep(reader))
        else:
            await self._end()
        return indexed

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    async def wait_until_ready(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), seconds)
        return self.ready

    async def invoke(
        self,
        function: str,
        http: Mapping[str, Any] | None = None,
        body: bytes = b"",
        inputs: Mapping[str, Input] | None = None,
    ) -> Result:
        """`inputs`: the values of all other bindings by name. Raises HandlerError and WorkerExitedError."""
        if self._writer is None:
            raise WorkerExitedError("The worker is not running.")
        invocation = str(uuid.uuid4())
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[invocation] = future
        try:
            message = {
                "kind": "invoke",
                "id": invocation,
                "function": function,
                "http": http,
                "inputs": {name: asdict(one) for name, one in (inputs or {}).items()},
            }
            self._writer.write(worker.encode(message, body))
            await self._writer.drain()
            return await future
        except ConnectionError as error:
            raise WorkerExitedError(str(error)) from error
        finally:
            self._waiting.pop(invocation, None)

    async def stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        await self._end()

    async def _launch(self) -> tuple[asyncio.StreamReader, Indexed]:
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
            async with asyncio.timeout(INDEXING_LIMIT):
                while (frame := await self._read(reader))[0]["kind"] != "indexed":
                    self._log(frame[0])
        except TimeoutError:
            return reader, Indexed((), f"The worker did not index the functions within {INDEXING_LIMIT:g} s.")
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            return reader, Indexed((), f"The worker ended with code {code} while it imported the functions.")
        return reader, _indexed(frame[0])

    async def _keep(self, reader: asyncio.StreamReader) -> None:
        while True:
            started = time.monotonic()
            await self._receive(reader)
            self._ready.clear()
            code = await self._end()
            log.error("The Python worker ended with code %s and is started again", code)
            self._fail(WorkerExitedError(f"The Python worker ended with code {code} during the call."))
            if time.monotonic() - started > _LAST_BACKOFF:
                self._backoff = _FIRST_BACKOFF
            reader = await self._start_again()
            self._ready.set()

    async def _start_again(self) -> asyncio.StreamReader:
        while True:
            await asyncio.sleep(self._backoff)
            self._backoff = min(self._backoff * 2, _LAST_BACKOFF)
            self.restarts += 1
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
                self._log(message)
                continue
            future = self._waiting.get(message["id"])
            if future is None or future.done():
                continue
            if message["ok"]:
                future.set_result(_result(message, content))
            else:
                future.set_exception(HandlerError(message["traceback"]))

    async def _read(self, reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
        length, content_length = worker.HEADER.unpack(await reader.readexactly(worker.HEADER.size))
        message = cast("dict[str, Any]", json.loads(await reader.readexactly(length)))
        return message, await reader.readexactly(content_length)

    def _log(self, message: Mapping[str, Any]) -> None:
        self._sink(str(message["category"]), int(message["level"]), str(message["message"]))

    def _fail(self, error: Exception) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if process is None:
            return None
        with suppress(ProcessLookupError):
            # The worker holds nothing that a gentler end would save, and a handler may block its loop.
            process.kill()
        return await process.wait()


def _indexed(message: Mapping[str, Any]) -> Indexed:
    functions = tuple(IndexedFunction(one["name"], tuple(one["bindings"])) for one in message["functions"])
    return Indexed(functions, message["error"], message.get("traceback"))


def _result(message: Mapping[str, Any], content: bytes) -> Result:
    outputs = {
        name: Output(one["type"], base64.b64decode(one["value"]) if one["type"] == "bytes" else one["value"])
        for name, one in message["outputs"].items()
    }
    returned: Mapping[str, Any] | None = message.get("returned")
    return Result(
        outputs,
        message["response"],
        content,
        Output(returned["type"], returned["value"]) if returned is not None else None,
    )
