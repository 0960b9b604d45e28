"""What `make setup` does before anything is installed: it runs on whatever Python the machine has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup

PROJECT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("version", [(3, 10), (3, 13), (2, 7)])
def test_an_unsupported_python_is_named_with_the_command_that_helps(
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (*version, 0))

    with pytest.raises(SystemExit) as stopped:
        setup.check_python()

    assert f"Python {version[0]}.{version[1]}" in str(stopped.value)
    assert "make setup PYTHON=" in str(stopped.value)


def test_an_installation_is_repeated_only_when_its_inputs_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    lock, folder = tmp_path / "lock.txt", tmp_path / "made"
    runs: list[str] = []
    lock.write_text("one")

    def steps() -> None:
        folder.mkdir(exist_ok=True)
        runs.append(lock.read_text())

    setup.install("it", folder, ["lock.txt"], steps)
    setup.install("it", folder, ["lock.txt"], steps)
    lock.write_text("two")
    setup.install("it", folder, ["lock.txt"], steps)

    assert runs == ["one", "two"]


def test_an_installation_that_was_cut_off_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    (tmp_path / "lock.txt").write_text("one")
    folder = tmp_path / "made"
    runs: list[str] = []

    def cut_off() -> None:
        folder.mkdir(exist_ok=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        setup.install("it", folder, ["lock.txt"], cut_off)
    setup.install("it", folder, ["lock.txt"], lambda: runs.append("again"))

    assert runs == ["again"]


def test_the_checkout_is_found_where_the_current_folder_does_not_count(
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


def test_the_readme_names_only_make_targets_that_exist() -> None:
    readme = (PROJECT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    named = {
        word for line in re.findall(r"(?:^|`)make ([a-z -]+)", readme, re.MULTILINE) for word in line.split()
    }

    assert named <= targets


def test_the_lock_files_name_no_registry() -> None:
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "function_app/requirements.txt",
        "policy/requirements.txt",
        "tools/pulumi/go/requirements.txt",
    ):
        assert not re.search(r"https?://|^-", (PROJECT / name).read_text(), re.MULTILINE), name
    # Its remaining addresses are the authors' own, for donations.
    for name in (setup.AZURITE, setup.BROWSER):
        assert '"resolved"' not in (PROJECT / name / "package-lock.json").read_text()


def test_setup_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(PROJECT / "tools" / "setup.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "node_modules" in done.stdout
