"""The locks, and a half-written state, that a killed Pulumi CLI leaves in a `file://` backend.

A killed `up` leaves its lock, and later commands fail while it exists (pulumi/pulumi#9047). The CLI also
writes `<stack>.json.attrs` in place, so that a `kill -9` can leave it empty; every later command then
ends with "failed to load checkpoint: EOF". Nothing needs that file. Before it writes the state the CLI copies
it to `<stack>.json.bak`.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from local_azure import process_ids, whole_file
from local_azure.home import state_file


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
        return self.host == os.uname().nodename and not process_ids.runs(self.pid)

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}) since {self.since}"


def locked_stacks(backend: Path, project: str) -> list[str]:
    """The stacks that a process has locked, or had locked when it was killed."""
    return sorted({lock.parent.name for lock in _project_folder(backend, project).glob("*/*.json")})


def clear_stranded(backend: Path, project: str, stack: str) -> list[str]:
    """Removes the locks whose process on this host is gone, and recovers the state that it was writing.

    `backend` is the folder of the `file://` backend. Returns a message for each change.
    """
    locks = _locks(backend, project, stack)
    stranded = [lock for lock in locks if lock.stranded]
    messages: list[str] = []
    for lock in stranded:
        lock.path.unlink(missing_ok=True)
        lock.path.with_name(f"{lock.path.name}.attrs").unlink(missing_ok=True)
        messages.append(f"removed the lock of {lock}: that process does not run any more")
    if stranded and len(stranded) == len(locks):
        messages += _recover_state(state_file(backend, project, stack).parent, stack)
    return messages


def _project_folder(backend: Path, project: str) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / project


def _locks(backend: Path, project: str, stack: str) -> list[Lock]:
    locks: list[Lock] = []
    for path in sorted((_project_folder(backend, project) / stack).glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
            user, host, since = content["username"], content["hostname"], content["timestamp"]
            locks.append(Lock(path, int(content["pid"]), user, host, since))
        except FileNotFoundError:
            continue  # released meanwhile
        except (ValueError, KeyError):
            locks.append(Lock(path, 0, "?", "?", "?"))
    return locks


def _recover_state(folder: Path, stack: str) -> list[str]:
    """Only for a stack without another lock: the caller has checked that."""
    state, backup = folder / f"{stack}.json", folder / f"{stack}.json.bak"
    messages: list[str] = []
    for attributes in (folder / f"{state.name}.attrs", folder / f"{backup.name}.attrs"):
        if attributes.exists() and not _is_json(attributes):
            attributes.unlink()
            messages.append(f"removed {attributes.name}, whose writing was cut off")
    if state.exists() and not _is_json(state) and _is_json(backup):
        whole_file.write(state, backup.read_bytes(), state.stat().st_mode & 0o777)
        messages.append(f"took the state from {backup.name}, since the writing of {state.name} was cut off")
    return messages


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return True
