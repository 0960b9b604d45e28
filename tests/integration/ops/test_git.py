import subprocess
from pathlib import Path

import pytest

from ops import git

COMMIT = ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "--allow-empty", "-m", "x"]


def test_the_commit_of_a_checkout_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git.head_commit() == ""
    for words in (["init", "-q"], COMMIT):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert git.head_commit() == next((tmp_path / ".git/refs/heads").iterdir()).read_text().strip()


@pytest.mark.parametrize("script", [None, r"printf '\377' >&2; exit 128", r"printf '\377'; exit 128"])
def test_there_is_no_commit_without_a_git_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "git").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.head_commit() == ""
