"""The package: the same bytes from the same inputs, and nothing in it that does not belong there."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from assistants import paths

from delivery import package
from delivery.lock import source_digest
from delivery.package import (
    HASH_FILE,
    PROJECT_ROOT,
    PackageError,
    build_package,
    content_hash,
    load_prebuilt,
    url_path,
    zip_bytes,
)
from infra import package as package_command

WHEEL = "demo-1.0-py3-none-any.whl"
WHEEL_FILES = {
    "demo/__init__.py": b"VALUE = 1\n",
    "demo/__pycache__/__init__.cpython-312.pyc": b"stale",
    "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "demo-1.0.dist-info/RECORD": b"",
    "demo-1.0.data/scripts/demo": b"#!python\n",
    "demo-1.0.data/platlib/demo/_speedups.so": b"\x7fELF",
}
APP_FILES = {
    "function_app.py": b"import demo\n",
    "host.json": b"{}\n",
    "assistants/__init__.py": b"",
    "assistants/create.py": b"# create\n",
    "assistants/sub/deep.py": b"# deep\n",
}
NOT_SHIPPED = {
    "local.settings.json": b'{"Values": {"SECRET": "x"}}',
    "local.settings.example.json": b"{}",
    "requirements.in": b"demo\n",
    "assistants/__pycache__/create.cpython-312.pyc": b"stale",
    ".venv/lib/site.py": b"x",
    ".funcignore": (PROJECT_ROOT / "function_app" / ".funcignore").read_bytes(),
}
# SHA-256 of the zip of exactly these inputs. It may change only together with the format's number.
GOLDEN = "f2bb953c4e24be0680f3bf6d9cd43750329ddc03876846d1e637f3aa7e8410aa"


def wheel_bytes(files: Mapping[str, bytes] = WHEEL_FILES) -> bytes:
    return zip_bytes(files)


def project(root: Path, *, wheel: bytes | None = None, cached: bool = True) -> Path:
    """A project with one dependency, whose wheel is in the cache."""
    wheel = wheel_bytes() if wheel is None else wheel
    for name, data in {**APP_FILES, **NOT_SHIPPED}.items():
        write(root / "function_app" / name, data)
    digest = hashlib.sha256(wheel).hexdigest()
    write_lock(root, f"demo==1.0 \\\n    --hash=sha256:{digest}\n    # via -r requirements.in\n")
    if cached:
        write(root / ".build" / "wheels" / "cp312" / WHEEL, wheel)
    return root


def write_lock(root: Path, lines: str) -> None:
    """As `make lock` writes it."""
    digest = source_digest(root / "function_app" / "requirements.in")
    header = f"#    make lock (from function_app/requirements.in, sha256 {digest})\n"
    write(root / "function_app" / "requirements.txt", f"{header}{lines}".encode())


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def names_in(root: Path) -> list[str]:
    with zipfile.ZipFile(root / ".build" / "function_app.zip") as archive:
        return archive.namelist()


def zip_of(root: Path) -> bytes:
    return (root / ".build" / "function_app.zip").read_bytes()


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip with no index and no links, whatever this machine's settings are."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return monkeypatch


def test_holds_the_app_its_dependencies_and_its_hash_and_nothing_else(tmp_path: Path) -> None:
    built = build_package("3.12", root=project(tmp_path))
    site_packages = ".python_packages/lib/site-packages"
    assert names_in(tmp_path) == sorted(
        [
            *APP_FILES,
            "package_hash.txt",
            f"{site_packages}/demo/__init__.py",
            f"{site_packages}/demo/_speedups.so",
            f"{site_packages}/demo-1.0.dist-info/METADATA",
            f"{site_packages}/demo-1.0.dist-info/WHEEL",
            f"{site_packages}/demo-1.0.dist-info/RECORD",
        ]
    )
    assert built.path == ".build/function_app.zip"
    assert built.size == len(zip_of(tmp_path))


def test_carries_its_content_hash(tmp_path: Path) -> None:
    built = build_package("3.12", root=project(tmp_path))
    with zipfile.ZipFile(tmp_path / built.path) as archive:
        assert archive.read("package_hash.txt").decode() == built.content_hash
    assert content_hash(tmp_path / built.path) == built.content_hash


def test_same_inputs_in_other_folders_orders_times_and_modes_give_the_same_bytes(tmp_path: Path) -> None:
    first = project(tmp_path / "first")
    second = tmp_path / "elsewhere" / "second"
    for name in reversed([*APP_FILES, *NOT_SHIPPED]):
        write(second / "function_app" / name, {**APP_FILES, **NOT_SHIPPED}[name])
    project(second)
    for path in (second / "function_app").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    build_package("3.12", root=first)
    old = os.umask(0o077)
    try:
        build_package("3.12", root=second)
    finally:
        os.umask(old)
    assert zip_of(first) == zip_of(second)


def test_the_bytes_are_the_same_on_every_machine_and_python(tmp_path: Path) -> None:
    build_package("3.12", root=project(tmp_path))
    assert hashlib.sha256(zip_of(tmp_path)).hexdigest() == GOLDEN


def test_the_order_of_the_lock_does_not_matter(tmp_path: Path) -> None:
    other = zip_bytes({"other/__init__.py": b""})
    lines = [
        f"demo==1.0 --hash=sha256:{hashlib.sha256(wheel_bytes()).hexdigest()}",
        f"other==2.0 --hash=sha256:{hashlib.sha256(other).hexdigest()}",
    ]
    zips: list[bytes] = []
    for number, lock in enumerate((lines, list(reversed(lines)))):
        root = project(tmp_path / str(number))
        write(root / ".build" / "wheels" / "cp312" / "other-2.0-py3-none-any.whl", other)
        write_lock(root, "\n".join(lock))
        build_package("3.12", root=root)
        zips.append(zip_of(root))
    assert zips[0] == zips[1]


@pytest.mark.parametrize("changed", ["function_app/assistants/create.py", "function_app/host.json"])
def test_a_changed_file_changes_the_hash(tmp_path: Path, changed: str) -> None:
    before = build_package("3.12", root=project(tmp_path))
    (tmp_path / changed).write_text("changed")
    after = build_package("3.12", root=tmp_path)
    assert after.content_hash != before.content_hash
    assert content_hash(tmp_path / after.path) == after.content_hash


def test_a_file_that_is_not_shipped_changes_nothing(tmp_path: Path) -> None:
    before = build_package("3.12", root=project(tmp_path))
    (tmp_path / "function_app" / "local.settings.json").write_text("changed")
    assert build_package("3.12", root=tmp_path) == before


def test_names_and_contents_cannot_be_shifted_into_each_other() -> None:
    assert package._digest([("ab", b"c")]) != package._digest([("a", b"bc")])  # pyright: ignore[reportPrivateUsage] # the rule itself


def test_an_unchanged_package_is_not_built_again(tmp_path: Path) -> None:
    first = build_package("3.12", root=project(tmp_path))
    shutil.rmtree(tmp_path / ".build" / "wheels")
    stamp = (tmp_path / first.path).stat().st_mtime_ns
    assert build_package("3.12", root=tmp_path) == first
    assert (tmp_path / first.path).stat().st_mtime_ns == stamp


@pytest.mark.parametrize("damage", ["cut", "gone", "no record", "bad record"])
def test_a_damaged_package_is_built_again(tmp_path: Path, damage: str) -> None:
    first = build_package("3.12", root=project(tmp_path))
    whole = zip_of(tmp_path)
    record = tmp_path / ".build" / "function_app.zip.json"
    match damage:
        case "cut":
            (tmp_path / first.path).write_bytes(whole[:-1])
        case "gone":
            (tmp_path / first.path).unlink()
        case "no record":
            record.unlink()
        case _:
            record.write_text("[]")
    assert build_package("3.12", root=tmp_path) == first
    assert zip_of(tmp_path) == whole


def test_two_builds_at_once_leave_one_whole_package(tmp_path: Path) -> None:
    root = project(tmp_path)
    code = f"from delivery.package import *; print(build_package('3.12', root=Path({str(root)!r})))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(answers) == 1
    assert content_hash(root / ".build" / "function_app.zip") in answers.pop()
    assert sorted(path.name for path in (root / ".build").iterdir()) == [
        "function_app.zip",
        "function_app.zip.json",
        "wheels",
    ]


def test_a_python_that_is_not_supported_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"'2.7'.*3.11, 3.12"):
        build_package("2.7", root=project(tmp_path))


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ({}, "/api/health"),
        ({"extensions": {"http": {"routePrefix": "/v1/"}}}, "/v1/health"),
        ({"extensions": {"http": {"routePrefix": ""}}}, "/health"),
    ],
)
def test_paths_of_the_app_are_below_the_prefix_of_its_host_json(
    tmp_path: Path, host: object, path: str
) -> None:
    write(tmp_path / "function_app" / "host.json", json.dumps(host).encode())
    assert url_path("health", tmp_path) == path


def test_infra_and_the_app_read_one_prefix() -> None:
    assert url_path("health") == paths.url_path("health")


def test_a_missing_app_file_is_named(tmp_path: Path) -> None:
    (project(tmp_path) / "function_app" / "host.json").unlink()
    with pytest.raises(PackageError, match=r"host\.json"):
        build_package("3.12", root=tmp_path)


def test_a_wheel_that_does_not_exist_is_named_with_its_python(
    tmp_path: Path, no_index: pytest.MonkeyPatch
) -> None:
    no_index.setenv("PIP_FIND_LINKS", str(tmp_path))
    write(tmp_path / "demo-1.0-cp313-cp313-manylinux2014_x86_64.whl", b"")
    with pytest.raises(PackageError, match=r"demo==1\.0: no wheel for CPython 3\.12 on Linux x86_64"):
        build_package("3.12", root=project(tmp_path, cached=False))


def test_every_missing_wheel_is_named_at_once(tmp_path: Path, no_index: pytest.MonkeyPatch) -> None:
    no_index.setenv("PIP_FIND_LINKS", str(tmp_path))
    root = project(tmp_path, cached=False)
    lock = root / "function_app" / "requirements.txt"
    lock.write_text(f"{lock.read_text()}other==2.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackageError) as raised:
        build_package("3.12", root=root)
    assert "demo==1.0: the package index does not have it" in str(raised.value)
    assert "other==2.0: the package index does not have it" in str(raised.value)


def test_a_wheel_comes_from_pip_once_and_then_from_the_cache(
    tmp_path: Path, no_index: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    write(links / WHEEL, wheel_bytes())
    no_index.setenv("PIP_FIND_LINKS", str(links))
    root = project(tmp_path / "project", cached=False)
    first = build_package("3.12", root=root)
    assert sorted(path.name for path in (root / ".build" / "wheels" / "cp312").iterdir()) == [WHEEL]
    shutil.rmtree(links)
    (root / ".build" / "function_app.zip").unlink()
    assert build_package("3.12", root=root) == first


def test_a_wheel_with_another_hash_than_the_lock_is_refused(
    tmp_path: Path, no_index: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    write(links / WHEEL, zip_bytes({**WHEEL_FILES, "demo/__init__.py": b"evil"}))
    no_index.setenv("PIP_FIND_LINKS", str(links))
    with pytest.raises(PackageError, match=r"demo==1\.0: what the package index sent is not the file"):
        build_package("3.12", root=project(tmp_path / "project", cached=False))


def test_a_cached_wheel_that_was_changed_is_not_used(tmp_path: Path, no_index: pytest.MonkeyPatch) -> None:
    no_index.setenv("PIP_FIND_LINKS", str(tmp_path))
    root = project(tmp_path)
    (root / ".build" / "wheels" / "cp312" / WHEEL).write_bytes(b"evil")
    with pytest.raises(PackageError, match=r"demo==1\.0"):
        build_package("3.12", root=root)


def test_without_a_network_and_without_wheels_it_says_what_it_needs(
    tmp_path: Path, no_index: pytest.MonkeyPatch
) -> None:
    no_index.delenv("PIP_NO_INDEX")
    no_index.setenv("PIP_RETRIES", "0")
    no_index.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    root = project(tmp_path, cached=False)
    lock = root / "function_app" / "requirements.txt"
    lock.write_text(f"{lock.read_text()}other==2.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(
        PackageError, match=r"other==2\.0, demo==1\.0: the package index cannot be reached"
    ) as raised:
        build_package("3.12", root=root)
    first, *said = str(raised.value).splitlines()
    assert said
    assert all(line.startswith(("  pip: ERROR: ", "  pip: WARNING: ", "  pip: Could not")) for line in said)
    assert len(said) < 9
    assert "Traceback" not in first


@pytest.mark.parametrize("by", ["variables", "file"])
def test_settings_of_pip_change_nothing_but_the_index(
    tmp_path: Path, no_index: pytest.MonkeyPatch, by: str
) -> None:
    links, elsewhere = tmp_path / "links", tmp_path / "elsewhere"
    write(links / WHEEL, wheel_bytes())
    settings = {
        "find-links": str(links),
        "no-index": "1",
        "target": str(elsewhere),
        "dest": str(elsewhere),
        "platform": "win_amd64",
        "no-binary": ":all:",
        "require-virtualenv": "no",
        "constraint": str(tmp_path / "missing.txt"),
        "quiet": "3",
    }
    if by == "variables":
        for name, value in settings.items():
            no_index.setenv(f"PIP_{name.upper().replace('-', '_')}", value)
    else:
        no_index.delenv("PIP_NO_INDEX")
        no_index.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
        (tmp_path / "pip.conf").write_text("\n".join(lines))
    before = build_package("3.12", root=project(tmp_path / "cached"))
    assert build_package("3.12", root=project(tmp_path / "project", cached=False)) == before
    assert not elsewhere.exists()


def test_settings_that_pip_cannot_read_are_named(tmp_path: Path, no_index: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    no_index.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(PackageError, match=r"(?s)pip cannot read its settings.*pip\.conf"):
        build_package("3.12", root=project(tmp_path / "project", cached=False))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = project(tmp_path, cached=False)
    write(root / ".build" / "wheels", b"a file, no folder")
    with pytest.raises(PackageError, match=r"wheels/cp312 cannot be written: Not a directory"):
        build_package("3.12", root=root)


@pytest.mark.parametrize("name", ["package_hash.txt", ".python_packages/lib/site-packages/demo/__init__.py"])
def test_a_file_that_the_build_makes_is_not_taken_from_the_app(tmp_path: Path, name: str) -> None:
    root = project(tmp_path)
    (root / "function_app" / ".funcignore").write_text("/requirements.*")
    write(root / "function_app" / name, b"x")
    with pytest.raises(PackageError, match=r"has .*, which the build itself creates"):
        build_package("3.12", root=root)


def test_a_lock_that_is_older_than_its_requirements_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    build_package("3.12", root=root)
    write(root / "function_app" / "requirements.in", b"demo\nanother\n")
    with pytest.raises(PackageError, match="Run `make lock`"):
        build_package("3.12", root=root)


def test_a_syntax_error_is_found_before_anything_is_downloaded(tmp_path: Path) -> None:
    root = project(tmp_path, cached=False)
    write(root / "function_app" / "skills" / "dice.py", b"def roll(:\n")
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(PackageError, match=r"skills/dice\.py:1: invalid syntax\n    def roll\(:"):
        build_package(own, root=root)


def test_two_wheels_with_different_files_of_one_name_are_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    other = zip_bytes({"demo/__init__.py": b"another"})
    write(root / ".build" / "wheels" / "cp312" / "other-2.0-py3-none-any.whl", other)
    lock = root / "function_app" / "requirements.txt"
    lock.write_text(f"{lock.read_text()}other==2.0 --hash=sha256:{hashlib.sha256(other).hexdigest()}\n")
    with pytest.raises(PackageError, match=r"other-2\.0.*different demo/__init__\.py"):
        build_package("3.12", root=root)


@pytest.mark.parametrize("path", ["../evil.py", "/evil.py", "demo/../../evil.py"])
def test_a_wheel_cannot_write_outside_site_packages(tmp_path: Path, path: str) -> None:
    root = project(tmp_path, wheel=zip_bytes({path: b"evil"}))
    with pytest.raises(PackageError, match="outside the package"):
        build_package("3.12", root=root)


# The real app. The wheels come from the project's own cache, which `make` fills: no test goes to the network
# once it is warm, and only this fixture may.


@pytest.fixture(scope="session")
def real() -> package.Package:
    return build_package("3.12", out=Path(".build/test/function_app.zip"))


def test_the_package_runs_from_nothing_but_itself(real: package.Package, tmp_path: Path) -> None:
    with zipfile.ZipFile(PROJECT_ROOT / real.path) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; sys.path[:0] = ['.', '.python_packages/lib/site-packages'];"
        "import function_app as a, azure.functions as f, json;"
        "health = {x.get_function_name(): x for x in a.app.get_functions()}['Health'].get_user_function();"
        "print(health(f.HttpRequest('GET', '/', body=b'')).get_body().decode());"
        "print(f.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    health, library = run.stdout.splitlines()
    assert json.loads(health) == {"status": "ok", "package": real.content_hash}
    assert Path(library).is_relative_to(tmp_path / ".python_packages")


def test_nothing_private_or_stale_is_shipped(real: package.Package) -> None:
    with zipfile.ZipFile(PROJECT_ROOT / real.path) as archive:
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".exe"))]
    assert not [
        name for name in names if "settings.json" in name or name.startswith("tests/") or "/bin/" in name
    ]


def test_importing_the_packager_imports_no_sdk() -> None:
    code = "import delivery.package, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded & {"pulumi", "pulumi_azure_native", "requests", "azure", "packaging", "pathspec"}


def test_the_command_shows_path_hash_size_and_files(real: package.Package, tmp_path: Path) -> None:
    out = tmp_path / "app.zip"
    run = subprocess.run(
        [sys.executable, "-m", "infra.package", "--python", "3.12", "--out", str(out)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(out) in run.stdout
    assert real.content_hash in run.stdout
    assert "function_app.py" in run.stdout
    assert f"{out.stat().st_size:,} bytes" in run.stdout
    with zipfile.ZipFile(out) as archive:
        app = [entry for entry in archive.infolist() if not entry.filename.startswith((".", HASH_FILE))]
    size = sum(entry.file_size for entry in app)
    assert f"holds {len(app)} files of function_app/ ({size:,} bytes)" in run.stdout


def test_an_unchanged_build_takes_a_fifth_of_a_second_at_most(real: package.Package) -> None:
    durations: list[float] = []
    for _ in range(5):
        begin = time.perf_counter()
        assert build_package("3.12", out=Path(".build/test/function_app.zip")) == real
        durations.append(time.perf_counter() - begin)
    assert min(durations) < 0.2


# --- a package that was built before -------------------------------------------------------------


def built(folder: Path, **more: bytes) -> Path:
    """A zip as build_package makes it, with further files by name."""
    entries = {"function_app.py": b"x = 1\n", **more}
    digest = content_hash(io.BytesIO(zip_bytes(entries)))
    path = folder / "given.zip"
    path.write_bytes(zip_bytes({**entries, HASH_FILE: digest.encode()}))
    return path


def test_a_prebuilt_package_is_taken_as_it_is_and_kept_by_its_hash(tmp_path: Path) -> None:
    path = built(tmp_path)

    package = load_prebuilt(path, "3.12", root=tmp_path)

    assert package.content_hash == content_hash(path)
    assert package.path == f".build/packages/{package.content_hash}.zip"
    assert (tmp_path / package.path).read_bytes() == path.read_bytes()
    assert package.size == path.stat().st_size


def test_a_prebuilt_package_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "given.zip"
    path.write_bytes(zip_bytes({"function_app.py": b"x = 1\n", HASH_FILE: b"0" * 64}))

    with pytest.raises(PackageError, match=r"package_hash.txt in it says 0000.*unset ASSISTANT_PACKAGE"):
        load_prebuilt(path, "3.12", root=tmp_path)


def test_a_prebuilt_package_for_another_python_is_refused(tmp_path: Path) -> None:
    path = built(
        tmp_path, **{"p/m.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp311-cp311-manylinux2014_x86_64\n"}
    )

    with pytest.raises(PackageError, match=r"built for Python 3.11, and pythonVersion is 3.12"):
        load_prebuilt(path, "3.12", root=tmp_path)
    assert load_prebuilt(path, "3.11", root=tmp_path)


def test_a_package_for_several_stacks_is_built_for_the_python_that_they_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pythons = {"dev": "3.11", "test": "3.12", "prod": "3.12"}
    built_for: list[str] = []

    def build(python_version: str, out: Path) -> package.Package:
        built_for.append(python_version)
        raise PackageError(f"not built here: {out}")

    monkeypatch.setattr(package_command, "python_version_of", pythons.__getitem__)
    monkeypatch.setattr(package_command, "build_package", build)

    package_command.main(["--stack", "test", "--stack", "prod"])
    package_command.main(["--stack", "dev"])
    assert built_for == ["3.12", "3.11"]

    assert package_command.main(["--stack", "dev", "--stack", "test", "--stack", "prod"]) == 1
    assert built_for == ["3.12", "3.11"]
    told = capsys.readouterr().err
    assert "pythonVersion is 3.11 for dev, 3.12 for test, 3.12 for prod" in told
    assert told.endswith("  pulumi config set pythonVersion 3.12 --stack dev\n")


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_a_prebuilt_package_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "given.zip"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PackageError, match="cannot be read"):
        load_prebuilt(path, "3.12", root=tmp_path)
