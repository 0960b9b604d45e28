"""The location of a bootstrap stack's own state: on this machine until it is moved to the container.

The caller's PULUMI_BACKEND_URL is ignored: it is the backend of the main project, or was left in the shell
by something else. The stack file has the backend that the state was moved to, so that every clone knows it.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from ops.engine import PROJECT, Pulumi
from ops.output import OpsError

BACKEND_KEY = "state:backendUrl"
"""Key in the stack file; written after the state was moved and a preview has shown no changes."""


@dataclass(frozen=True)
class StateLocation:
    """The location of the state of one bootstrap stack. `root` is the checkout."""

    stack: str
    root: Path = PROJECT
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def stack_file(self) -> Path:
        return self.root / "bootstrap" / f"Pulumi.{self.stack}.yaml"

    @property
    def folder(self) -> Path:
        """The folder of the state on this machine, which git ignores."""
        return self.root / ".bootstrap"

    @property
    def local_url(self) -> str:
        return self.folder.as_uri()

    @property
    def is_here(self) -> bool:
        """Whether this machine has a state of the stack."""
        stacks = self.folder / ".pulumi" / "stacks" / "bootstrap"
        return any((stacks / f"{self.stack}.json{ending}").is_file() for ending in ("", ".gz"))

    @property
    def moved_to(self) -> str:
        """The backend in the stack file; empty before the state was moved."""
        config: dict[str, Any] = self._stack_settings().get("config") or {}
        return str(config.get(BACKEND_KEY) or "")

    def pulumi(self, url: str = "") -> Pulumi:
        """Pulumi with a backend, by default the current one of the state. Raises OpsError."""
        if not url:
            url = self.moved_to or self.local_url
            if url == self.local_url and not self.is_here:
                self._refuse_new_state()
        if url == self.local_url:
            self.folder.mkdir(exist_ok=True, mode=0o700)
        environment = {**self.environment, "PULUMI_BACKEND_URL": url}
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment:
            # This state has no secrets, and the key that will encrypt it does not exist yet.
            environment.setdefault("PULUMI_CONFIG_PASSPHRASE", "")
        return Pulumi(folder=self.root / "bootstrap", environment=environment)

    def forget_local(self) -> None:
        """Remove this stack's state from this machine, and the folder if it is empty then."""
        if self.is_here:
            words = ("stack", "rm", self.stack, "--yes", "--force", "--preserve-config", "--remove-backups")
            self.pulumi(self.local_url).run(*words)
        stacks = self.folder / ".pulumi" / "stacks"
        if self.folder.is_dir() and not any(file.is_file() for file in stacks.rglob("*.json*")):
            shutil.rmtree(self.folder)

    def _stack_settings(self) -> dict[str, Any]:
        if not self.stack_file.is_file():
            return {}
        content: object = yaml.safe_load(self.stack_file.read_text(encoding="utf-8"))
        return cast("dict[str, Any]", content) if isinstance(content, dict) else {}

    def _refuse_new_state(self) -> None:
        provider = str(self._stack_settings().get("secretsprovider") or "")
        if provider not in ("", "passphrase"):
            raise OpsError(
                f"{self.stack_file} says that the state of {self.stack} is encrypted by {provider}, so it "
                "exists; but it is not on this machine, and the file has no backend that it was moved to. "
                "If it is on another machine, run `make bootstrap-move` there and commit the file. "
                f"If it is lost, remove `secretsprovider` and `encryptedkey` from {self.stack_file}"
            )
