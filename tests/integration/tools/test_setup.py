"""tools/setup.py as a script, and the virtual environment that it makes."""

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
