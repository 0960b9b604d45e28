"""Writes files so that nobody ever reads half of one, nor one that is not for them."""

import os
from pathlib import Path


def write(file: Path, content: bytes, mode: int) -> None:
    """In one step, with its mode from the first byte on: a process that is killed leaves what was before."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.touch(mode=mode)
        temporary.write_bytes(content)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
