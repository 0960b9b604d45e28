"""Whether local Azure runs, and its ports: a locked file, and `run.json`, which it writes when it is ready.

The daemon locks `daemon.lock`, which has its process id, with the kernel's flock, which a crash releases.
"""

import fcntl
import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field

from filelock import FileLock, Timeout

from local_azure import process_ids, whole_file
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


def write(home: Home, run: Run) -> None:
    """The daemon is ready until it ends or removes the file."""
    whole_file.write(home.run_file, f"{json.dumps(asdict(run))}\n".encode())


def find(home: Home) -> Run | None:
    """The local Azure that is ready in this home, if any. Raises HomeError for a damaged file."""
    if not is_held(home):
        return None
    try:
        run = Run(**json.loads(home.run_file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise HomeError(
            f"{home.run_file} is damaged ({error}): `python -m local_azure stop`, then start it again."
        ) from error
    # The next daemon holds the lock for a moment before it removes the file of a killed one.
    return run if process_ids.runs(run.pid) else None


def is_held(home: Home) -> bool:
    """Whether a daemon is starting, ready or stopping."""
    try:
        with home.lock_file.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(home: Home) -> int | None:
    """The process id that the holder of the lock wrote into it; None also where the file was removed."""
    try:
        return int(home.lock_file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def hold(home: Home) -> AbstractContextManager[object]:
    """Takes the lock; a context manager that releases it. Raises LockHeldError."""
    try:
        # `is_held` holds a shared lock for a moment. A daemon must not wait longer: it would start when
        # another daemon, which the user stops, ends.
        lock = FileLock(home.lock_file, mode=0o600).acquire(timeout=0.5, poll_interval=0.005)
    except Timeout as error:
        raise LockHeldError(f"local Azure already runs in {home.root} (process {holder(home)})") from error
    home.lock_file.write_text(f"{os.getpid()}\n")
    return lock
