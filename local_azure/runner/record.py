"""The minimal runner's record of a stack's resources, written when a step begins and when it ends."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from local_azure import whole_file
from local_azure.cli.output import CommandError
from local_azure.home import Home


@dataclass(frozen=True)
class Entry:
    """A resource; a component has no `id`. The `outputs` of the root stack are the program's exports."""

    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    dependencies: list[str] = field(default_factory=list[str])  # URNs, the parent's among them
    protect: bool = False
    pending: bool = False  # a step began and has not ended


class Record:
    """Entries by URN; thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, Lock()
        try:
            content: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
        except ValueError as error:
            raise CommandError(f"{file} is damaged ({error}): `make clean`, then `make local`.") from error
        self.entries = {urn: Entry(**entry) for urn, entry in content.items()}

    def note(self, urn: str, entry: Entry | None) -> None:
        """Replaces the entry, or removes it (None). Raises OSError."""
        with self._lock:
            self.entries.pop(urn, None)
            self.entries |= {urn: entry} if entry else {}
            self._file.parent.stat()  # raises after a reset, so that the home is not created again
            content = {urn: asdict(entry) for urn, entry in self.entries.items()}
            whole_file.write(self._file, json.dumps(content, indent=1).encode())


def record_file(home: Home, project: str, stack: str) -> Path:
    return home.root / "runner" / f"{project}.{stack}.json"


def runner_resources(home: Home, project: str, stack: str) -> dict[str, dict[str, Any]]:
    """The inputs of the stack's resources in the minimal runner's record, by URN."""
    entries = Record(record_file(home, project, stack)).entries
    return {urn: entry.inputs for urn, entry in entries.items() if entry.id}
