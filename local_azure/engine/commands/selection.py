"""Which project, backend and stack a command works on."""

import argparse
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_azure.engine.backend import Backend, backend_folder, write_atomically
from local_azure.engine.commands.output import NO_SUCH_STACK, UsageError
from local_azure.engine.config import Project, find_project

if TYPE_CHECKING:
    from local_azure.engine.session import Stack


@dataclass(frozen=True)
class Place:
    project: Project
    backend: Backend

    @classmethod
    def here(cls) -> "Place":
        """The project of the current folder, and the backend that the environment names."""
        return cls(find_project(Path.cwd()), Backend(backend_folder(dict(os.environ))))

    def exists(self, stack: str) -> bool:
        return self.backend.exists(self.project.name, stack)

    def stack(self, args: argparse.Namespace) -> "Stack":
        """The stack that the arguments name, or the selected one. Raises UsageError."""
        return self.stack_named(self.name(args), args)

    def stack_named(self, name: str, args: argparse.Namespace) -> "Stack":
        from local_azure.engine.session import Stack  # noqa: PLC0415 - gRPC: after the program's start

        file = getattr(args, "config_file", None)
        return Stack(self.project, name, self.backend, dict(os.environ), Path(file) if file else None)

    def name(self, args: argparse.Namespace) -> str:
        """Name of the stack that exists and is meant. Raises UsageError."""
        name = named(args) or os.environ.get("PULUMI_STACK") or self.selected()
        if not name:
            raise UsageError(
                "no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one, "
                "or name it with --stack"
            )
        if not self.exists(name):
            raise UsageError(
                f"no stack named '{name}' found in {self.backend.folder}; make it with "
                f"`pulumi stack init {name}`",
                NO_SUCH_STACK,
            )
        return name

    # --- the selected stack, where the CLI remembers it (P:sdk/go/common/workspace/workspace.go) ----------

    def _file(self) -> Path:
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        digest = hashlib.sha1(str(self.project.root / "Pulumi.yaml").encode()).hexdigest()  # noqa: S324 - the CLI's file name
        return home / "workspaces" / f"{self.project.name}-{digest}-workspace.json"

    def _remembered(self) -> dict[str, Any]:
        try:
            return json.loads(self._file().read_bytes())
        except (FileNotFoundError, ValueError):
            return {}

    def selected(self) -> str | None:
        remembered = self._remembered()
        stacks: dict[str, Any] = remembered.get("stacks") or {}
        name = stacks.get(os.environ.get("PULUMI_BACKEND_URL", "")) or remembered.get("stack")
        return str(name).rpartition("/")[2] if name else None

    def select(self, stack: str | None) -> None:
        remembered = self._remembered()
        stacks: dict[str, Any] = {**(remembered.get("stacks") or {})}
        url = os.environ.get("PULUMI_BACKEND_URL", "")
        if stack is None:
            stacks.pop(url, None)
        else:
            stacks[url] = f"organization/{self.project.name}/{stack}"
        content = json.dumps(remembered | {"stacks": stacks}, indent=4)
        write_atomically(self._file(), content.encode())

    def forget(self, stack: str) -> None:
        """Removes a stack with its history, and its selection. The stack's own file stays."""
        self.backend.remove(self.project.name, stack)
        if self.selected() == stack:
            self.select(None)


def named(args: argparse.Namespace) -> str | None:
    """The stack's name as given, without organization and project."""
    name = getattr(args, "name", None) or args.stack
    return str(name).rpartition("/")[2] if name else None
