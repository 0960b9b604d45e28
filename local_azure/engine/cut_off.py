"""What a Pulumi CLI that was killed while it wrote leaves of a stack's state, and how it is read again.

The CLI's file backend writes `<stack>.json.attrs` in place, so that a `kill -9` leaves it
empty, and every later command ends with «failed to load checkpoint: EOF». The file holds
nothing that is needed. Before it writes the state the CLI copies it to `<stack>.json.bak`.
"""

import json
import shutil
from pathlib import Path


def mend(backend: Path, project: str, stack: str) -> list[str]:
    """Makes the stack's state readable again where it is not; a notice for each thing done.

    Only for a stack that nobody works on: the caller has seen that its lock was stranded.
    """
    folder = backend / ".pulumi" / "stacks" / project
    state, backup = folder / f"{stack}.json", folder / f"{stack}.json.bak"
    notices: list[str] = []
    for attributes in (folder / f"{state.name}.attrs", folder / f"{backup.name}.attrs"):
        if attributes.exists() and not _is_json(attributes):
            attributes.unlink()
            notices.append(f"removed {attributes.name}, whose writing was cut off")
    if state.exists() and not _is_json(state) and _is_json(backup):
        whole = state.with_name(f"{state.name}.mended")
        shutil.copyfile(backup, whole)
        whole.replace(state)
        notices.append(f"took the state from {backup.name}, since the writing of {state.name} was cut off")
    return notices


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return True
