"""The lock file of the function app: its pinned requirements, and whether it matches requirements.in.

`python -m delivery.lock FILE.in` prints the digest that `make lock` writes into the header of FILE.txt.
"""

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.package_error import PackageError, read_file

LOCK_FILE = "function_app/requirements.txt"
SOURCE_FILE = "function_app/requirements.in"


@dataclass(frozen=True)
class Requirement:
    """One pinned line of the lock: `specifier` as `name==version`, hashes as hex SHA-256."""

    specifier: str
    hashes: frozenset[str]


def source_digest(source: Path) -> str:
    """SHA-256 of the requirements of an .in file and of those that it includes, without comments.

    Raises PackageError.
    """
    return hashlib.sha256("\n".join(_requirements(source)).encode()).hexdigest()


def _requirements(source: Path) -> list[str]:
    lines: list[str] = []
    for line in read_file(source).decode("utf-8-sig").splitlines():
        text = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
        included = re.fullmatch(r"(?:-r|--requirement|-c|--constraint)[ =]?(.+)", text)
        lines += _requirements(source.parent / included[1]) if included else [text] if text else []
    return sorted(lines)


def check_lock(source: Path, lock: Path) -> None:
    """Raises PackageError if the lock file was written for other requirements than the .in file has."""
    locked = re.search(r"^# +make lock \(from [^)]*, sha256 ([0-9a-f]{64})\)$", _header(lock), re.MULTILINE)
    if locked is None:
        raise PackageError(f"{lock} does not say which {source.name} it was written from. Run `make lock`.")
    if locked[1] != source_digest(source):
        raise PackageError(f"{source} has changed since {lock.name} was written from it. Run `make lock`.")


def _header(lock: Path) -> str:
    return read_file(lock)[:1000].decode(errors="replace").replace("\r\n", "\n")


def parse_lock(lock: str, python_version: str) -> list[Requirement]:
    """The requirements of a hash-pinned lock file that apply to one Python version on Linux x86_64.

    pip evaluates markers for the Python that runs it, not for the target version.
    """
    # Importing it takes longer than recognizing an unchanged package.
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
            raise PackageError(f"{LOCK_FILE}: {text!r} cannot be parsed. Run `make lock`.") from error
        pinned = re.fullmatch(r"==[^\s=*,]+", str(line.specifier))
        if not pinned or not hashes:
            raise PackageError(f"{LOCK_FILE}: {text!r} is not pinned with hashes. Run `make lock`.")
        if holds:
            requirements.append(Requirement(f"{line.name}{line.specifier}", hashes))
    return requirements


def _target(python_version: str) -> dict[str, str]:
    """All variables of PEP 508 markers, so that no value of this machine is used."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    (source,) = sys.argv[1:] if arguments is None else arguments
    sys.stdout.write(f"{source_digest(Path(source))}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
