"""Reads the checkout by git."""

import subprocess

from ops.engine import PROJECT


def head_commit() -> str:
    """The commit that is checked out; empty outside a git checkout and without git."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.decode(errors="replace").strip()
