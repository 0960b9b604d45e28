"""The error that the modules of this package raise, and a function that reads a file."""

from pathlib import Path


class PackageError(Exception):
    """The package cannot be built; the message says what is wrong and how to correct it."""


def read_file(path: Path) -> bytes:
    """Raises PackageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror}.") from error
