"""The CLI's `file://` backend: checkpoints, history and stacks below `<folder>/.pulumi`."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from local_azure.engine.errors import EngineError

Json = dict[str, Any]


class BackendError(EngineError):
    pass


def backend_folder(environment: dict[str, str]) -> Path:
    """The folder of PULUMI_BACKEND_URL.

    Raises BackendError unless it is a `file://` URL: a fake must never stand in a real stack's state.
    """
    url = environment.get("PULUMI_BACKEND_URL", "")
    if not url.startswith("file://"):
        shown = repr(url) if url else "not set"
        raise BackendError(
            f"PULUMI_BACKEND_URL is {shown}: local Azure's embedded engine runs local stacks only, "
            "kept in a file:// backend. Use `python -m local_azure pulumi ...`, which sets it"
        )
    folder = Path(unquote(url.removeprefix("file://").partition("?")[0])).expanduser()
    if urlsplit(url).netloc not in ("", "~", "."):
        raise BackendError(f"PULUMI_BACKEND_URL {url!r} names a host: write file:///absolute/folder")
    if not folder.is_dir():
        raise BackendError(f"PULUMI_BACKEND_URL {url!r}: the folder {str(folder)!r} does not exist")
    return folder


def write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _dump(data: Json) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Backend:
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / ".pulumi"

    def stack_file(self, project: str, stack: str) -> Path:
        return self.root / "stacks" / project / f"{stack}.json"

    def stacks(self, project: str) -> Iterator[str]:
        for path in sorted((self.root / "stacks" / project).glob("*.json")):
            yield path.stem

    def exists(self, project: str, stack: str) -> bool:
        return self.stack_file(project, stack).exists()

    def load(self, project: str, stack: str) -> Json:
        """The checkpoint file as it stands. Raises BackendError where there is none or it is not JSON."""
        path = self.stack_file(project, stack)
        try:
            data: Any = json.loads(path.read_bytes())
        except FileNotFoundError:
            if path.with_name(path.name + ".gz").exists():
                raise BackendError(
                    f"{path}.gz is compressed; unset PULUMI_DIY_BACKEND_GZIP and let the CLI write it"
                ) from None
            raise BackendError(f"no stack named '{stack}' found") from None
        except ValueError as error:
            raise BackendError(
                f"{path} is not a checkpoint: {error}; the one before it is {path}.bak"
            ) from error
        return data

    def latest(self, project: str, stack: str) -> Json:
        """The deployment inside the checkpoint, secrets encrypted as they are."""
        found: Json | None = self.load(project, stack)["checkpoint"].get("latest")
        return found or {}

    def save(self, project: str, stack: str, checkpoint: Json) -> None:
        """Replaces the checkpoint in one step; the one before it stays as `.bak`, as with the CLI."""
        path = self.stack_file(project, stack)
        if path.exists():
            backup = path.with_name(path.name + ".bak")
            backup.unlink(missing_ok=True)
            os.link(path, backup)
        else:
            self._mark_layout()
        write_atomically(path, _dump(checkpoint))
        # The CLI's storage library keeps a checksum beside each file it wrote; it is not ours any more.
        path.with_name(path.name + ".attrs").unlink(missing_ok=True)

    def _mark_layout(self) -> None:
        """Without the mark the CLI takes the folder for the layout before projects."""
        meta = self.root / "meta.yaml"
        if not meta.exists():
            write_atomically(meta, b"version: 1\n")

    def add_history(self, project: str, stack: str, update: Json) -> None:
        prefix = self.root / "history" / project / stack / f"{stack}-{time.time_ns()}"
        write_atomically(prefix.with_name(prefix.name + ".history.json"), _dump(update))
        os.link(self.stack_file(project, stack), prefix.with_name(prefix.name + ".checkpoint.json"))

    def history(self, project: str, stack: str) -> list[Json]:
        """Earlier runs, newest first."""
        files = (self.root / "history" / project / stack).glob(f"{stack}-*.history.json")
        return [json.loads(path.read_bytes()) for path in sorted(files, reverse=True)]

    def remove(self, project: str, stack: str) -> None:
        path = self.stack_file(project, stack)
        path.replace(path.with_name(path.name + ".bak"))
        path.with_name(path.name + ".attrs").unlink(missing_ok=True)
        shutil.rmtree(self.root / "history" / project / stack, ignore_errors=True)
