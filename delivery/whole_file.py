"""Writes files so that nobody ever reads half of one."""

import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """In one step: a process that is killed leaves the file of before, two at once one of two whole files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
