"""The state that the Pulumi CLI keeps in a `file://` backend, and what a killed CLI leaves in it.

A killed `up` leaves its lock, and later commands fail while it exists (pulumi/pulumi#9047). The CLI also
writes `<stack>.json.attrs` in place, so that a `kill -9` can leave it empty; every later command then
ends with "failed to load checkpoint: EOF". Nothing needs that file. Before it writes the state the CLI copies
it to `<stack>.json.bak`.
"""

import json
import os
from pathlib import Path
from typing import Any

from local_azure import process_ids, whole_file
from local_azure.home import Home


def state_file(backend: Path, project: str, stack: str) -> Path:
    return backend / ".pulumi" / "stacks" / project / f"{stack}.json"


def cli_resources(home: Home, project: str, stack: str) -> dict[str, dict[str, Any]]:
    """The inputs of the stack's resources in the Pulumi CLI's state, by URN."""
    file = state_file(home.backend, project, stack)
    try:
        resources: list[dict[str, Any]] = _latest(file).get("resources") or []
    except (OSError, ValueError):
        # Cut off by a kill of the CLI: the next `pulumi` command recovers it.
        return {"unreadable": {}} if file.exists() else {}
    return {entry["urn"]: entry.get("inputs") or {} for entry in resources if entry.get("custom")}


def has_pending_deletions(backend: Path, project: str, stack: str) -> bool:
    """Whether the state has resources that are deleted by now: Azure completes an accepted deletion."""
    try:
        pending = _latest(state_file(backend, project, stack)).get("pending_operations") or ()
    except (OSError, ValueError):
        return False
    return any(operation["type"] == "deleting" for operation in pending)


def _latest(file: Path) -> dict[str, Any]:
    return json.loads(file.read_bytes())["checkpoint"].get("latest") or {}


def locked_stacks(backend: Path, project: str) -> list[str]:
    """The stacks that a process has locked, or had locked when it was killed."""
    return sorted({lock.parent.name for lock in _locks_folder(backend, project).glob("*/*.json")})


def clear_stranded(backend: Path, project: str, stack: str) -> list[str]:
    """Removes the locks whose process on this host is gone, and recovers the state that it was writing.

    `backend` is the folder of the `file://` backend. Returns a message for each change.
    """
    messages: list[str] = []
    others = False
    for path in sorted((_locks_folder(backend, project) / stack).glob("*.json")):
        try:
            lock: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            continue  # released meanwhile
        except ValueError:
            lock = {}
        if lock.get("hostname") != os.uname().nodename or process_ids.runs(int(lock["pid"])):
            others = True
            continue
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)
        holder = f"{lock['username']}@{lock['hostname']} (pid {lock['pid']}) since {lock['timestamp']}"
        messages.append(f"removed the lock of {holder}: that process does not run any more")
    if messages and not others:
        messages += _recover_state(state_file(backend, project, stack).parent, stack)
    return messages


def _locks_folder(backend: Path, project: str) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / project


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
