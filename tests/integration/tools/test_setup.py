"""tools/setup.py as a script, and the virtual environment that it makes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup


def test_setup_runs_by_its_path_and_explains_itself() -> None:
    script = str(setup.PROJECT / "tools" / "setup.py")

    completed = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)

    assert "node_modules" in completed.stdout


def test_the_checkout_is_importable_where_the_current_folder_is_not_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "it's a #checkout"
    checkout.mkdir()
    (checkout / "infra_of_it.py").write_text("")
    monkeypatch.setattr(setup, "PROJECT", checkout)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)

    setup.add_checkout(tmp_path / "venv")

    python = [str(tmp_path / "venv" / "bin" / "python"), "-c", "import infra_of_it"]
    subprocess.run(python, check=True, cwd=tmp_path, env={"PYTHONSAFEPATH": "1"})


@pytest.mark.parametrize(
    ("programs", "chosen"),
    [
        ({"3.14": "exit 127", "3.13": '[ "$PYENV_VERSION" = 3.13 ] && echo /a/python'}, "/a/python"),
        ({"3.14": "echo /new/python", "3.13": "echo /old/python"}, "/new/python"),
        ({"3": "exit 1"}, "python3"),
        ({}, ""),
    ],
    ids=["a shim of pyenv", "the newest", "none that is supported", "none"],
)  # fmt: skip
def test_make_chooses_the_newest_python_that_runs(
    tmp_path: Path, programs: dict[str, str], chosen: str
) -> None:
    make, shell = shutil.which("make"), shutil.which("sh")
    assert make
    assert shell
    (tmp_path / "sh").symlink_to(shell)
    for version, script in programs.items():
        file = tmp_path / f"python{version}"
        file.write_text(f"#!{shell}\n{script}\n")
        file.chmod(0o755)
    command = [make, "--no-print-directory", "-n", "-C", str(setup.PROJECT), "setup", f"SHELL={shell}"]

    completed = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )

    expected = str(tmp_path / chosen) if chosen == "python3" else chosen
    assert completed.stdout.startswith(f'python="{expected}"; ')
