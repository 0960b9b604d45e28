"""The interpreter for a site's runtime version."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from local_azure.home import is_file


@cache
def find_python(version: str) -> tuple[str, str | None]:
    """(interpreter, notice) for `3.12`: the notice says when it is another version.

    A name on PATH need not run (pyenv leaves shims behind), so each is tried.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not version or version == own:
        return sys.executable, None
    for folder in os.get_exec_path():
        candidate = Path(folder) / f"python{version}"
        interpreter = _interpreter(candidate, version) if is_file(candidate) else None
        if interpreter is not None:
            return interpreter, None
    return sys.executable, (
        f"The site asks for Python {version}, which is not on PATH: its functions run on Python {own} here. "
        f"On Azure they run on {version}."
    )


def _interpreter(candidate: Path, version: str) -> str | None:
    """What the name leads to: a shim finds it by a PATH that a site's processes do not have."""
    script = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    try:
        done = subprocess.run(
            [candidate, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: it prints what is no text
        return None
    found, _, interpreter = done.stdout.strip().partition(" ")
    return interpreter if done.returncode == 0 and found == version and interpreter else None
