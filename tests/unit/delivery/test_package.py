"""The package: the same bytes from the same inputs, and only the app, its dependencies and its hash in it."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from assistants import paths

from delivery.package import (
    HASH_FILE,
    Package,
    PackageError,
    build_package,
    content_hash,
    load_prebuilt,
    url_path,
    zip_bytes,
)
from tests.unit.delivery.sample_project import (
    APP_FILES,
    NOT_PACKAGED,
    NPM_FILES,
    NPM_LOCK,
    OWN_PYTHON,
    WHEEL,
    WHEEL_FILES,
    project,
    write,
    zip_of,
)

# SHA-256 of the zip of exactly these inputs. It may change only together with the format's number.
GOLDEN = "c18c432aff8e8bf8b90adb4bb20d173384157cac4888857f8bd04d5396f48115"
DEMO, OTHER = zip_bytes(WHEEL_FILES), zip_bytes({"other/__init__.py": b""})
OTHER_WHEEL = "other-2.0-py3-none-any.whl"


def build(root: Path) -> Package:
    return build_package(OWN_PYTHON, root=root)


def test_contains_the_app_its_dependencies_and_its_hash_and_nothing_else(tmp_path: Path) -> None:
    built = build(project(tmp_path))
    site_packages = ".python_packages/lib/site-packages"
    with zipfile.ZipFile(tmp_path / built.path) as archive:
        assert archive.namelist() == sorted(
            [
                *APP_FILES,
                *NPM_FILES,
                "package_hash.txt",
                f"{site_packages}/demo/__init__.py",
                f"{site_packages}/demo/_speedups.so",
                f"{site_packages}/demo-1.0.dist-info/METADATA",
                f"{site_packages}/demo-1.0.dist-info/WHEEL",
                f"{site_packages}/demo-1.0.dist-info/RECORD",
            ]
        )
        assert archive.read("package_hash.txt").decode() == built.content_hash
    assert content_hash(tmp_path / built.path) == built.content_hash
    assert built.path == ".build/function_app.zip"
    assert built.size == len(zip_of(tmp_path))


def test_other_folders_orders_times_and_modes_give_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    for name in reversed([*APP_FILES, *NOT_PACKAGED]):
        write(root / "function_app" / name, b"")
    project(root)
    for path in (root / "function_app").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    umask = os.umask(0o077)
    try:
        build(root)
    finally:
        os.umask(umask)
    assert hashlib.sha256(zip_of(root)).hexdigest() == GOLDEN


def test_the_order_of_the_lock_does_not_matter(tmp_path: Path) -> None:
    first = project(tmp_path / "1", {WHEEL: DEMO, OTHER_WHEEL: OTHER})
    second = project(tmp_path / "2", {OTHER_WHEEL: OTHER, WHEEL: DEMO})
    assert build(first) == build(second)
    assert zip_of(first) == zip_of(second)


@pytest.mark.parametrize(
    ("name", "changes"), [("assistants/create.py", True), ("host.json", True), ("local.settings.json", False)]
)
def test_the_hash_changes_with_each_packaged_file_only(tmp_path: Path, name: str, changes: bool) -> None:
    before = build(project(tmp_path))
    (tmp_path / "function_app" / name).write_text("changed")
    after = build(tmp_path)
    assert (after.content_hash != before.content_hash) is changes
    assert content_hash(tmp_path / after.path) == after.content_hash


def test_an_unchanged_package_is_not_built_again(tmp_path: Path) -> None:
    first = build(project(tmp_path))
    shutil.rmtree(tmp_path / ".build" / "wheels")
    before = (tmp_path / first.path).stat().st_mtime_ns
    assert build(tmp_path) == first
    assert (tmp_path / first.path).stat().st_mtime_ns == before


@pytest.mark.parametrize("file", ["function_app.zip", "function_app.zip.json"])
@pytest.mark.parametrize("content", [b"[]", None])
def test_a_damaged_package_is_built_again(tmp_path: Path, file: str, content: bytes | None) -> None:
    first = build(project(tmp_path))
    whole = zip_of(tmp_path)
    damaged = tmp_path / ".build" / file
    damaged.unlink()
    if content is not None:
        damaged.write_bytes(content)
    assert build(tmp_path) == first
    assert zip_of(tmp_path) == whole


def test_a_python_that_is_not_supported_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"'2.7'.*3.11, 3.12, 3.13, 3.14"):
        build_package("2.7", root=project(tmp_path))


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ({}, "/api/health"),
        ({"extensions": {"http": {"routePrefix": "/v1/"}}}, "/v1/health"),
        ({"extensions": {"http": {"routePrefix": ""}}}, "/health"),
    ],
)
def test_url_paths_begin_with_the_prefix_of_host_json(tmp_path: Path, host: object, path: str) -> None:
    write(tmp_path / "function_app" / "host.json", json.dumps(host).encode())
    assert url_path("health", tmp_path) == path


def test_the_app_reads_the_same_prefix() -> None:
    assert url_path("health") == paths.url_path("health")


@pytest.mark.parametrize("name", ["package_hash.txt", ".python_packages/lib/site-packages/demo/__init__.py"])
def test_an_app_file_at_a_path_of_the_build_is_refused(tmp_path: Path, name: str) -> None:
    root = project(tmp_path)
    (root / "function_app" / ".funcignore").write_text("/requirements.*")
    write(root / "function_app" / name, b"x")
    with pytest.raises(PackageError, match=r"has .*, which the build itself creates"):
        build(root)


def test_an_npm_package_that_is_not_installed_as_locked_is_named_with_the_command(tmp_path: Path) -> None:
    root = project(tmp_path)
    installed = root / "function_app" / "assistants" / "page" / "node_modules" / ".package-lock.json"
    installed.write_bytes(NPM_LOCK.replace(b"AAAA", b"BBBB"))
    with pytest.raises(PackageError, match=r"does not have demo as package-lock\.json pins it"):
        build(root)
    installed.unlink()
    with pytest.raises(PackageError, match="Run `make setup`"):
        build(root)


def test_a_lock_that_is_older_than_its_requirements_is_refused(tmp_path: Path) -> None:
    build(project(tmp_path))
    write(tmp_path / "function_app" / "requirements.in", b"demo\nanother\n")
    with pytest.raises(PackageError, match="Run `make lock`"):
        build(tmp_path)


def test_a_syntax_error_is_reported_before_anything_is_downloaded(tmp_path: Path) -> None:
    project(tmp_path, cached=False)
    write(tmp_path / "function_app" / "skills" / "dice.py", b"def roll(:\n")
    with pytest.raises(PackageError, match=r"skills/dice\.py:1: invalid syntax\n    def roll\(:"):
        build(tmp_path)


def test_an_output_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    with pytest.raises(PackageError, match=r"file/app\.zip cannot be written: (Not a directory|File exists)"):
        build_package(OWN_PYTHON, root=project(tmp_path), out=tmp_path / "file" / "app.zip")


@pytest.mark.parametrize(
    ("wheel", "message"),
    [
        (zip_bytes({"demo/__init__.py": b"another"}), r"other-2\.0.*different demo/__init__\.py"),
        (zip_bytes({"../evil.py": b""}), r"other-2\.0.*'\.\./evil\.py' is outside the package"),
        (zip_bytes({"/evil.py": b""}), "outside the package"),
        (zip_bytes({"demo/../../evil.py": b""}), "outside the package"),
        (b"no zip", r"other-2\.0.* is damaged \(.+\)\. Delete it"),
        (OTHER.replace(b"PK\x03\x04", b"PKxx", 1), r"is damaged \(.+\)\. Delete it"),
    ],
)
def test_a_wheel_that_cannot_be_used_is_named(tmp_path: Path, wheel: bytes, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        build(project(tmp_path, {WHEEL: DEMO, OTHER_WHEEL: wheel}))


def test_two_wheels_with_the_same_file_are_packaged(tmp_path: Path) -> None:
    build(project(tmp_path, {WHEEL: DEMO, OTHER_WHEEL: zip_bytes({"demo/__init__.py": b"VALUE = 1\n"})}))


# --- a package that was built before -------------------------------------------------------------


def for_pythons(*minors: int) -> bytes:
    """A package with a compiled wheel for each minor version of Python 3."""
    files = {
        f"demo3{minor}.dist-info/WHEEL": f"Tag: cp3{minor}-cp3{minor}-manylinux2014_x86_64\n".encode()
        for minor in minors
    }
    digest = content_hash(io.BytesIO(zip_bytes(files)))
    return zip_bytes({HASH_FILE: digest.encode(), **files})


def test_a_prebuilt_package_is_copied_unchanged_to_a_file_named_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "given.zip"
    path.write_bytes(for_pythons())
    loaded, python_version = load_prebuilt(path, "3.12", root=tmp_path)
    assert python_version == "3.12"
    assert loaded.content_hash == content_hash(path)
    assert loaded.path == f".build/packages/{loaded.content_hash}.zip"
    assert (tmp_path / loaded.path).read_bytes() == path.read_bytes()
    assert loaded.size == path.stat().st_size
    (tmp_path / loaded.path).write_bytes(b"damaged")
    load_prebuilt(path, "3.12", root=tmp_path)
    assert (tmp_path / loaded.path).read_bytes() == path.read_bytes()


def test_a_prebuilt_package_decides_about_the_python_that_it_runs_on(tmp_path: Path) -> None:
    (tmp_path / "given.zip").write_bytes(for_pythons(11))
    assert load_prebuilt(tmp_path / "given.zip", "3.12", root=tmp_path)[1] == "3.11"


CANNOT = r"\(ASSISTANT_PACKAGE\) cannot be deployed: .*"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_bytes({"app.py": b"x", HASH_FILE: b"0" * 64}), rf"{CANNOT}in it says 0000.*unset ASSISTANT_PAC"),
        (zip_bytes({"app.py": b"x"}), rf"{CANNOT}in it says none"),
        (for_pythons(10), rf"{CANNOT}was built for Python 3.10, and must be for one of 3.11"),
        (for_pythons(11, 12), "was built for Python 3.11, 3.12, and"),
        (b"no zip", "cannot be read as a zip"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_prebuilt_package_that_cannot_be_deployed_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "given.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackageError, match=message):
        load_prebuilt(path, "3.12", root=tmp_path)
