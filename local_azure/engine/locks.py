"""Stack locks in the CLI's place and form, and what to do with the lock of a process that is no more.

Imports nothing of the engine's protocol, so that others can clear stranded locks cheaply.
"""

import getpass
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_azure import process_ids
from local_azure.engine import cut_off
from local_azure.engine.errors import EngineError


def _host() -> str:
    return os.uname().nodename


class LockedError(EngineError):
    pass


@dataclass(frozen=True)
class Lock:
    path: Path
    pid: int
    user: str
    host: str
    since: str

    @property
    def stranded(self) -> bool:
        """Whether its process is known to be gone: it was on this host and does not run."""
        return self.host == _host() and not process_ids.runs(self.pid)

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}) since {self.since}"


def _folder(backend: Path, project: str, stack: str) -> Path:
    return _project_folder(backend, project) / stack


def _project_folder(backend: Path, project: str) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / project


def locked_stacks(backend: Path, project: str) -> list[str]:
    """The stacks that somebody holds, or held when it was killed."""
    return sorted({lock.parent.name for lock in _project_folder(backend, project).glob("*/*.json")})


def locks(backend: Path, project: str, stack: str) -> list[Lock]:
    found: list[Lock] = []
    for path in sorted(_folder(backend, project, stack).glob("*.json")):
        try:
            data = json.loads(path.read_bytes())
            found.append(Lock(path, int(data["pid"]), data["username"], data["hostname"], data["timestamp"]))
        except FileNotFoundError:
            continue  # released meanwhile
        except (ValueError, KeyError):
            found.append(Lock(path, 0, "?", "?", "?"))
    return found


def _remove(lock: Lock) -> None:
    lock.path.unlink(missing_ok=True)
    lock.path.with_name(lock.path.name + ".attrs").unlink(missing_ok=True)


def clear_stranded(backend: Path, project: str, stack: str) -> list[str]:
    """Removes the locks whose process on this host is gone, and mends what it was writing; a notice for each.

    `backend` is the folder of the `file://` backend. A killed `up` leaves its lock, and neither
    engine goes on while it stands (pulumi/pulumi#9047).
    """
    found = locks(backend, project, stack)
    notices: list[str] = []
    for lock in found:
        if lock.stranded:
            _remove(lock)
            notices.append(f"removed the lock of {lock}: that process does not run any more")
    if found and len(notices) == len(found):
        notices += cut_off.mend(backend, project, stack)
    return notices


def cancel(backend: Path, project: str, stack: str) -> list[Lock]:
    """Removes every lock of the stack, whoever holds it."""
    found = locks(backend, project, stack)
    for lock in found:
        _remove(lock)
    return found


@contextmanager
def locked(backend: Path, project: str, stack: str) -> Generator[None]:
    """Holds the stack's lock. Raises LockedError, which says who holds it and what to do."""
    folder = _folder(backend, project, stack)
    path = folder / f"{os.urandom(16).hex()}.json"
    _refuse(backend, project, stack, path)
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": os.getpid(),
        "username": getpass.getuser(),
        "hostname": _host(),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    # In one step: a lock that a kill cut off in the middle would name nobody, and stand for ever.
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content))
    unfinished.replace(path)
    try:
        # Two may have looked at the same moment: the lock counts only when no other stands beside it.
        _refuse(backend, project, stack, path)
        yield
    finally:
        path.unlink(missing_ok=True)


def _refuse(backend: Path, project: str, stack: str, own: Path) -> None:
    others = [lock for lock in locks(backend, project, stack) if lock.path != own]
    if not others:
        return
    lines = "".join(f"\n  {lock.path}: created by {lock}" for lock in others)
    raise LockedError(
        f"the stack is currently locked by {len(others)} lock(s). Either wait for the other process(es) to "
        f"end, or, if they are gone for good, remove the lock with `cancel`.{lines}"
    )
