"""The lock: the lines that apply to a Python, and whether it was written from its .in file."""

from pathlib import Path

import pytest

from delivery.lock import check_lock, main, parse_lock, source_digest
from delivery.package import PROJECT_ROOT, SUPPORTED_PYTHON
from delivery.package_error import PackageError

HASH = f"--hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("marker", "versions"),
    [
        ("python_full_version < '3.13'", {"3.11", "3.12"}),
        ("python_version >= '3.13'", {"3.13", "3.14"}),
        ("python_full_version != '3.12.*'", {"3.11", "3.13", "3.14"}),
        ("sys_platform == 'win32' or python_version == '3.11'", {"3.11"}),
        ("sys_platform == 'linux' and platform_machine == 'x86_64'", set(SUPPORTED_PYTHON)),
        ("implementation_name != 'PyPy'", set(SUPPORTED_PYTHON)),
        ("sys_platform == 'win32'", set[str]()),
        ("extra == 'dev'", set[str]()),
        ("platform_release != '' or platform_version != ''", set[str]()),
        ("sys_platform ~= '1.0'", None),
    ],
)
def test_markers_are_evaluated_for_the_packaged_python(marker: str, versions: set[str] | None) -> None:
    lock = f"demo==1.0 ; {marker} \\\n    {HASH}\n"
    if versions is None:
        with pytest.raises(PackageError, match="cannot be parsed"):
            parse_lock(lock, "3.12")
    else:
        assert {version for version in SUPPORTED_PYTHON if parse_lock(lock, version)} == versions


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *(
            (line, "is not pinned with hashes")
            for line in ("demo", "demo==1.0", f"demo>=1.0 {HASH}", f"demo==1.* {HASH}", f"demo==1,==2 {HASH}")
        ),
        (f"-r other.txt {HASH}", "cannot be parsed"),
        (f"./demo {HASH}", "cannot be parsed"),
    ],
)
def test_a_lock_line_without_a_pinned_requirement_is_refused(line: str, message: str) -> None:
    with pytest.raises(PackageError, match=f"{message}. Run `make lock`"):
        parse_lock(f"{line}\n", "3.12")


@pytest.mark.parametrize("python_version", SUPPORTED_PYTHON)
def test_the_lock_is_for_every_supported_python(python_version: str) -> None:
    lock = (PROJECT_ROOT / "function_app" / "requirements.txt").read_text()
    pinned = dict(requirement.specifier.split("==") for requirement in parse_lock(lock, python_version))
    # What the app imports, and one library with code for one Python version only.
    assert {"azure-functions", "azure-data-tables", "markupsafe"} <= pinned.keys()
    before_3_13 = python_version in ("3.11", "3.12")
    assert pinned["azure-functions"][0] == ("1" if before_3_13 else "2")
    assert ("azure-functions-runtime" in pinned) is not before_3_13


@pytest.mark.parametrize("python_version", SUPPORTED_PYTHON)
def test_the_tests_run_on_the_libraries_of_the_app(python_version: str) -> None:
    app, tools = (
        {
            requirement
            for requirement in parse_lock((PROJECT_ROOT / lock).read_text(), python_version)
            if requirement.specifier.startswith("azure-")
        }
        for lock in ("function_app/requirements.txt", "requirements-dev.txt")
    )
    assert app <= tools, "one of the locks is older: run `make lock`"


def test_the_lock_names_no_registry() -> None:
    assert "://" not in (PROJECT_ROOT / "function_app" / "requirements.txt").read_text()


def pair(folder: Path) -> tuple[Path, Path]:
    """An .in file and the lock that `make lock` writes from it."""
    source, lock = folder / "requirements.in", folder / "requirements.txt"
    (folder / "base.in").write_text("base==1\n")
    source.write_text("-r base.in\ndemo==1.0\n")
    lock.write_text(
        f"# uv\n#    make lock (from requirements.in, sha256 {source_digest(source)})\ndemo==1.0\n"
    )
    return source, lock


@pytest.mark.parametrize(
    ("name", "change", "unchanged"),
    [
        *(
            ("requirements.in", change, False)
            for change in (
                "-r base.in\ndemo==2.0\n",
                "-r base.in\ndemo==1.0\nother\n",
                "",
                '-r base.in\ndemo==1.0 ; python_version < "3.12"\n',
                "-r base.in\ndemo[extra]==1.0\n",
            )
        ),
        *(
            ("requirements.in", change, True)
            for change in (
                "# why\n-r base.in\ndemo==1.0  # this one\n",
                "demo==1.0\r\n-r base.in\r\n",
                "\ufeff-r base.in\n demo==1.0\n\n",
                "-c base.in\ndemo==1.0",
            )
        ),
        ("base.in", "base==2\n", False),
    ],
)
def test_a_changed_requirement_and_nothing_else_needs_a_new_lock(
    tmp_path: Path, name: str, change: str, unchanged: bool
) -> None:
    source, lock = pair(tmp_path)
    check_lock(source, lock)
    (tmp_path / name).write_bytes(change.encode())
    if unchanged:
        check_lock(source, lock)
        return
    with pytest.raises(PackageError, match=r"requirements\.in has changed.*Run `make lock`"):
        check_lock(source, lock)


def test_a_lock_that_make_lock_did_not_write_is_refused(tmp_path: Path) -> None:
    source, lock = pair(tmp_path)
    lock.write_text("# This file is autogenerated by pip-compile\ndemo==1.0\n")
    with pytest.raises(PackageError, match=r"does not say which requirements\.in.*Run `make lock`"):
        check_lock(source, lock)


@pytest.mark.parametrize(
    "name",
    [
        *("requirements", "requirements-dev", "function_app/requirements", "policy/requirements"),
        "tools/pulumi/go/requirements",
    ],
)
def test_every_committed_lock_was_written_from_its_in_file(name: str) -> None:
    check_lock(PROJECT_ROOT / f"{name}.in", PROJECT_ROOT / f"{name}.txt")


def test_the_command_prints_the_digest_that_make_lock_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, _ = pair(tmp_path)
    assert main([str(source)]) == 0
    assert capsys.readouterr().out.strip() == source_digest(source)
