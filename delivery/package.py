"""function_app/ and its locked dependencies as one deterministic zip.

Every byte of the zip comes from files of `function_app/` (see app_files.py), and from npm packages and wheels
whose hashes are in its lock files (see npm_files.py, lock.py, wheels.py). Names are sorted, times and modes
are fixed, and nothing is compressed, because two zlib builds may compress the same bytes differently. So the
same inputs give the same SHA-256 on every machine.

Importing this module requires only the standard library.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from delivery import whole_file
from delivery.app_files import app_files, check_syntax
from delivery.lock import LOCK_FILE, SOURCE_FILE, check_lock, parse_lock
from delivery.npm_files import npm_files
from delivery.package_error import PackageError, read_file
from delivery.wheels import wheels_of

PROJECT_ROOT = Path(__file__).resolve().parent.parent
APP_FOLDER = "function_app"
DEFAULT_OUT = Path(".build/function_app.zip")
GIVEN_FOLDER = ".build/packages"
"""Folder of prebuilt packages, each named by its hash."""
HASH_FILE = "package_hash.txt"
PACKAGE_VARIABLE = "ASSISTANT_PACKAGE"
"""Environment variable: path of a prebuilt zip to deploy, so that every environment gets the same bytes."""
SITE_PACKAGES = ".python_packages/lib/site-packages"
PYTHON_ENDS = {
    "3.11": date(2027, 10, 31),
    "3.12": date(2028, 10, 31),
    "3.13": date(2029, 10, 31),
    "3.14": date(2029, 4, 30),
}
"""The last day of Azure's support (Docs: Supported languages in Azure Functions, 2026-11)."""
SUPPORTED_PYTHON = tuple(PYTHON_ENDS)
DEFAULT_PYTHON = "3.13"
PUSH_AGAIN_VARIABLE = "ASSISTANT_PUSH_AGAIN"
"""Environment variable: if set, `up` pushes the package even if the state has it already. After a failed
deployment the state has the previous package, but new instances may start from another one."""
# Part of the digest of the inputs: increment it when the same inputs must produce another zip.
_FORMAT = 1


@dataclass(frozen=True)
class Package:
    """A built package. `path` is relative to the project root, with slashes; `size` is in bytes."""

    path: str
    content_hash: str
    size: int


def build_package(python_version: str, *, root: Path = PROJECT_ROOT, out: Path = DEFAULT_OUT) -> Package:
    """Build the zip for one Python version, or return the existing one that was built from the same inputs.

    `out` is relative to `root` unless it is absolute. Missing wheels are downloaded with pip
    and kept in `.build/wheels`. Raises PackageError.
    """
    if python_version not in SUPPORTED_PYTHON:
        versions = ", ".join(SUPPORTED_PYTHON)
        raise PackageError(
            f"Python {python_version!r} is not supported: pythonVersion must be one of {versions}."
        )
    out = root / out
    app = app_files(root / APP_FOLDER)
    app |= npm_files(root / APP_FOLDER, app)
    check_lock(root / SOURCE_FILE, root / LOCK_FILE)
    lock = read_file(root / LOCK_FILE)
    inputs = _digest([*app.items(), (LOCK_FILE, lock), ("python", python_version.encode())])
    if unchanged := _built_before(root, out, inputs):
        return unchanged
    check_syntax(app, python_version)
    requirements = parse_lock(lock.decode(), python_version)
    cache = root / ".build" / "wheels" / f"cp{python_version.replace('.', '')}"
    dependencies = _vendored(wheels_of(requirements, python_version, cache))
    if clash := sorted(app.keys() & {*dependencies, HASH_FILE}):
        raise PackageError(
            f"{APP_FOLDER}/ has {', '.join(clash)}, which the build itself creates. Remove it."
        )
    entries = {**app, **dependencies}
    content_hash = _digest(entries.items())
    data = zip_bytes({**entries, HASH_FILE: content_hash.encode()})
    package = Package(_relative(out, root), content_hash, len(data))
    record = {
        "inputs": inputs,
        "zip": hashlib.sha256(data).hexdigest(),
        "content_hash": content_hash,
        "size": len(data),
    }
    try:
        whole_file.write(out, data)
        whole_file.write(_record_file(out), json.dumps(record, indent=1).encode())
    except OSError as error:
        raise PackageError(f"{out} cannot be written: {error.strerror}.") from error
    return package


def load_prebuilt(path: Path, python_version: str, *, root: Path = PROJECT_ROOT) -> tuple[Package, str]:
    """A prebuilt zip, which a pipeline passes from one environment to the next, and its Python version.

    That is `python_version` if its wheels work with every version. The zip is copied to GIVEN_FOLDER, so that
    the state does not contain a path of one machine. Raises PackageError if it is not an unchanged zip of
    `build_package`.
    """
    data = read_file(path)
    actual_hash = content_hash(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        recorded_hash = archive.read(HASH_FILE).decode() if HASH_FILE in names else "none"
    problems: list[str] = []
    if recorded_hash != actual_hash:
        problems.append(f"its content hash is {actual_hash}, and {HASH_FILE} in it says {recorded_hash}")
    built_for = target_pythons(io.BytesIO(data)) or {python_version}
    if len(built_for) > 1 or not built_for <= PYTHON_ENDS.keys():
        versions, supported = ", ".join(sorted(built_for)), ", ".join(SUPPORTED_PYTHON)
        problems.append(f"it was built for Python {versions}, and must be for one of {supported}")
    if problems:
        raise PackageError(
            f"{path} ({PACKAGE_VARIABLE}) cannot be deployed: {'; '.join(problems)}. "
            f"Build it with `python -m infra.package --python {python_version} --out {path}`, "
            f"or unset {PACKAGE_VARIABLE} to build from this checkout."
        )
    copy = root / GIVEN_FOLDER / f"{actual_hash}.zip"
    if not copy.is_file() or copy.read_bytes() != data:
        whole_file.write(copy, data)
    (built_version,) = built_for
    return Package(_relative(copy, root), actual_hash, len(data)), built_version


def content_hash(package: Path | BinaryIO) -> str:
    """The hash of the files in a zip, except the file with the hash itself. Raises PackageError."""
    try:
        with zipfile.ZipFile(package) as archive:
            names = [name for name in archive.namelist() if name != HASH_FILE]
            return _digest((name, archive.read(name)) for name in names)
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(
            f"{package} cannot be read as a zip ({error}). Run `python -m infra.package` to build it."
        ) from error


def target_pythons(package: Path | BinaryIO) -> frozenset[str]:
    """The Python versions of the wheels in a zip, as `3.12`; empty if the wheels work with every version."""
    with zipfile.ZipFile(package) as archive:
        tags = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/WHEEL")
        ]
    minors = [minor for text in tags for minor in re.findall(r"^Tag: cp3(\d+)-cp", text, re.MULTILINE)]
    return frozenset(f"3.{minor}" for minor in minors)


def summary(package: Path | BinaryIO) -> str:
    """The number of files and bytes in a zip, of the app and of its dependencies."""
    with zipfile.ZipFile(package) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename != HASH_FILE]
    dependencies = [entry for entry in entries if entry.filename.startswith(f"{SITE_PACKAGES}/")]
    app = [entry for entry in entries if entry not in dependencies]
    return (
        f"{len(app)} files of {APP_FOLDER}/ ({sum(entry.file_size for entry in app):,} bytes), "
        f"{len(dependencies)} of its dependencies ({sum(entry.file_size for entry in dependencies):,} bytes)"
    )


def url_path(route: str, root: Path = PROJECT_ROOT) -> str:
    """The URL path of a route, as `/api/health` for `health`, with the routePrefix of host.json.

    Raises PackageError where host.json cannot be read.
    """
    http = json.loads(read_file(root / APP_FOLDER / "host.json")).get("extensions", {}).get("http", {})
    prefix = str(http.get("routePrefix", "api")).strip("/")
    return f"/{prefix}/{route}" if prefix else f"/{route}"


def zip_bytes(entries: Mapping[str, bytes]) -> bytes:
    """A zip that depends only on these files, not on the time, the umask or a compressor."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, also if this runs on Windows
            info.external_attr = 0o100644 << 16
            archive.writestr(info, entries[name])
    return buffer.getvalue()


# Wheels


def _vendored(wheels: Iterable[Path]) -> dict[str, bytes]:
    """The files of the wheels as pip installs them, without scripts and caches."""
    files: dict[str, bytes] = {}
    for wheel in wheels:
        for name, data in _installed(wheel):
            path = f"{SITE_PACKAGES}/{name}"
            if files.setdefault(path, data) != data:
                raise PackageError(f"{wheel.name}: another wheel contains a different {name}.")
    return files


def _installed(wheel: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename)
                if entry.is_dir() or "__pycache__" in path.parts:
                    continue
                if path.is_absolute() or ".." in path.parts:
                    raise PackageError(
                        f"{wheel.name}: the path {entry.filename!r} is outside the package. "
                        "Pin another version."
                    )
                if path.parts[0].endswith(".data"):
                    # The binary distribution format: purelib and platlib go beside the packages; scripts,
                    # headers and data belong to a virtual environment, which a function app does not have.
                    if path.parts[1] not in ("purelib", "platlib"):
                        continue
                    path = PurePosixPath(*path.parts[2:])
                yield path.as_posix(), archive.read(entry)
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(f"{wheel} is damaged ({error}). Delete it and build again.") from error


# Files


def _built_before(root: Path, out: Path, inputs: str) -> Package | None:
    """The package on disk, if it was built from these inputs and has not been changed since."""
    try:
        record = json.loads(_record_file(out).read_bytes())
        if record["inputs"] != inputs or record["zip"] != hashlib.sha256(out.read_bytes()).hexdigest():
            return None
        return Package(_relative(out, root), record["content_hash"], record["size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def _relative(out: Path, root: Path) -> str:
    return out.relative_to(root).as_posix() if out.is_relative_to(root) else str(out)


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over names and contents in the order of the names, each with its length before it."""
    digest = hashlib.sha256(f"function app package {_FORMAT}\n".encode())
    for name, data in sorted(files):
        for part in (name.encode(), data):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
