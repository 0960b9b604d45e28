"""Which files of function_app/ are packaged: all that git tracks, except those that `.funcignore` lists.

`.funcignore` has the syntax of .gitignore, as in azd and VS Code (Core Tools supports only a part of it).
pathspec reads it instead of git, because a source archive has no repository and git may not be installed.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from delivery import syntax
from delivery.package_error import PackageError, read_file
from tools.interpreters import find_interpreter

IGNORE_FILE = ".funcignore"
REQUIRED = ("function_app.py", "host.json")
# As in Core Tools (FileSystemHelpers.GetLocalFiles). Applied last, so that no `!` pattern includes them.
_NEVER = (".git/", ".vscode/", IGNORE_FILE, ".gitignore", "local.settings.json")
# git sets them for its hooks; each makes git use another folder than this one.
_GIT_REDIRECTS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def app_files(folder: Path) -> dict[str, bytes]:
    """The files of the app by their path in the package.

    Without a repository, or without git, these are all files that `.funcignore` does not list. Raises
    PackageError where git's list and the folder differ, since a module that is not tracked is missing in
    every other checkout.
    """
    # Takes a twentieth of a second to import.
    from pathspec import GitIgnoreSpec  # noqa: PLC0415

    ignore_file = folder / IGNORE_FILE
    lines = read_file(ignore_file).decode().splitlines() if ignore_file.exists() else []
    try:
        ignored = GitIgnoreSpec.from_lines([*lines, *_NEVER])
    except ValueError as error:
        raise PackageError(f"{ignore_file}: {error}. It has the syntax of .gitignore.") from error
    listed = _listed_by_git(folder)
    tracked, untracked = (set(_all_files(folder)), set[str]()) if listed is None else listed
    tracked, untracked = (set(ignored.match_files(names, negate=True)) for names in (tracked, untracked))
    absent = {name for name in tracked if not os.path.lexists(folder / name)}
    problems: list[str] = []
    if untracked:
        problems.append(
            f"git does not track {', '.join(_paths(folder, untracked))}, so the package would not contain it."
            f" Run `git add {shlex.join(_paths(folder, untracked))}`, or add it to {IGNORE_FILE} or"
            " .gitignore."
        )
    if absent:
        quoted = shlex.join(_paths(folder, absent))
        problems.append(
            f"git tracks {', '.join(_paths(folder, absent))}, which does not exist here. Run `git restore "
            f"{quoted}`, or `git rm --cached {quoted}` to remove it."
        )
    if missing := [name for name in REQUIRED if name not in tracked | untracked | absent]:
        problems.append(
            f"{folder} is not a function app: {' and '.join(missing)} missing. Add what is missing."
        )
    if unusable := [name for name in tracked if not _is_utf8(name)]:
        problems.append(f"{folder} has file names that are not UTF-8: {unusable!r}. Rename them.")
    if problems:
        raise PackageError("\n".join(problems))
    return {name: read_file(folder / name) for name in sorted(tracked)}


def check_syntax(files: Mapping[str, bytes], python_version: str) -> None:
    """Raises PackageError with file, line and text of each module that the app's Python cannot compile.

    Only that Python checks the syntax, since other versions have another syntax. If it is not installed,
    nothing is checked here, and the Functions host reports the error.
    """
    sources = {name: data.decode("latin-1") for name, data in files.items() if name.endswith(".py")}
    if python_version == syntax.VERSION:
        problems = syntax.syntax_problems(sources)
    else:
        problems = _syntax_problems_of(sources, python_version)
    if problems:
        lines = [f"  {name}:{line}: {message}\n    {text}".rstrip() for name, line, message, text in problems]
        raise PackageError(
            f"The app runs on Python {python_version} (setting pythonVersion), which cannot compile:\n"
            + "\n".join(lines)
        )


def _syntax_problems_of(
    sources: Mapping[str, str], python_version: str
) -> Sequence[tuple[str, int, str, str]]:
    python = find_interpreter(python_version)
    if python is None:
        return ()
    checked = subprocess.run(
        [python, "-I", "-S", syntax.__file__],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(checked.stdout)


def _listed_by_git(folder: Path) -> tuple[set[str], set[str]] | None:
    """Names that git tracks below the folder, and names that it neither tracks nor ignores.

    None if there is no repository or no git, or if the surrounding repository tracks none of the files, as
    for an archive that was unpacked in another repository.
    """
    if not any((parent / ".git").exists() for parent in [folder, *folder.parents]):
        return None
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "."],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in _GIT_REDIRECTS},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    if listing.returncode:
        reason = listing.stderr.decode(errors="replace").strip()
        raise PackageError(f"git cannot list the files of {folder}:\n{reason}")
    rows = [os.fsdecode(row).partition(" ") for row in listing.stdout.split(b"\0") if row]
    tracked = {name for tag, _, name in rows if tag != "?"}
    return (tracked, {name for tag, _, name in rows if tag == "?"}) if tracked else None


def _all_files(folder: Path) -> Iterable[str]:
    def refuse(error: OSError) -> None:
        raise PackageError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(parent, name).is_symlink()]  # walk does not follow them
        for name in (*names, *links):
            yield Path(parent, name).relative_to(folder).as_posix()


def _is_utf8(name: str) -> bool:
    return name == os.fsencode(name).decode(errors="replace")


def _paths(folder: Path, names: Iterable[str]) -> list[str]:
    return [f"{folder.name}/{name}" for name in sorted(names)]
