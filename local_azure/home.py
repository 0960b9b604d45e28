"""The home: the folder that holds all files of a local Azure, so that a reset removes one folder."""

import os
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_VARIABLE = "LOCAL_AZURE_HOME"
PROJECT = Path(__file__).resolve().parents[1]
"""The checkout that contains this package."""

_MARK = "local-azure-home"
_MARK_TEXT = "Everything in this folder belongs to local Azure; `python -m local_azure reset` removes it.\n"


def is_file(path: Path) -> bool:
    """False also without permission to look, and for an invalid name: PATH may contain anything.

    `Path.is_file` raises PermissionError below a folder of another user (before Python 3.14).
    """
    return os.path.isfile(path)  # noqa: PTH113 # see above


class HomeError(Exception):
    """A folder that local Azure must not use or remove."""


class _Below:
    """An attribute of a home: the path of a file or folder in it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __get__(self, home: "Home", _owner: type["Home"]) -> Path:
        return home.root / self._path


@dataclass(frozen=True)
class Home:
    root: Path

    @classmethod
    def find(cls, project: Path | None = None) -> "Home":
        """`$LOCAL_AZURE_HOME`, or `.local` in `project` (default: the current folder).

        Anywhere in this checkout it is the checkout's, so that its two Pulumi projects share a local Azure.
        """
        configured = os.environ.get(ENVIRONMENT_VARIABLE)
        if configured:
            return cls(Path(configured).resolve())
        try:
            folder = (project or Path.cwd()).resolve()
        except FileNotFoundError as error:
            raise HomeError("the current folder was deleted: go to another one.") from error
        return cls((PROJECT if folder.is_relative_to(PROJECT) else folder) / ".local")

    @property
    def is_made(self) -> bool:
        """Whether `prepare` created this folder, so that it may be removed."""
        return is_file(self.root / _MARK)

    def prepare(self) -> None:
        """Creates the folder, for its owner only. Raises HomeError for a folder with other content."""
        if self.is_made:
            return
        try:
            foreign = self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir()))
        except OSError as error:
            raise HomeError(
                f"{self.root} cannot be read ({error.strerror}): name a folder of your own in "
                f"{ENVIRONMENT_VARIABLE}."
            ) from error
        # Checked again: a concurrent start may have made it a home.
        if foreign and not self.is_made:
            raise HomeError(
                f"{self.root} exists and is not a home of local Azure, so nothing is written to it: "
                f"name an empty or new folder in {ENVIRONMENT_VARIABLE}."
            )
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / _MARK).write_text(_MARK_TEXT)

    store_file = _Below("arm.json")
    ports_file = _Below("ports.json")
    run_file = _Below("run.json")
    """Process id, ports and start time of a local Azure that is ready; a clean stop removes it."""
    lock_file = _Below("daemon.lock")
    tls = _Below("tls")
    token_key_file = _Below("tls/token.key")
    ca_file = _Below("ca.pem")
    ca_bundle_file = _Below("ca-bundle.pem")
    """The machine's certificate authorities and local Azure's, for `REQUESTS_CA_BUNDLE`."""
    logs = _Below("logs")
    storage = _Below("storage")
    sites = _Below("sites")
    model_file = _Below("model.json")
    """The model server that answers chat requests; absent: local Azure's stand-in does."""
    quotas_file = _Below("quotas.json")
    """Quotas that are not at their default."""
    backend = _Below("state")
    """The folder of Pulumi's `file://` backend."""
    pulumi_home = _Below("pulumi")
    programs = _Below("bin")
    """First on the PATH of the programs that `exec` starts."""
