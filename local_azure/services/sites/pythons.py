"""The interpreter for a site's runtime version."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path


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
        if candidate.is_file() and _runs_as(candidate, version):
            return str(candidate), None
    return sys.executable, (
        f"The site asks for Python {version}, which is not on PATH: its functions run on Python {own} here. "
        f"On Azure they run on {version}."
    )


def _runs_as(candidate: Path, version: str) -> bool:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [candidate, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version
