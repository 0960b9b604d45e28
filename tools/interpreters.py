"""The Python interpreters of this machine, by their version."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path


def find_interpreter(version: str) -> str | None:
    """The path of an interpreter of a version such as `3.13`; None if none was found that runs.

    Searched are PATH and ~/.local/bin, where uv and pipx install to, whether it is on PATH or not.
    """
    for folder in (*os.get_exec_path(), Path.home() / ".local/bin"):
        candidate = shutil.which(f"python{version}", path=folder)
        if candidate and (interpreter := _interpreter(candidate, version)):
            return interpreter
    return None


@cache
def _interpreter(candidate: str, version: str) -> str | None:
    """The program behind `candidate`, which may be a shim of pyenv that needs the PATH of this process.

    Such a shim exists for every installed version, and runs the one that PYENV_VERSION selects.
    """
    script = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    try:
        done = subprocess.run(
            [candidate, "-I", "-S", "-c", script],
            env={**os.environ, "PYENV_VERSION": version},
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: the output is not text
        return None
    actual_version, _, interpreter = done.stdout.strip().partition(" ")
    return interpreter if done.returncode == 0 and actual_version == version and interpreter else None
