"""What `make setup` checks before it installs anything: it runs on whatever Python the machine has."""

import re
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from delivery.package import SUPPORTED_PYTHON
from tools import setup

PROJECT = setup.PROJECT


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (2, 7)])
def test_an_unsupported_python_is_named_with_the_command_that_helps(
    version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (*version, 0))

    named = rf"Python {version[0]}\.{version[1]} at .* one of 3\.11, 3\.12, 3\.13, 3\.14 is required"
    with pytest.raises(SystemExit, match=rf"{named}(.|\n)* make setup PYTHON="):
        setup.check_python()


def test_every_place_names_the_supported_pythons() -> None:
    versions = [f"{major}.{minor}" for major, minor in setup.SUPPORTED]
    assert versions == list(SUPPORTED_PYTHON)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]},<3.{setup.SUPPORTED[-1][1] + 1}"
    assert [text.split(" :: ")[2] for text in project["classifiers"] if ":: Python :: " in text] == versions
    assert f"for v in {' '.join(reversed(versions))}; do" in (PROJECT / "Makefile").read_text()
    assert (
        f"You need Python {', '.join(versions[:-1])} or {versions[-1]}" in (PROJECT / "README.md").read_text()
    )


def test_an_installation_is_repeated_when_it_was_interrupted_or_its_inputs_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    lock, folder = tmp_path / "lock.txt", tmp_path / "made"
    runs: list[str] = []

    def install(content: str, *, interrupted: bool = False) -> None:
        def steps() -> None:
            folder.mkdir(exist_ok=True)
            runs.append(content)
            if interrupted:
                raise KeyboardInterrupt

        lock.write_text(content)
        setup.install("it", folder, ["lock.txt"], steps)

    with pytest.raises(KeyboardInterrupt):
        install("one", interrupted=True)
    for content in ("one", "one", "two"):
        install(content)
    with pytest.raises(KeyboardInterrupt):
        install("three", interrupted=True)
    install("two")

    assert runs == ["one", "one", "two", "three", "two"]


def test_setup_installs_what_is_locked_and_on_demand_the_browser_or_the_policys_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, str, str]] = []

    def run(what: str, command: Sequence[str], folder: str = ".") -> None:
        commands.append((what, folder, command[-1] if what == "pip" else command[3]))
        if what == "npm":
            (tmp_path / folder / "node_modules").mkdir()

    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "make_venv", partial(Path.mkdir, parents=True))
    monkeypatch.setattr(setup.sys, "platform", "linux")
    monkeypatch.setattr(setup.platform, "machine", lambda: "x86_64")
    npm_folders = ("local_azure", "function_app/assistants/routes/chat_page", "tests/browser")
    npm = [
        f"{folder}/{name}"
        for folder in npm_folders
        for name in ("package.json", "package-lock.json", ".npmrc")
    ]
    for name in ("requirements-dev.txt", "policy/requirements.txt", *npm):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    for words in ([], [], ["--browser"], ["--policy"]):
        monkeypatch.setattr(setup.sys, "argv", ["setup.py", *words])
        setup.main()

    assert commands == [
        ("pip", ".", "requirements-dev.txt"),
        ("npm", "local_azure", "ci"),
        ("npm", "function_app/assistants/routes/chat_page", "ci"),
        ("npm", "tests/browser", "ci"),
        ("node", "tests/browser", "--input-type=module"),
        ("pip", ".", "policy/requirements.txt"),
    ]
    assert (tmp_path / "policy" / ".venv" / setup.STAMP).exists()


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
    for name in (setup.AZURITE, setup.BROWSER, setup.CHAT_PAGE):
        assert '"resolved"' not in (PROJECT / name / "package-lock.json").read_text()
