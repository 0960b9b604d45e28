import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.services.sites.pythons import find_python

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    find_python.cache_clear()
    yield
    find_python.cache_clear()


def program(folder: Path, script: str) -> Path:
    folder.mkdir()
    file = folder / "python3.99"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("version", ["", OWN])
def test_the_own_version_is_the_own_interpreter(version: str) -> None:
    assert find_python(version) == (sys.executable, None)


def test_names_on_path_that_do_not_run_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyenv leaves shims for versions that are not active."""
    shim = program(tmp_path / "shims", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    other = program(tmp_path / "other", "echo 3.8 /usr/bin/python3.8")
    good = program(tmp_path / "good", "echo 3.99 /opt/python/bin/python3.99")
    binary = program(tmp_path / "binary", "printf '\\377'")
    folders = [str(tmp_path / ("x" * 300)), *(str(file.parent) for file in (shim, other, binary, good))]
    monkeypatch.setenv("PATH", ":".join(folders))
    # Not the name but what it leads to: in a site's environment a shim would not find it.
    assert find_python("3.99") == ("/opt/python/bin/python3.99", None)


def test_without_that_version_the_own_one_runs_and_a_notice_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program(tmp_path / "shims", "exit 127").parent))
    interpreter, notice = find_python("3.99")
    assert interpreter == sys.executable
    assert notice is not None
    assert "3.99" in notice
    assert OWN in notice
