"""A deployed zip package, and the Python that runs it."""

import re
import sys
import zipfile
from pathlib import Path

from tools.interpreters import find_interpreter

SIZE_LIMIT = 1024 * 1024 * 1024
"""Bytes of all extracted files: a limit of local Azure, not of Azure."""

_SITE_PACKAGES = ".python_packages/lib/site-packages"


class PackageError(ValueError):
    """A package that cannot be extracted."""


def extract(file: Path, folder: Path) -> None:
    """Extracts the zip into `folder`. Raises PackageError, also for file names outside of it."""
    try:
        with zipfile.ZipFile(file) as package:
            outside = [name for name in package.namelist() if not _is_inside(name)]
            if outside:
                raise PackageError(f"These files are outside of the package: {', '.join(outside[:10])}.")
            size = sum(entry.file_size for entry in package.infolist())
            if size > SIZE_LIMIT:
                raise PackageError(f"The package is {size} bytes extracted; the limit is {SIZE_LIMIT}.")
            # Writes a symbolic link as a file that contains its target.
            package.extractall(folder)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageError(f"The package cannot be extracted: {error}") from error


def _is_inside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." not in parts and parts[0] != "" and not parts[0].endswith(":")


def find_python(version: str, code: Path | None = None) -> tuple[str, str | None]:
    """(interpreter, notice) for `3.13`. Where that version is missing, the interpreter is this process's.

    The notice says so, and names the packages in the code that the interpreter may not be able to import.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = sys.executable if version in ("", own) else find_interpreter(version)
    running = version if version and interpreter else own
    notices: list[str] = []
    if interpreter is None:
        notices.append(
            f"Python {version} was not found, so the functions run on Python {own}: "
            f"run `uv python install {version}`, then `pulumi up` again."
        )
    if compiled := _compiled_packages(code, running) if code is not None else []:
        notices.append(f"Not compiled for Python {running}, and may fail to import: {', '.join(compiled)}.")
    return interpreter or sys.executable, " ".join(notices) or None


def _compiled_packages(code: Path, running: str) -> list[str]:
    """Names and versions of the packages in the code whose wheels are for other CPython versions only."""
    tags = {
        wheel.parent.name.removesuffix(".dist-info").replace("-", " "): set(
            re.findall(r"^Tag: cp3(\d+)-cp", wheel.read_text(errors="replace"), re.MULTILINE)
        )
        for wheel in code.glob(f"{_SITE_PACKAGES}/*.dist-info/WHEEL")
    }
    return sorted(
        name for name, minors in tags.items() if minors and running.removeprefix("3.") not in minors
    )
