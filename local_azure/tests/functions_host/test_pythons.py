import sys
from pathlib import Path

import pytest

from local_azure.functions_host.pythons import compiled_packages, find_python

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(folder: Path, script: str) -> Path:
    folder.mkdir()
    file = folder / "python3.99"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("version", ["", OWN])
def test_the_own_version_is_the_own_interpreter(version: str) -> None:
    assert find_python(version) == (sys.executable, None)


def test_programs_that_do_not_run_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv leaves shims for versions that are not active."""
    shim = program(tmp_path / "shims", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
    other = program(tmp_path / "other", "echo 3.8 /usr/bin/python3.8")
    good = program(tmp_path / "good", "echo 3.99 /opt/python/bin/python3.99")
    binary = program(tmp_path / "binary", "printf '\\377'")
    folders = [str(tmp_path / ("x" * 300)), *(str(file.parent) for file in (shim, other, binary, good))]
    monkeypatch.setenv("PATH", ":".join(folders))
    # Not the name but what it leads to: in a site's environment a shim would not find it.
    assert find_python("3.99") == ("/opt/python/bin/python3.99", None)


def test_a_python_below_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `uv python install` does it: below the home folder, on PATH or not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_python("3.99")[1]
    (tmp_path / ".local").mkdir()
    program(tmp_path / ".local" / "bin", "echo 3.99 /opt/python/bin/python3.99")
    assert find_python("3.99") == ("/opt/python/bin/python3.99", None)


def wheel(code: Path, name: str, *tags: str) -> None:
    folder = code / ".python_packages/lib/site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True)
    (folder / "WHEEL").write_text("".join(["Wheel-Version: 1.0\n", *(f"Tag: {tag}\n" for tag in tags)]))


def test_a_missing_python_is_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program(tmp_path / "shims", "exit 127").parent))
    wheel(tmp_path, "numpy-2.1.0", "cp399-cp399-manylinux_2_17_x86_64", "cp399-cp399-manylinux2014_x86_64")
    wheel(tmp_path, "any-1.0", "py3-none-any")
    wheel(tmp_path, "stable-1.0", "cp38-abi3-manylinux2014_x86_64")
    wheel(tmp_path, "abi-1.0", "cp399-abi3-manylinux2014_x86_64")
    assert compiled_packages(tmp_path, "3.99") == ["numpy 2.1.0"]
    interpreter, notice = find_python("3.99", tmp_path)
    assert interpreter == sys.executable
    assert notice is not None
    assert f"run on Python {OWN}" in notice
    assert "Compiled for 3.99, so they may fail to import: numpy 2.1.0. " in notice
    assert "`uv python install 3.99`" in notice
    assert f"pythonVersion, to {OWN}" in notice
