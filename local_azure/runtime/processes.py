"""Child processes: started, restarted when they end, and ended with the daemon."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

LOG_LIMIT = 5 * 1024 * 1024
"""Bytes of a log file; the end of a longer one, of this size, moves to a second file, `NAME.1`.

The files of a log have twice this size together, and the output between two checks.
"""

GRACE_PERIOD = 5.0
"""Seconds between SIGTERM and SIGKILL."""

_LOG_CHECK = 1.0
_MIN_BACKOFF = 0.1
_MAX_BACKOFF = 10.0
_BACKOFF_RESET = 30.0
"""A child that ran for so many seconds restarts after the shortest pause."""

# The child waits for its environment until it is registered with the orphan reaper: if the daemon is killed
# in between, the pipe ends too early, and the wrapper exits.
_EXEC_WRAPPER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("exec_wrapper.py")))


@dataclass(frozen=True)
class Command:
    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    """The complete environment of the child, which inherits no variable of the daemon."""
    cwd: Path
    log: Path
    pass_fds: tuple[int, ...] = ()


class ProcessError(Exception):
    """A child that did not become ready; the message ends with the last lines of its log."""


Ready = Callable[[int], Awaitable[bool]]
"""Called with the child's process id until it returns True."""


class Supervised:
    """A child process that `await Supervised.start(...)` has started; for use in a single event loop."""

    def __init__(self, command: Command, ready: Ready, deadline: float) -> None:
        self.command = command
        self.restarts = 0
        self._ready = ready
        self._deadline = deadline
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False
        self._log_start = 0
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, command: Command, ready: Ready, deadline: float) -> "Supervised":
        """Starts the command and returns when `ready` returns True.

        `deadline` is in seconds, for this start and for each restart. Raises ProcessError, with the child
        ended, when the child ends before it is ready or is not ready in time.
        """
        supervised = cls(command, ready, deadline)
        try:
            await supervised._launch()
        except BaseException:
            await supervised._end()
            raise
        supervised._watch = asyncio.create_task(supervised._keep(), name=f"supervise {command.name}")
        return supervised

    @property
    def alive(self) -> bool:
        """The child runs and was ready since its last start."""
        return self._is_ready and self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def stop(self) -> None:
        """Ends the child and all of its process group; safe to repeat."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._end()

    async def _launch(self) -> None:
        self._is_ready = False
        command = self.command
        environment = _entries(command)
        command.log.parent.mkdir(parents=True, exist_ok=True)
        keep_small(command.log)
        with command.log.open("ab") as output:
            self._log_start = output.tell()
            process = await asyncio.create_subprocess_exec(
                *_EXEC_WRAPPER,
                *command.argv,
                env={},
                cwd=command.cwd,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=command.pass_fds,
            )
        self._process = process
        _orphan_reaper.add(process.pid)
        assert process.stdin is not None  # noqa: S101 # a pipe, see above
        with suppress(OSError):
            process.stdin.write(environment)
            process.stdin.close()
        await self._wait_until_ready(process)
        self._is_ready = True

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        name, loop = self.command.name, asyncio.get_running_loop()
        end, pause = loop.time() + self._deadline, 0.01
        while True:
            ended = process.returncode is not None  # read first: it may become ready and then end
            if await self._ready(process.pid):
                return
            await asyncio.to_thread(keep_small, self.command.log)
            if ended:
                raise ProcessError(
                    f"{name} ended with code {process.returncode} before it was ready.{self._last_lines()}"
                )
            if loop.time() > end:
                raise ProcessError(f"{name} was not ready within {self._deadline:g} s.{self._last_lines()}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    async def _keep(self) -> None:
        """Restarts the child each time it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        backoff = _MIN_BACKOFF
        while True:
            started = loop.time()
            code = await self._wait_and_trim()
            self._is_ready = False
            if loop.time() - started > _BACKOFF_RESET:
                backoff = _MIN_BACKOFF
            log.warning("%s ended with code %s; restarting it in %.1f s", self.command.name, code, backoff)
            await self._end()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _MAX_BACKOFF)
            self.restarts += 1
            try:
                await self._launch()
            except (ProcessError, OSError) as error:
                log.error("%s", error)
            else:
                log.info("%s runs again (restart %d)", self.command.name, self.restarts)

    async def _wait_and_trim(self) -> int | None:
        if self._process is None or not self._is_ready:
            return None
        waiting = asyncio.ensure_future(self._process.wait())
        try:
            while not (await asyncio.wait({waiting}, timeout=_LOG_CHECK))[0]:
                await asyncio.to_thread(keep_small, self.command.log)
            return waiting.result()
        finally:
            waiting.cancel()

    async def _end(self) -> None:
        process, self._process, self._is_ready = self._process, None, False
        if process is None:
            return
        # The group also when the child itself is gone: its own children have no use without it.
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE_PERIOD)
        except TimeoutError:
            log.warning("%s did not end within %g s and is killed", self.command.name, GRACE_PERIOD)
        finally:
            _signal_group(process.pid, signal.SIGKILL)
            _orphan_reaper.remove(process.pid)
        await process.wait()

    def _last_lines(self) -> str:
        return last_lines(self.command.log, since=self._log_start)


def last_lines(file: Path, count: int = 15, *, since: int = 0) -> str:
    """The end of a log, as a paragraph for the end of a message; empty when there is no log.

    Lines count from the offset `since` (bytes) on; all of them when the log is shorter, since it was emptied.
    """
    try:
        with file.open("rb") as content:
            size = file.stat().st_size
            content.seek(max(since if since <= size else 0, size - 8192))
            lines = content.read().decode(errors="replace").strip().splitlines()[-count:]
    except OSError:
        return ""
    return f" The end of {file}:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""


def keep_small(file: Path) -> None:
    """Moves the end of a long log to `NAME.1` and empties the log, which the child has open for appending."""
    try:
        size = file.stat().st_size
        if size > LOG_LIMIT:
            with file.open("rb") as content:
                content.seek(size - LOG_LIMIT)
                file.with_name(f"{file.name}.1").write_bytes(content.read(LOG_LIMIT))
            os.truncate(file, 0)
    except FileNotFoundError:
        return


def _entries(command: Command) -> bytes:
    """The environment as exec_wrapper.py reads it. Raises ProcessError for a variable that cannot exist."""
    invalid = [
        repr(name)
        for name, value in command.env.items()
        if not name or "=" in name or "\0" in name or "\0" in value
    ]
    if invalid:
        raise ProcessError(
            f"{command.name} cannot start: the environment cannot hold {', '.join(invalid)} (a name is not "
            "empty and has no '=', and neither name nor value has a NUL); rename or remove the setting."
        )
    entries = (os.fsencode(f"{name}={value}") + b"\0" for name, value in command.env.items())
    return b"".join(entries) + b"\0"


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_all() -> None:
    """Ends every child with SIGKILL: after a SIGTERM it would save its data."""
    for group in _orphan_reaper.groups:
        _signal_group(group, signal.SIGKILL)


class _OrphanReaper:
    """The process of orphan_reaper.py for all children, started with the first child."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.groups: set[int] = set()

    def add(self, group: int) -> None:
        self.groups.add(group)
        if self._process is None or self._process.poll() is not None:
            self._start()
        else:
            self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        self.groups.discard(group)
        self._write(f"-{group}\n")

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("orphan_reaper.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        self._write("".join(f"+{group}\n" for group in self.groups))

    def _write(self, text: str) -> None:
        # A reaper that was killed is started again with the next child.
        with suppress(OSError, ValueError):
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(text.encode())
                self._process.stdin.flush()


_orphan_reaper = _OrphanReaper()
