"""What a stack has, on disk: each step is noted when it begins and when it ends."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from local_azure import whole_file
from local_azure.home import Home


@dataclass(frozen=True)
class Entry:
    """A resource; a component has no `id`. The root stack's `outputs` are what the program exports."""

    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    dependencies: list[str] = field(default_factory=list[str])  # URNs, the parent's among them
    protect: bool = False
    pending: bool = False  # a step began, and its end is not noted


class Record:
    """Entries by URN. Threads may share it."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, Lock()
        content: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
        self.entries = {urn: Entry(**entry) for urn, entry in content.items()}

    def note(self, urn: str, entry: Entry | None) -> None:
        """None: it is gone. Raises OSError."""
        with self._lock:
            self.entries.pop(urn, None)
            self.entries |= {urn: entry} if entry else {}
            self._file.parent.stat()  # a home that was reset meanwhile is not made again
            content = {urn: asdict(entry) for urn, entry in self.entries.items()}
            whole_file.write(self._file, json.dumps(content, indent=1).encode(), 0o600)


def record_file(home: Home, project: str, stack: str) -> Path:
    return home.root / "runner" / f"{project}.{stack}.json"


def runner_resources(home: Home, project: str, stack: str) -> bool:
    """Whether the minimal runner has resources of this stack."""
    return any(entry.id for entry in Record(record_file(home, project, stack)).entries.values())


def cli_resources(home: Home, project: str, stack: str) -> bool:
    """Whether the Pulumi CLI's state has resources of this stack."""
    file = home.backend / ".pulumi" / "stacks" / project / f"{stack}.json"
    try:
        state: Any = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return file.exists()  # a CLI that was killed wrote it: the next `pulumi` command recovers it
    latest: Any = state["checkpoint"].get("latest") or {}
    return any(resource.get("custom") for resource in latest.get("resources") or ())
