"""Checks and extracts deployed zip packages."""

import stat
import zipfile
from pathlib import Path

SIZE_LIMIT = 1024 * 1024 * 1024
"""Bytes of all extracted files: a limit of local Azure, not of Azure."""


class PackageError(ValueError):
    """A package that cannot be extracted."""


def extract(file: Path, folder: Path) -> None:
    """Extracts the zip into `folder`. Raises PackageError, also for file names outside of it."""
    try:
        with zipfile.ZipFile(file) as package:
            entries = package.infolist()
            problems = [problem for entry in entries if (problem := _problem(entry))]
            if problems:
                raise PackageError("The package is invalid: " + "; ".join(problems[:10]) + ".")
            size = sum(entry.file_size for entry in entries)
            if size > SIZE_LIMIT:
                raise PackageError(f"The package is {size} bytes extracted; the limit is {SIZE_LIMIT}.")
            folder.mkdir(parents=True, exist_ok=True)
            package.extractall(folder)  # the names are checked above
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageError(f"The package cannot be extracted: {error}") from error


def _problem(entry: zipfile.ZipInfo) -> str | None:
    # ZipInfo.filename has replaced separators and is cut at a null character.
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":") or "\0" in name:
        return f"{name!r} is outside of the package"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return f"{name!r} is a symbolic link"
    if entry.flag_bits & 0x1:
        return f"{name!r} is encrypted"
    return None
