"""The Python interpreter of a site's runtime version."""

import re
import sys
from pathlib import Path

from tools.interpreters import find_interpreter

_SITE_PACKAGES = ".python_packages/lib/site-packages"


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
    if compiled := compiled_packages(code, running) if code is not None else []:
        notices.append(f"Not compiled for Python {running}, and may fail to import: {', '.join(compiled)}.")
    return interpreter or sys.executable, " ".join(notices) or None


def compiled_packages(code: Path, running: str) -> list[str]:
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
