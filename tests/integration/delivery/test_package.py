"""The package with pip, and in processes of its own; and the package of the real app."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from delivery.package import (
    DEFAULT_PYTHON,
    HASH_FILE,
    PROJECT_ROOT,
    Package,
    PackageError,
    build_package,
    content_hash,
    zip_bytes,
)
from tests.unit.delivery.sample_project import OWN_PYTHON, WHEEL, WHEEL_FILES, cache, project, write
from tools.interpreters import find_interpreter

DEMO = zip_bytes(WHEEL_FILES)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip with no index and no links, whatever this machine's settings are."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return monkeypatch


def build(root: Path) -> Package:
    return build_package(OWN_PYTHON, root=root)


def failure(root: Path) -> str:
    with pytest.raises(PackageError) as raised:
        build(root)
    return str(raised.value)


def test_a_wheel_is_downloaded_once_and_then_comes_from_the_cache(
    tmp_path: Path, pip: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    write(links / WHEEL, DEMO)
    pip.setenv("PIP_FIND_LINKS", str(links))
    root = project(tmp_path / "project", cached=False)
    first = build(root)
    assert [path.name for path in cache(root).iterdir()] == [WHEEL]
    shutil.rmtree(links)
    (root / ".build" / "function_app.zip").unlink()
    assert build(root) == first


EVIL = zip_bytes({**WHEEL_FILES, "demo/__init__.py": b"evil"})


@pytest.mark.parametrize(
    ("links", "messages"),
    [
        (
            {"demo-1.0-cp310-cp310-manylinux2014_x86_64.whl": b""},
            [f"no such wheel for CPython {OWN_PYTHON}", "requirement demo==1.0"],
        ),
        ({WHEEL: EVIL}, ["is not the file that", "\n  pip: demo==1.0 from "]),
    ],
)
def test_a_wheel_that_cannot_be_downloaded_is_named(
    tmp_path: Path, pip: pytest.MonkeyPatch, links: dict[str, bytes], messages: list[str]
) -> None:
    pip.setenv("PIP_FIND_LINKS", str(tmp_path))
    for name, data in links.items():
        write(tmp_path / name, data)
    message = failure(project(tmp_path / "project", cached=False))
    assert all(text in message for text in messages)


def test_a_cached_wheel_that_was_changed_is_not_used(tmp_path: Path, pip: pytest.MonkeyPatch) -> None:
    pip.setenv("PIP_FIND_LINKS", str(tmp_path))
    write(cache(project(tmp_path)) / WHEEL, EVIL)
    assert "requirement demo==1.0" in failure(tmp_path)


def test_without_a_network_pips_messages_are_quoted(tmp_path: Path, pip: pytest.MonkeyPatch) -> None:
    pip.delenv("PIP_NO_INDEX")
    pip.setenv("PIP_RETRIES", "0")
    pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    first, *quoted = failure(project(tmp_path, cached=False)).splitlines()
    assert "the package index cannot be reached" in first
    assert "Could not fetch URL http://127.0.0.1:9/simple/demo/" in quoted[0]


def test_only_the_index_comes_from_pips_settings(tmp_path: Path, pip: pytest.MonkeyPatch) -> None:
    links, elsewhere = tmp_path / "links", tmp_path / "elsewhere"
    write(links / WHEEL, DEMO)
    settings = {
        "find-links": str(links),
        "no-index": "1",
        "target": str(elsewhere),
        "dest": str(elsewhere),
        "no-binary": ":all:",
        "require-virtualenv": "no",
        "constraint": str(tmp_path / "missing.txt"),
        "quiet": "3",
    }
    pip.delenv("PIP_NO_INDEX")
    pip.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
    (tmp_path / "pip.conf").write_text("\n".join(lines))
    pip.setenv("PIP_PLATFORM", "win_amd64")
    from_cache = build(project(tmp_path / "cached"))
    assert build(project(tmp_path / "project", cached=False)) == from_cache
    assert not elsewhere.exists()


def test_pip_settings_that_cannot_be_read_are_named(tmp_path: Path, pip: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    pip.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    message = failure(project(tmp_path / "project", cached=False))
    assert "pip cannot read its settings" in message
    assert "pip.conf" in message


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write(project(tmp_path, cached=False) / ".build" / "wheels", b"a file, no folder")
    assert f"wheels/{cache(tmp_path).name} cannot be written: Not a directory. Make it" in failure(tmp_path)


def test_two_builds_at_once_leave_one_whole_package(tmp_path: Path) -> None:
    root = project(tmp_path)
    code = f"from delivery.package import *; print(build_package({OWN_PYTHON!r}, root=Path({str(root)!r})))"
    builds = [
        subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = {process.communicate(timeout=60)[0] for process in builds}
    assert [process.returncode for process in builds] == [0] * 4
    assert len(outputs) == 1
    assert content_hash(root / ".build" / "function_app.zip") in outputs.pop()
    names = sorted(path.name for path in (root / ".build").iterdir())
    assert names == ["function_app.zip", "function_app.zip.json", "wheels"]


def test_importing_the_packager_imports_no_sdk() -> None:
    code = "import delivery.package, sys; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], cwd=PROJECT_ROOT, text=True).split()
    imported = {name.partition(".")[0] for name in modules}
    assert not imported & {"pulumi", "pulumi_azure_native", "requests", "azure", "packaging", "pathspec"}


# The real app. Its wheels come from the project's own cache, which `make` fills; only this fixture downloads.


@pytest.fixture(scope="session", params=["3.12", DEFAULT_PYTHON])
def python_version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def real(python_version: str) -> Package:
    return build_package(python_version, out=Path(f".build/test/python{python_version}.zip"))


def test_the_package_runs_from_nothing_but_itself(real: Package, python_version: str, tmp_path: Path) -> None:
    interpreter = find_interpreter(python_version) or pytest.skip(f"there is no Python {python_version}")
    with zipfile.ZipFile(PROJECT_ROOT / real.path) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; sys.path[:0] = ['.', '.python_packages/lib/site-packages'];"
        "import function_app as a, azure.functions as f, json;"
        "health = {x.get_function_name(): x for x in a.app.get_functions()}['Health'].get_user_function();"
        "print(health(f.HttpRequest('GET', '/', body=b'')).get_body().decode());"
        "print(f.__file__)"
    )
    output = subprocess.check_output([interpreter, "-I", "-S", "-c", code], cwd=tmp_path, text=True)
    health, library = output.splitlines()
    assert json.loads(health) == {"status": "ok", "package": real.content_hash}
    assert Path(library).is_relative_to(tmp_path / ".python_packages")


def test_the_command_prints_path_hash_size_and_files(
    real: Package, python_version: str, tmp_path: Path
) -> None:
    out = tmp_path / "app.zip"
    command = [sys.executable, "-m", "infra.package", "--python", python_version, "--out", str(out)]
    output = subprocess.check_output(command, cwd=PROJECT_ROOT, text=True)
    assert str(out) in output
    assert real.content_hash in output
    assert f"{out.stat().st_size:,} bytes" in output
    with zipfile.ZipFile(out) as archive:
        app = [entry for entry in archive.infolist() if not entry.filename.startswith((".", HASH_FILE))]
    assert all(f"  {entry.filename}\n" in output for entry in app)
    size = sum(entry.file_size for entry in app)
    assert f"holds {len(app)} files of function_app/ ({size:,} bytes)" in output
