"""The files of function_app/ that are packaged, with and without git."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.app_files import app_files, check_syntax
from delivery.package import PROJECT_ROOT
from delivery.package_error import PackageError

APP = ("function_app.py", "host.json")
REAL = PROJECT_ROOT / "function_app"

with_and_without_git = pytest.mark.parametrize("with_git", [True, False])


def write(folder: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def track(app: Path) -> None:
    """Make a repository that tracks the app."""
    git(app.parent, "init", "--quiet")
    git(app.parent, "add", ".")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A function app in a source tree without git."""
    folder = tmp_path / "project" / "function_app"
    write(folder, *APP)
    return folder


@pytest.fixture
def tracked(app: Path) -> Path:
    track(app)
    return app


def failure(folder: Path) -> str:
    with pytest.raises(PackageError) as raised:
        app_files(folder)
    return str(raised.value)


@with_and_without_git
def test_every_file_is_packaged_whatever_its_name(app: Path, with_git: bool) -> None:
    names = ["prompts/system.txt", "a/b/c/deep.py", "data.bin", "chat/other/x.svg", ".hidden", "ü.txt"]
    write(app, *names)
    if with_git:
        track(app)
    assert app_files(app).keys() == {*APP, *names}


@with_and_without_git
def test_funcignore_excludes_files(app: Path, with_git: bool) -> None:
    (app / ".funcignore").write_text("# comment\n/top.txt\n*.md\ntests/\n!kept.md\n")
    write(app, "top.txt", "sub/top.txt", "a.md", "sub/kept.md", "tests/test_a.py", "sub/tests/b.py")
    if with_git:
        track(app)
    assert app_files(app).keys() == {*APP, "sub/top.txt", "sub/kept.md"}


def test_a_funcignore_that_cannot_be_parsed_is_named(app: Path) -> None:
    (app / ".funcignore").write_text("!\n")
    assert "has the syntax of .gitignore" in failure(app)


def test_no_pattern_includes_what_the_tools_of_azure_never_send(app: Path) -> None:
    write(app, "local.settings.json", "sub/local.settings.json", ".gitignore")
    (app / ".funcignore").write_text("!local.settings.json\n!.gitignore\n!.funcignore\n")
    git(app.parent, "init", "--quiet")
    git(app.parent, "add", "--force", ".")
    assert app_files(app).keys() == set(APP)


def test_a_file_that_git_does_not_track_is_named_with_the_command(tracked: Path) -> None:
    write(tracked, "skills/dice.py", "a b.txt")
    message = failure(tracked)
    assert "git does not track function_app/a b.txt, function_app/skills/dice.py" in message
    assert "`git add 'function_app/a b.txt' function_app/skills/dice.py`" in message
    git(tracked.parent, "add", "function_app/a b.txt", "function_app/skills/dice.py")
    assert app_files(tracked).keys() == {*APP, "a b.txt", "skills/dice.py"}


def test_an_untracked_file_that_is_ignored_is_no_problem(tracked: Path) -> None:
    write(tracked, "notes.txt", "scratch.log", "local.settings.json")
    (tracked / ".funcignore").write_text("notes.txt\n")
    (tracked.parent / ".gitignore").write_text("*.log\n")
    assert app_files(tracked).keys() == set(APP)


def test_a_tracked_file_that_does_not_exist_is_named_with_the_commands(tracked: Path) -> None:
    write(tracked, "skills/todos.py")
    git(tracked.parent, "add", ".")
    (tracked / "skills" / "todos.py").unlink()
    message = failure(tracked)
    assert "git tracks function_app/skills/todos.py, which does not exist here" in message
    assert "`git restore function_app/skills/todos.py`" in message
    git(tracked.parent, "rm", "--cached", "function_app/skills/todos.py")
    assert app_files(tracked).keys() == set(APP)


def test_all_problems_are_reported_at_once(tracked: Path) -> None:
    git(tracked.parent, "rm", "--force", "function_app/host.json")
    write(tracked, "new.py")
    message = failure(tracked)
    assert "new.py" in message
    assert "host.json missing" in message


def test_an_archive_unpacked_in_another_repository_has_no_git(app: Path) -> None:
    git(app.parent.parent, "init", "--quiet")
    assert app_files(app).keys() == set(APP)


def test_without_the_git_command_all_files_are_packaged(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    write(tracked, "new.py")
    assert app_files(tracked).keys() == {*APP, "new.py"}


def test_a_git_hook_that_builds_gets_the_same_files(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert app_files(tracked).keys() == set(APP)


def test_a_repository_that_git_cannot_read_is_an_error(tracked: Path) -> None:
    (tracked.parent / ".git" / "config").write_text("[broken")
    message = failure(tracked)
    assert "git cannot list the files" in message
    assert "bad config" in message


@with_and_without_git
def test_a_link_to_a_folder_is_an_error(app: Path, with_git: bool) -> None:
    (app / "shared").symlink_to(app.parent)
    if with_git:
        track(app)
    assert "shared cannot be read: Is a directory" in failure(app)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name themselves")
@with_and_without_git
def test_a_name_that_is_not_utf_8_is_an_error(app: Path, with_git: bool) -> None:
    Path(os.fsdecode(os.fsencode(app) + b"/caf\xe9.txt")).write_text("x")
    if with_git:
        track(app)
    assert "not UTF-8: ['caf\\udce9.txt']" in failure(app)


def test_of_this_app_only_the_listed_files_are_not_packaged() -> None:
    """Nothing that git tracks is left out unnoticed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REAL, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if listing == [""]:
        pytest.skip("not in a repository")
    left_out = {".funcignore", "requirements.in", "requirements.txt", "local.settings.example.json", ""}
    assert set(listing) - app_files(REAL).keys() == left_out


def test_the_python_of_the_app_checks_the_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.app_files.find_interpreter", {"3.99": sys.executable}.__getitem__)
    check_syntax({"a.py": b"x = 1", "b.txt": b"x ="}, "3.99")
    with pytest.raises(PackageError, match=r"Python 3\.99[^\n]*\n  a\.py:1: invalid syntax\n    x ="):
        check_syntax({"a.py": b"x ="}, "3.99")
