"""Whether local Azure runs, and its ports: a lock file, and `run.json`, which it writes when it is ready.

The daemon locks both with the kernel's flock, which a crash releases. `run.json` has its own lock, since the
one that a killed daemon left would otherwise be valid again while the next daemon starts.
"""

import fcntl
import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from local_azure.home import Home, HomeError


@dataclass(frozen=True)
class Run:
    """A local Azure that is ready. Ports are on 127.0.0.1."""

    pid: int
    started: float
    """Seconds since 1970."""
    provider_port: int
    gateway_port: int
    new_ports: list[str] = field(default_factory=list[str])
    """Names of ports that were replaced at this start, so that stacks have to be refreshed."""


class LockHeldError(Exception):
    """Another process runs local Azure in this home."""


def write(home: Home, run: Run) -> int:
    """Writes and locks `run.json`: the daemon is ready until it ends or removes the file. Its descriptor."""
    temporary = home.run_file.with_name(f".{home.run_file.name}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, f"{json.dumps(asdict(run))}\n".encode())
    temporary.replace(home.run_file)
    return handle


def find(home: Home) -> Run | None:
    """The local Azure that is ready in this home, if any. Raises HomeError for a damaged file."""
    try:
        with home.run_file.open() as file:
            return Run(**json.load(file)) if _is_locked(file.fileno()) else None
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise HomeError(
            f"{home.run_file} is damaged ({error}): `python -m local_azure stop`, then start it again."
        ) from error


def is_held(home: Home) -> bool:
    """Whether a daemon is starting, ready or stopping."""
    try:
        with home.lock_file.open() as file:
            return _is_locked(file.fileno())
    except FileNotFoundError:
        return False


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def holder(home: Home) -> int | None:
    """The process id that the holder of the lock wrote into it."""
    try:
        return int(home.lock_file.read_text())
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def starting(home: Home) -> Generator[None]:
    """Serialises starts, so that a second one finds the daemon that the first one started."""
    handle = os.open(home.root / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def still_holds(home: Home, handle: int) -> bool:
    """False where the lock file was removed or replaced, so that others do not see the lock."""
    try:
        return home.lock_file.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def hold(home: Home) -> int:
    """Takes the lock until this process ends; its file descriptor. Raises LockHeldError."""
    handle = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    # `is_held` holds a shared lock for a moment. A daemon must not wait longer: it would start when another
    # daemon, which the user stops, ends.
    deadline = time.monotonic() + 0.5
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(handle)
                raise LockHeldError(
                    f"local Azure already runs in {home.root} (process {holder(home)})"
                ) from error
            time.sleep(0.005)
    os.truncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle
