"""The search for an interpreter, among programs that are none."""

from pathlib import Path

import pytest

from tools.interpreters import find_interpreter

VERSION = "3.99"
PATH = "/opt/python/bin/python3.99"


def program(folder: Path, script: str) -> str:
    """The folder, with a program of the interpreter's name in it."""
    folder.mkdir(parents=True)
    file = folder / f"python{VERSION}"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(folder)


def test_programs_that_do_not_run_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = ["exit 127", "echo 3.8 /usr/bin/python3.8", "printf '\\377'", f"echo {VERSION} {PATH}"]
    folders = [program(tmp_path / str(number), script) for number, script in enumerate(scripts)]
    monkeypatch.setenv("PATH", ":".join([str(tmp_path / ("x" * 300)), "/nowhere", *folders]))
    assert find_interpreter(VERSION) == PATH


def test_a_shim_of_pyenv_leads_to_the_interpreter_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the shim but the interpreter: in a site's environment a shim would not find it."""
    shim = f'[ "$PYENV_VERSION" = {VERSION} ] && echo {VERSION} {PATH} || exit 127'
    monkeypatch.setenv("PATH", program(tmp_path / "shims", shim))
    monkeypatch.setenv("PYENV_VERSION", "3.11.7")
    assert find_interpreter(VERSION) == PATH


def test_a_python_below_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_interpreter(VERSION) is None
    program(tmp_path / ".local" / "bin", f"echo {VERSION} {PATH}")
    assert find_interpreter(VERSION) == PATH
