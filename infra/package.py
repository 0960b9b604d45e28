"""function_app/ and its locked dependencies as one deterministic zip.

Every byte of the zip comes from files of `function_app/` and from wheels whose hashes
stand in its lock file; names are sorted, times and modes fixed, and nothing is
compressed, because two zlib builds may compress the same bytes differently. So the same
inputs give the same SHA-256 on every machine.

Importing this module, and an unchanged package, take only the standard library; pip runs
as a process of its own.
"""

import argparse
import ast
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from infra import whole_file

PROJECT_ROOT = Path(__file__).resolve().parent.parent
APP_FOLDER = "function_app"
LOCK_FILE = f"{APP_FOLDER}/requirements.txt"
DEFAULT_OUT = Path(".build/function_app.zip")
GIVEN_FOLDER = ".build/packages"
"""Where packages lie that were built before, each under its hash."""
# All that is shipped of function_app/, as patterns below it. Whatever else lies there stays at home:
# local.settings.json, caches, editors' files.
SHIPPED = ("function_app.py", "host.json", "assistants/**/*.py", "assistants/chat/page.*", "skills/*.py")
HASH_FILE = "package_hash.txt"
PACKAGE_VARIABLE = "ASSISTANT_PACKAGE"
"""Names a zip to deploy instead of one built from this checkout: the same bytes in every environment."""
SITE_PACKAGES = ".python_packages/lib/site-packages"
# Azure also offers 3.13 and 3.14, for which azure-functions is another major version (2.x).
SUPPORTED_PYTHON = ("3.11", "3.12")
DEFAULT_PYTHON = "3.12"
# Flex Consumption runs x86_64 Linux with a glibc newer than 2.28.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# How a verbose pip words an index that does not answer; its last line is that of a missing wheel.
_NO_INDEX = re.compile("connection error:|Max retries exceeded")
# The lines of a verbose pip that a person wants; the others are its own frames and candidates.
_PIP_SAYS = re.compile("(ERROR|WARNING): |Could not fetch URL ")
PUSH_AGAIN_VARIABLE = "ASSISTANT_PUSH_AGAIN"
"""Set, it makes `up` push the package also where the state names it already: after a failed deployment
the state names the package before, which may no longer be what new instances start from."""
# Part of the digest of the inputs: raise it when the same inputs shall give another zip.
_FORMAT = 1


class PackageError(Exception):
    """The package cannot be built; the message says what is wrong and what mends it."""


class _UnreachableError(PackageError):
    """The package index does not answer."""


@dataclass(frozen=True)
class Package:
    """A built package. `path` is relative to the project root, with slashes; `size` is in bytes."""

    path: str
    content_hash: str
    size: int


@dataclass(frozen=True)
class Requirement:
    """One pinned line of the lock: `specifier` as `name==version`, hashes as hex SHA-256."""

    specifier: str
    hashes: frozenset[str]


def build_package(python_version: str, *, root: Path = PROJECT_ROOT, out: Path = DEFAULT_OUT) -> Package:
    """Build the zip for one Python version, or return the one that the same inputs gave before.

    `out` is taken from `root` unless it is absolute. Missing wheels are downloaded with pip
    and kept in `.build/wheels`. Raises PackageError.
    """
    if python_version not in SUPPORTED_PYTHON:
        versions = ", ".join(SUPPORTED_PYTHON)
        raise PackageError(f"Python {python_version!r} cannot be packaged for: choose one of {versions}.")
    out = root / out
    app = app_files(root / APP_FOLDER)
    lock = _read(root / LOCK_FILE)
    inputs = _digest([*app.items(), (LOCK_FILE, lock), ("python", python_version.encode())])
    if unchanged := _built_before(root, out, inputs):
        return unchanged
    requirements = parse_lock(lock.decode(), python_version)
    cache = root / ".build" / "wheels" / f"cp{_compact(python_version)}"
    wheels = _wheels(requirements, python_version, cache)
    entries = {**app, **_vendored(wheels)}
    content_hash = _digest(entries.items())
    data = zip_bytes({**entries, HASH_FILE: content_hash.encode()})
    package = Package(_relative(out, root), content_hash, len(data))
    record = {
        "inputs": inputs,
        "zip": hashlib.sha256(data).hexdigest(),
        "content_hash": content_hash,
        "size": len(data),
    }
    whole_file.write(out, data)
    whole_file.write(_record_file(out), json.dumps(record, indent=1).encode())
    return package


def given_package(path: Path, python_version: str, *, root: Path = PROJECT_ROOT) -> Package:
    """A zip that was built before, as a pipeline hands it from one environment to the next.

    It is copied to GIVEN_FOLDER, so that the state names no folder of one machine. Raises PackageError
    where it is not what `build_package` made, or was made for another Python.
    """
    data = _read(path)
    found = content_hash(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        named = archive.read(HASH_FILE).decode() if HASH_FILE in names else "none"
    problems: list[str] = []
    if named != found:
        problems.append(f"its content hash is {found}, and {HASH_FILE} in it says {named}")
    if unfit := made_for(io.BytesIO(data)) - {python_version}:
        versions = ", ".join(sorted(unfit))
        problems.append(f"it was made for Python {versions}, and pythonVersion is {python_version}")
    if problems:
        raise PackageError(
            f"{path} ({PACKAGE_VARIABLE}) cannot be deployed: {'; '.join(problems)}. "
            f"Build it with `python -m infra.package --python {python_version} --out {path}`, "
            f"or unset {PACKAGE_VARIABLE} to build from this checkout."
        )
    kept = root / GIVEN_FOLDER / f"{found}.zip"
    if not kept.is_file() or kept.read_bytes() != data:
        whole_file.write(kept, data)
    return Package(_relative(kept, root), found, len(data))


def content_hash(package: Path | BinaryIO) -> str:
    """The hash of what a built zip holds, without the file that names the hash. Raises PackageError."""
    try:
        with zipfile.ZipFile(package) as archive:
            names = [name for name in archive.namelist() if name != HASH_FILE]
            return _digest((name, archive.read(name)) for name in names)
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(
            f"{package} cannot be read as a zip ({error}). Run `python -m infra.package` to build it."
        ) from error


def made_for(package: Path | BinaryIO) -> frozenset[str]:
    """The Pythons that the wheels in a built zip are for; none where all of them are for any."""
    with zipfile.ZipFile(package) as archive:
        tags = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".dist-info/WHEEL")
        ]
    found = [minor for text in tags for minor in re.findall(r"^Tag: cp3(\d+)-cp", text, re.MULTILINE)]
    return frozenset(f"3.{minor}" for minor in found)


def function_names(package: Path | BinaryIO) -> frozenset[str]:
    """The functions that the app's own code declares, read from its decorators without running it."""
    names: set[str] = set()
    with zipfile.ZipFile(package) as archive:
        for path in archive.namelist():
            if path.endswith(".py") and not path.startswith(SITE_PACKAGES):
                for node in ast.walk(ast.parse(archive.read(path), path)):
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                        names |= _function_name(node)
    return frozenset(names)


def _function_name(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    calls = [call for call in function.decorator_list if isinstance(call, ast.Call)]
    decorators = {call.func.attr: call.args for call in calls if isinstance(call.func, ast.Attribute)}
    match decorators.get("function_name"):
        case [ast.Constant(value=str(name)), *_]:
            return {name}
        case _:
            triggered = any(name == "route" or name.endswith("_trigger") for name in decorators)
            return {function.name} if triggered else set()


def url_path(route: str, root: Path = PROJECT_ROOT) -> str:
    """The path of a route of the app, as `/api/health` for `health`, below the routePrefix of its host.json.

    Raises PackageError where host.json cannot be read.
    """
    http = json.loads(_read(root / APP_FOLDER / "host.json")).get("extensions", {}).get("http", {})
    prefix = str(http.get("routePrefix", "api")).strip("/")
    return f"/{prefix}/{route}" if prefix else f"/{route}"


def app_files(folder: Path) -> dict[str, bytes]:
    """The shipped files below function_app/, by their path in the zip."""
    found = {
        path.relative_to(folder).as_posix(): _read(path)
        for pattern in SHIPPED
        for path in folder.glob(pattern)
        if path.is_file()
    }
    missing = [pattern for pattern in SHIPPED if "*" not in pattern and pattern not in found]
    if missing:
        raise PackageError(f"{folder} is not a function app: {' and '.join(missing)} missing.")
    return found


def zip_bytes(entries: Mapping[str, bytes]) -> bytes:
    """A zip of these files that depends on nothing else: no clock, no umask, no compressor."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, also where this runs on Windows
            info.external_attr = 0o100644 << 16
            archive.writestr(info, entries[name])
    return buffer.getvalue()


# The lock


def parse_lock(lock: str, python_version: str) -> list[Requirement]:
    """The requirements of a hash-pinned lock that hold for one Python on Linux x86_64.

    pip would judge the markers for the Python that runs it, not for the one packaged for.
    """
    # Takes longer to import than an unchanged package takes to be recognised.
    import packaging.requirements as packaging  # noqa: PLC0415

    environment = _target(python_version)
    requirements: list[Requirement] = []
    for joined in re.sub(r"\\\r?\n", " ", lock).splitlines():
        text = joined.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
        try:
            line = packaging.Requirement(text.split("--hash=")[0])
            holds = line.marker is None or line.marker.evaluate(environment)
        except ValueError as error:
            raise PackageError(f"{LOCK_FILE}: {text!r} is not understood. Run `make lock`.") from error
        pinned = re.fullmatch(r"==[^\s=*,]+", str(line.specifier))
        if not pinned or not hashes:
            raise PackageError(f"{LOCK_FILE}: {text!r} is not pinned with hashes. Run `make lock`.")
        if holds:
            requirements.append(Requirement(f"{line.name}{line.specifier}", hashes))
    return requirements


def _target(python_version: str) -> dict[str, str]:
    """The whole environment of PEP 508 markers, so that nothing of this machine's own counts."""
    return {
        "python_version": python_version,
        "python_full_version": f"{python_version}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_release": "",
        "platform_version": "",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "implementation_version": f"{python_version}.0",
        "platform_python_implementation": "CPython",
    }


def _compact(python_version: str) -> str:
    return python_version.replace(".", "")


# Wheels


def _wheels(requirements: Sequence[Requirement], python_version: str, cache: Path) -> list[Path]:
    """One wheel per requirement, from the cache or else from pip's index."""
    cached = {hashlib.sha256(_read(wheel)).hexdigest(): wheel for wheel in cache.glob("*.whl")}
    wheels: list[Path] = []
    problems: list[str] = []
    for number, requirement in enumerate(requirements):
        known = [cached[digest] for digest in sorted(requirement.hashes) if digest in cached]
        try:
            wheels.append(known[0] if known else _download(requirement, python_version, cache))
        except _UnreachableError as error:
            # It would be so for the others too, after as many tries.
            rest = requirements[number + 1 :]
            missing = [other.specifier for other in rest if not other.hashes & cached.keys()]
            raise PackageError(", ".join([*missing, str(error)])) from error
        except PackageError as error:
            problems.append(str(error))
    if problems:
        raise PackageError("\n".join(problems))
    return wheels


def _download(requirement: Requirement, python_version: str, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
        lock = Path(folder, "requirements.txt")
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in sorted(requirement.hashes))
        lock.write_text(f"{requirement.specifier} {hashes}\n")
        version = _compact(python_version)
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-vv"),
                "download",
                *("--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(lock)),
                *("--implementation", "cp", "--python-version", version),
                *("--abi", f"cp{version}", "--abi", "abi3", "--abi", "none"),
                *(option for platform in _PLATFORMS for option in ("--platform", platform)),
                *("--dest", folder),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        found = list(Path(folder).glob("*.whl"))
        if finished.returncode or len(found) != 1:
            raise _download_problem(requirement, python_version, cache, finished)
        if hashlib.sha256(_read(found[0])).hexdigest() not in requirement.hashes:
            raise PackageError(
                f"{requirement.specifier}: {found[0].name} has a hash that {LOCK_FILE} does not list."
            )
        # Another build may do the same at the same time: each puts the same bytes under the same name.
        return found[0].replace(cache / found[0].name)


def _download_problem(
    requirement: Requirement, python_version: str, cache: Path, finished: subprocess.CompletedProcess[str]
) -> PackageError:
    output = f"{finished.stdout}\n{finished.stderr}".strip()
    kind = PackageError
    if "DO NOT MATCH THE HASHES" in output:
        reason = f"the package index has another file than {LOCK_FILE} lists. Find out why first"
    elif _NO_INDEX.search(output):
        kind = _UnreachableError
        reason = (
            f"the package index cannot be reached, and {cache} does not hold the wheel. It is needed once:"
            " connect to the network, or set PIP_INDEX_URL or PIP_FIND_LINKS to where the wheels are"
        )
    elif "No module named pip" in output:
        reason = f"{sys.executable} has no pip. Run `{sys.executable} -m ensurepip`"
    else:
        reason = (
            f"no wheel for CPython {python_version} on Linux x86_64 was found. Choose another Python with"
            " `pulumi config set pythonVersion`, or in function_app/requirements.in a version that has one"
        )
    lines = dict.fromkeys(f"  pip: {line[:300]}" for line in output.splitlines() if _PIP_SAYS.match(line))
    return kind("\n".join([f"{requirement.specifier}: {reason}.", *list(lines)[:2]]))


def _vendored(wheels: Iterable[Path]) -> dict[str, bytes]:
    """The files of the wheels as they are once installed, without scripts and caches."""
    files: dict[str, bytes] = {}
    for wheel in wheels:
        for name, data in _installed(wheel):
            path = f"{SITE_PACKAGES}/{name}"
            if files.setdefault(path, data) != data:
                raise PackageError(f"{wheel.name}: another wheel brings a different {name}.")
    return files


def _installed(wheel: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename)
                if entry.is_dir() or "__pycache__" in path.parts:
                    continue
                if path.is_absolute() or ".." in path.parts:
                    raise PackageError(f"{wheel.name}: the path {entry.filename!r} leaves the package.")
                if path.parts[0].endswith(".data"):
                    # The binary distribution format: purelib and platlib go beside the packages; scripts,
                    # headers and data belong to an environment, and a function app has none.
                    if path.parts[1] not in ("purelib", "platlib"):
                        continue
                    path = PurePosixPath(*path.parts[2:])
                yield path.as_posix(), archive.read(entry)
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageError(f"{wheel} is damaged ({error}). Delete it and build again.") from error


# Files


def _built_before(root: Path, out: Path, inputs: str) -> Package | None:
    """The package on disk, if these inputs made it and nothing has touched it since."""
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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror}.") from error


def _one_python(stacks: Sequence[str]) -> str:
    """Raises PackageError where no package could run on all of them."""
    from infra.settings import python_version_of  # noqa: PLC0415 # it imports this module, and takes a second

    wanted = {stack: python_version_of(stack) for stack in stacks}
    if len(set(wanted.values())) > 1:
        told = ", ".join(f"{version} for {stack}" for stack, version in wanted.items())
        version = wanted[stacks[-1]]
        mends = [
            f"  pulumi config set pythonVersion {version} --stack {stack}"
            for stack in wanted
            if wanted[stack] != version
        ]
        raise PackageError(
            f"pythonVersion is {told}, and one package goes to all of them: it runs on one Python only. "
            "Set the same, as:\n" + "\n".join(mends)
        )
    return wanted[stacks[0]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.package",
        description="Build the zip that `pulumi up` deploys; show its path, content hash, size and files.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--python", default=DEFAULT_PYTHON, choices=SUPPORTED_PYTHON, help="default: %(default)s"
    )
    which.add_argument(
        "--stack",
        action="append",
        metavar="S",
        help="for the pythonVersion of this stack; may be repeated, for a package that goes to all of them",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: %(default)s in the project")
    options = parser.parse_args(arguments)
    out: Path = options.out if options.out == DEFAULT_OUT else options.out.resolve()
    try:
        package = build_package(_one_python(options.stack) if options.stack else options.python, out=out)
        with zipfile.ZipFile(PROJECT_ROOT / package.path) as archive:
            files = [f"  {entry.file_size:>9,}  {entry.filename}" for entry in archive.infolist()]
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [
        f"path  {package.path}",
        f"hash  {package.content_hash}",
        f"size  {package.size:,} bytes",
        *files,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
