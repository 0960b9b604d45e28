"""Which files of function_app/ travel, with and without git."""

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


def write(folder: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A function app in a source tree without git."""
    folder = tmp_path / "project" / "function_app"
    write(folder, *APP)
    return folder


@pytest.fixture
def tracked(app: Path) -> Path:
    """The same in a repository that tracks it."""
    git(app.parent, "init", "--quiet")
    git(app.parent, "add", ".")
    return app


def failure(folder: Path) -> str:
    with pytest.raises(PackageError) as raised:
        app_files(folder)
    return str(raised.value)


@pytest.mark.parametrize(
    "name",
    ["prompts/system.txt", "a/b/c/deep.py", "data.bin", "assistants/chat/other/x.svg", ".hidden", "ü.txt"],
)
@pytest.mark.parametrize("with_git", [True, False])
def test_every_file_travels_whatever_its_name(app: Path, name: str, with_git: bool) -> None:
    write(app, name)
    if with_git:
        git(app.parent, "init", "--quiet")
        git(app.parent, "add", ".")
    assert app_files(app).keys() == {*APP, name}


@pytest.mark.parametrize("with_git", [True, False])
def test_what_funcignore_names_stays(app: Path, with_git: bool) -> None:
    (app / ".funcignore").write_text("# comment\n/top.txt\n*.md\ntests/\n!kept.md\n")
    write(app, "top.txt", "sub/top.txt", "a.md", "sub/kept.md", "tests/test_a.py", "sub/tests/b.py")
    if with_git:
        git(app.parent, "init", "--quiet")
        git(app.parent, "add", ".")
    assert app_files(app).keys() == {*APP, "sub/top.txt", "sub/kept.md"}


@pytest.mark.parametrize(
    "name", ["local.settings.json", "sub/local.settings.json", ".funcignore", ".gitignore"]
)
def test_what_the_platforms_tools_never_send_stays_also_where_a_pattern_includes_it(
    tracked: Path, name: str
) -> None:
    write(tracked, name)
    (tracked / ".funcignore").write_text("!local.settings.json\n!.gitignore\n!.funcignore\n")
    git(tracked.parent, "add", "--force", ".")
    assert app_files(tracked).keys() == set(APP)


def test_a_file_that_git_does_not_track_is_named_with_the_command(tracked: Path) -> None:
    write(tracked, "skills/dice.py", "a b.txt")
    message = failure(tracked)
    assert "git does not track function_app/a b.txt, function_app/skills/dice.py" in message
    assert "`git add 'function_app/a b.txt' function_app/skills/dice.py`" in message
    git(tracked.parent, "add", "function_app/a b.txt", "function_app/skills/dice.py")
    assert app_files(tracked).keys() == {*APP, "a b.txt", "skills/dice.py"}


def test_an_untracked_file_that_an_ignore_file_names_is_no_problem(tracked: Path) -> None:
    write(tracked, "notes.txt", "scratch.log", "local.settings.json")
    (tracked / ".funcignore").write_text("notes.txt\n")
    (tracked.parent / ".gitignore").write_text("*.log\n")
    assert app_files(tracked).keys() == set(APP)


def test_a_tracked_file_that_is_gone_is_named_with_the_commands(tracked: Path) -> None:
    write(tracked, "skills/todos.py")
    git(tracked.parent, "add", ".")
    (tracked / "skills" / "todos.py").unlink()
    message = failure(tracked)
    assert "git tracks function_app/skills/todos.py, which does not exist here" in message
    assert "`git restore function_app/skills/todos.py`" in message
    git(tracked.parent, "rm", "--cached", "function_app/skills/todos.py")
    assert app_files(tracked).keys() == set(APP)


def test_a_change_that_is_not_committed_travels(tracked: Path) -> None:
    write(tracked, "host.json", text="changed")
    assert app_files(tracked)["host.json"] == b"changed"


def test_all_problems_come_at_once(tracked: Path) -> None:
    git(tracked.parent, "rm", "--force", "function_app/host.json")
    write(tracked, "new.py")
    message = failure(tracked)
    assert "new.py" in message
    assert "host.json missing" in message


def test_an_archive_unpacked_in_a_repository_of_somebody_else_is_one_without_git(app: Path) -> None:
    git(app.parent.parent, "init", "--quiet")
    assert app_files(app).keys() == set(APP)


def test_a_repository_on_a_machine_without_git_is_one_without_git(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    write(tracked, "new.py")
    assert app_files(tracked).keys() == {*APP, "new.py"}


def test_a_hook_of_git_that_runs_the_build_changes_nothing(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other-index"))
    assert app_files(tracked).keys() == set(APP)


def test_a_repository_that_git_refuses_is_no_tree_without_git(tracked: Path) -> None:
    (tracked.parent / ".git" / "config").write_text("[broken")
    message = failure(tracked)
    assert "git cannot list the files" in message
    assert "bad config" in message


@pytest.mark.parametrize("with_git", [True, False])
def test_a_link_to_a_folder_is_named_not_dropped(app: Path, with_git: bool) -> None:
    (app / "shared").symlink_to(app.parent)
    if with_git:
        git(app.parent, "init", "--quiet")
        git(app.parent, "add", ".")
    assert "shared cannot be read: Is a directory" in failure(app)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name themselves")
@pytest.mark.parametrize("with_git", [True, False])
def test_a_name_that_is_not_utf_8_is_named(app: Path, with_git: bool) -> None:
    Path(os.fsdecode(os.fsencode(app) + b"/caf\xe9.txt")).write_text("x")
    if with_git:
        git(app.parent, "init", "--quiet")
        git(app.parent, "add", ".")
    assert "not UTF-8: ['caf\\udce9.txt']" in failure(app)


def test_of_this_app_only_the_listed_files_stay() -> None:
    """The figure of the README: nothing that git tracks is dropped silently."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REAL, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if listed == [""]:
        pytest.skip("not in a repository")
    stays = {".funcignore", "requirements.in", "requirements.txt", "local.settings.example.json", ""}
    assert set(listed) - app_files(REAL).keys() == stays


# --- syntax ---------------------------------------------------------------------------------------

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_syntax_error_is_named_with_file_line_text_and_python() -> None:
    files = {
        "a.py": b"x = 1\n\ndef f(:\n",
        "b.py": b"x = 'a\n",
        "c.py": b"x\0",
        "d.txt": b"def f(:",
        "e.py": b"",
    }
    with pytest.raises(PackageError) as raised:
        check_syntax(files, OWN)
    message = str(raised.value)
    assert f"Python {OWN} (setting pythonVersion)" in message
    assert "  a.py:3: invalid syntax\n    def f(:" in message
    assert "  b.py:1: unterminated string" in message
    assert "  c.py:1: source code string cannot contain null bytes" in message
    assert "d.txt" not in message
    assert "e.py" not in message


def test_a_source_in_its_own_encoding_is_compiled_as_such() -> None:
    check_syntax({"a.py": "# coding: latin-1\nx = 'é'\n".encode("latin-1")}, OWN)
    with pytest.raises(PackageError, match=r"a\.py:1: .*utf-8"):
        check_syntax({"a.py": "x = 'é'\n".encode("latin-1")}, OWN)


@pytest.mark.parametrize("script", [None, "exit 127", 'exec "$REAL" "$@"'])
def test_only_the_python_of_the_app_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    """Missing, a shim that leads nowhere, and another version under that name."""
    if script is not None:
        (tmp_path / "python3.99").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "python3.99").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("REAL", sys.executable)
    check_syntax({"a.py": b"syntax of 3.99"}, "3.99")


def test_the_python_of_the_app_is_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python3.99"
    python.write_text('#!/bin/sh\necho \'["3.99", [["a.py", 1, "too old", "x"]]]\'\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(PackageError, match=r"Python 3\.99[^\n]*\n  a\.py:1: too old\n    x"):
        check_syntax({"a.py": b""}, "3.99")
