"""Atomic writes: a reader never sees half of a file, and nobody else may read a private one."""

import os
from pathlib import Path


def write(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces the file, with its mode from the first byte on; a killed process leaves the old content."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.touch(mode=mode)
        temporary.write_bytes(content)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
