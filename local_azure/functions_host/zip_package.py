"""The zip that is deployed: checks before it is taken, and its extraction."""

import stat
import zipfile
from pathlib import Path

SIZE_LIMIT = 1024 * 1024 * 1024
"""Bytes of all files together, extracted: a bound for this machine, not Azure's."""


class PackageError(ValueError):
    """A package that cannot be run; the message is for the one who deployed it."""


def is_zip(file: Path) -> bool:
    return zipfile.is_zipfile(file)


def extract(file: Path, folder: Path) -> None:
    """Writes the files of the zip below `folder`. Raises PackageError, for names that lead out of it too."""
    try:
        with zipfile.ZipFile(file) as package:
            entries = package.infolist()
            problems = [problem for entry in entries if (problem := _problem(entry))]
            if problems:
                raise PackageError("The package is refused: " + "; ".join(problems[:10]) + ".")
            size = sum(entry.file_size for entry in entries)
            if size > SIZE_LIMIT:
                raise PackageError(f"The package is {size} bytes extracted; the limit is {SIZE_LIMIT}.")
            folder.mkdir(parents=True, exist_ok=True)
            package.extractall(folder)  # names are checked above
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageError(f"The package cannot be extracted: {error}") from error


def _problem(entry: zipfile.ZipInfo) -> str | None:
    # ZipInfo has already put "/" for the separator of this machine and cut at a null character.
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":") or "\0" in name:
        return f"{name!r} leads out of the package"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return f"{name!r} is a symbolic link"
    if entry.flag_bits & 0x1:
        return f"{name!r} is encrypted"
    return None
