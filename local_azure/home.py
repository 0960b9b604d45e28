"""Where one local Azure keeps its files: everything below one folder, so that a reset is one removal."""

import os
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_VARIABLE = "LOCAL_AZURE_HOME"
PROJECT = Path(__file__).resolve().parents[1]
"""The checkout that this package stands in."""

_MARK = "local-azure-home"
_MARK_TEXT = "Everything in this folder belongs to local Azure; `python -m local_azure reset` removes it.\n"


def is_file(path: Path) -> bool:
    """False also for what may not be looked at, or whose name no file can have: on PATH anything may stand.

    `Path.is_file` raises PermissionError below a folder of another user (before Python 3.14).
    """
    return os.path.isfile(path)  # noqa: PTH113 # see above


class HomeError(Exception):
    """A folder that local Azure must not use or remove."""


@dataclass(frozen=True)
class Home:
    root: Path

    @classmethod
    def find(cls, project: Path | None = None) -> "Home":
        """`$LOCAL_AZURE_HOME`, or `.local` in the project's folder.

        That is the current folder by default; anywhere in this checkout it is the checkout's, so that
        two Pulumi projects of one checkout share one local Azure.
        """
        chosen = os.environ.get(ENVIRONMENT_VARIABLE)
        if chosen:
            return cls(Path(chosen).resolve())
        try:
            folder = (project or Path.cwd()).resolve()
        except FileNotFoundError as error:
            raise HomeError("the current folder does not exist any more: go to another one.") from error
        return cls((PROJECT if folder.is_relative_to(PROJECT) else folder) / ".local")

    @property
    def is_made(self) -> bool:
        """Whether `prepare` made this folder, so that it may be removed whole."""
        return is_file(self.root / _MARK)

    def prepare(self) -> None:
        """Makes the folder, for its owner only. Raises HomeError for one that holds something else."""
        if self.is_made:
            return
        try:
            foreign = self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir()))
        except OSError as error:
            raise HomeError(
                f"{self.root} cannot be looked at ({error.strerror}): name a folder of your own in "
                f"{ENVIRONMENT_VARIABLE}."
            ) from error
        # Asked again: another start may have made it a home meanwhile.
        if foreign and not self.is_made:
            raise HomeError(
                f"{self.root} is there and is no home of local Azure, so nothing is put into it: "
                f"name an empty or new folder in {ENVIRONMENT_VARIABLE}."
            )
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / _MARK).write_text(_MARK_TEXT)

    @property
    def store_file(self) -> Path:
        return self.root / "arm.json"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def run_file(self) -> Path:
        """Written when local Azure is ready: pid, ports, start time. Removed by a clean stop."""
        return self.root / "run.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def token_key_file(self) -> Path:
        return self.root / "tls" / "token.key"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def ca_file(self) -> Path:
        return self.root / "ca.pem"

    @property
    def ca_bundle_file(self) -> Path:
        """The machine's certificate authorities and the local one, for `REQUESTS_CA_BUNDLE`."""
        return self.root / "ca-bundle.pem"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def storage(self) -> Path:
        return self.root / "storage"

    @property
    def sites(self) -> Path:
        return self.root / "sites"

    @property
    def model_file(self) -> Path:
        """Which model answers chat requests; none: local Azure's stand-in."""
        return self.root / "model.json"

    @property
    def backend(self) -> Path:
        """The folder of Pulumi's `file://` backend."""
        return self.root / "state"

    @property
    def pulumi_home(self) -> Path:
        return self.root / "pulumi"

    @property
    def programs(self) -> Path:
        """First on the PATH of what `exec` starts."""
        return self.root / "bin"
