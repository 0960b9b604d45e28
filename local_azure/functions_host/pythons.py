"""The Python interpreter of a site's runtime version."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from local_azure.home import is_file

_SITE_PACKAGES = ".python_packages/lib/site-packages"


def find_python(version: str, code: Path | None = None) -> tuple[str, str | None]:
    """(interpreter, notice) for `3.12`. Where that version is missing, the interpreter is this process's, and
    the notice contains the packages that are compiled for the missing version and how to install it.

    A program on PATH need not run (pyenv leaves shims), so each is tried.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not version or version == own:
        return sys.executable, None
    # uv and pipx install to ~/.local/bin, whether it is on PATH or not.
    for folder in (*os.get_exec_path(), Path.home() / ".local/bin"):
        candidate = Path(folder) / f"python{version}"
        interpreter = _interpreter(candidate, version) if is_file(candidate) else None
        if interpreter is not None:
            return interpreter, None
    compiled = compiled_packages(code, version) if code is not None else []
    return sys.executable, (
        f"The site's Python {version} is not on PATH: its functions run on Python {own} here. "
        + (f"Compiled for {version}, so they may fail to import: {', '.join(compiled)}. " if compiled else "")
        + f"On Azure they run on {version}. To run on it here, too: `uv python install {version}`. Or set "
        f"the site's version, pythonVersion, to {own} in the stack's settings. Then deploy again."
    )


def compiled_packages(code: Path, version: str) -> list[str]:
    """Names and versions of the packages in the code whose wheels are for this CPython version only."""
    tag = f"Tag: cp{version.replace('.', '')}-cp"
    return sorted(
        wheel.parent.name.removesuffix(".dist-info").replace("-", " ")
        for wheel in code.glob(f"{_SITE_PACKAGES}/*.dist-info/WHEEL")
        if tag in wheel.read_text(errors="replace")
    )


@cache
def _interpreter(candidate: Path, version: str) -> str | None:
    """The program that a shim resolves to, as a site's processes lack the PATH that the shim needs."""
    script = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    try:
        done = subprocess.run(
            [candidate, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: the output is not text
        return None
    actual_version, _, interpreter = done.stdout.strip().partition(" ")
    return interpreter if done.returncode == 0 and actual_version == version and interpreter else None
