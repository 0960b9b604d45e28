"""Follows child processes on the event loop: what they write, and their end."""

import asyncio
import subprocess
from collections.abc import Callable
from typing import IO

from local_azure.engine.config import ConfigError

_LONGEST_LINE = 2**24


async def follow(
    process: "subprocess.Popen[bytes]", out: Callable[[str], None], err: Callable[[str], None]
) -> int:
    """The exit code, when the process has ended. `out` and `err` get each line it writes to that stream."""
    await asyncio.gather(_lines(process.stdout, out), _lines(process.stderr, err))
    return await asyncio.to_thread(process.wait)


async def port_of(answers: IO[bytes], line: Callable[[str], None]) -> int:
    """The port a provider listens on: its first line. What it writes later goes to `line`."""
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def take(text: str) -> None:
        if found.done():
            line(text)
        else:
            found.set_result(int(text))

    async def read() -> None:
        await _lines(answers, take)
        if not found.done():
            found.set_exception(ConfigError("the host of the dynamic providers ended before it was ready"))

    reading = asyncio.create_task(read())
    # The loop holds tasks weakly, and this one has to outlive the call: its end lets go of it.
    _reading.add(reading)
    reading.add_done_callback(_reading.discard)
    return await found


_reading: set["asyncio.Task[None]"] = set()


async def _lines(pipe: IO[bytes] | None, line: Callable[[str], None]) -> None:
    if pipe is None:
        return
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while data := await reader.readline():
            line(data.decode(errors="replace").rstrip("\n"))
    finally:
        transport.close()
