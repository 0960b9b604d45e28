"""Where a bootstrap stack's own state is: on this machine until it is moved, then in the container it made.

PULUMI_BACKEND_URL of the caller counts for nothing here: it leads to the main project's state, or to what
somebody else left in the shell. The stack file says where the state was moved to, so that every clone knows.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from ops.engine import Pulumi
from ops.output import OpsError

PROJECT = Path(__file__).resolve().parents[1]
BACKEND_KEY = "state:backendUrl"
"""Of the stack file; written when the state has been moved there and a preview has found it whole."""


@dataclass(frozen=True)
class Whereabouts:
    """Of one stack. `root` is the checkout."""

    stack: str
    root: Path = PROJECT
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def stack_file(self) -> Path:
        return self.root / "bootstrap" / f"Pulumi.{self.stack}.yaml"

    @property
    def folder(self) -> Path:
        """Of the state on this machine; git ignores it."""
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
        """The backend that the stack file names; empty before the state was moved."""
        config: dict[str, Any] = self._stack_file.get("config") or {}
        return str(config.get(BACKEND_KEY) or "")

    def pulumi(self, url: str = "") -> Pulumi:
        """Pulumi on a backend, by default the one that holds the state now. Raises OpsError."""
        if not url:
            url = self.moved_to or self.local_url
            if url == self.local_url and not self.is_here:
                self._refuse_second_beginning()
        if url == self.local_url:
            self.folder.mkdir(exist_ok=True, mode=0o700)
        return Pulumi(
            folder=self.root / "bootstrap",
            environment={
                # Nothing in this state is a secret, and the key that will seal it is not there yet.
                **({} if "PULUMI_CONFIG_PASSPHRASE_FILE" in self.environment else {_PASSPHRASE: ""}),
                **self.environment,
                "PULUMI_BACKEND_URL": url,
            },
        )

    def forget_local(self) -> None:
        """Remove this stack's state from this machine, and the folder when it was the last."""
        if self.is_here:
            words = ("stack", "rm", self.stack, "--yes", "--force", "--preserve-config", "--remove-backups")
            self.pulumi(self.local_url).run(*words)
        stacks = self.folder / ".pulumi" / "stacks"
        if self.folder.is_dir() and not any(file.is_file() for file in stacks.rglob("*.json*")):
            shutil.rmtree(self.folder)

    @property
    def _stack_file(self) -> dict[str, Any]:
        if not self.stack_file.is_file():
            return {}
        content: object = yaml.safe_load(self.stack_file.read_text(encoding="utf-8"))
        return cast("dict[str, Any]", content) if isinstance(content, dict) else {}

    def _refuse_second_beginning(self) -> None:
        provider = str(self._stack_file.get("secretsprovider") or "")
        if provider not in ("", "passphrase"):
            raise OpsError(
                f"{self.stack_file} says that the state of {self.stack} is sealed by {provider}, so it is "
                "somewhere; but it is not on this machine, and the file does not say where it was moved to. "
                "Where it was moved from: make bootstrap-move, and commit the file. "
                f"If it is gone for good: take `secretsprovider` and `encryptedkey` out of {self.stack_file}"
            )


_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 # the name of a variable
