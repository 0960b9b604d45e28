"""The locked wheels, from the cache of this checkout or else from pip's configured package index.

Of pip's configuration (PIP_* variables and config files) only the options that say where wheels come from
apply (`_SOURCES`). Every other option could change the content of the package, so it is not passed to pip.
"""

import ast
import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.lock import LOCK_FILE, Requirement
from delivery.package_error import PackageError, read_file

# Flex Consumption runs x86_64 Linux with a glibc newer than 2.28.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Options of pip for the index, the connection to it and its timeouts.
_SOURCES = (
    *("index-url", "extra-index-url", "find-links", "no-index", "keyring-provider"),
    *("proxy", "cert", "client-cert", "trusted-host", "timeout", "default-timeout", "retries"),
)
_PIP = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input")
# The useful lines of verbose pip output; the others are stack frames and candidates.
_PIP_MESSAGES = re.compile(
    r"(ERROR|WARNING): |Could not fetch URL |Reason for being yanked: |(Expected|Got) "
)
_INDEX_SETTINGS = "PIP_INDEX_URL, PIP_FIND_LINKS or the config files that `python -m pip config debug` lists"


@dataclass(frozen=True)
class _Failure:
    """A kind of failure of pip: `pattern` matches its output. `general`: other wheels would fail too."""

    pattern: str
    reason: str
    general: bool = False


# The order matters: a later pattern also matches the output of an earlier kind. The patterns are for pip 23.2
# and 26.3; tests/unit/delivery/test_wheels.py has its output for each. FILE: the file name of the version.
_FAILURES = (
    _Failure("No module named pip", "{python} has no pip. Run `{python} -m ensurepip`", general=True),
    _Failure(
        r"Errno (28|122)\b|No space left on device|Disk quota exceeded",
        "the disk is full. Free space in {cache} and in the folder for temporary files (TMPDIR)",
        general=True,
    ),
    _Failure(
        r"PermissionError: |Errno 30\b",
        "pip may not write. Let this user write to {cache} and to the folder for temporary files (TMPDIR)",
        general=True,
    ),
    _Failure(
        "DO NOT MATCH THE HASHES",
        "what the package index sent is not the file that {lock} pins: the transfer was truncated, or the"
        " file is another one. Build again; if that fails, find out why the file was replaced before you run"
        " `make lock`",
    ),
    _Failure(
        r"ProxyError|proxy connection error|Tunnel connection failed|407 (Client Error|Proxy)",
        "the proxy refuses pip's connection to the package index. Correct HTTPS_PROXY or PIP_PROXY (with"
        " user and password if the proxy requires them)",
        general=True,
    ),
    _Failure(
        r"SSLError|confirming the ssl certificate|CERTIFICATE_VERIFY_FAILED|TLS CA certificate bundle",
        "the certificate of the package index is not trusted. Set PIP_CERT to a file with the"
        " certificate of its authority",
        general=True,
    ),
    _Failure(
        r"\b(401|403) Client Error|HTTP error (401|403)",
        f"the package index refuses these credentials. Correct the user and password in {_INDEX_SETTINGS}",
        general=True,
    ),
    _Failure(
        r"\b(429 Client|5\d\d Server) Error|too many (429|5\d\d) error responses|HTTP error (429|5\d\d)",
        "the package index has an error or is overloaded. Build again later, or set PIP_INDEX_URL to another",
        general=True,
    ),
    _Failure(
        "connection error:|Max retries exceeded|timed out|IncompleteRead|Connection (broken|reset|aborted)|"
        "incomplete download",
        "the package index cannot be reached, and {cache} does not have the wheel. Connect once to"
        " the network, or set PIP_INDEX_URL or PIP_FIND_LINKS to a place that has the wheels",
        general=True,
    ),
    _Failure(
        "only supported Content-Types|seems invalid, please provide a scheme|is not a trusted or secure host|"
        "Invalid URL|No (schema|scheme) supplied",
        f"the configured address is not a package index. Correct {_INDEX_SETTINGS}",
        general=True,
    ),
    _Failure(
        r"(none of the wheel's tags|Link requires a different Python|No sources permitted).*/FILE[-.]\D",
        "no wheel for CPython {version} on Linux x86_64 was found, only other files. Choose another Python"
        " with the setting pythonVersion, or in function_app/requirements.in a version that has one"
        " and run `make lock`",
    ),
    _Failure(
        r"from versions: (?!none)",
        "the package index has other versions, but not this one: it was removed, or this index does not have"
        " it yet. Choose another version in function_app/requirements.in and run `make lock`, or correct "
        + _INDEX_SETTINGS,
    ),
    _Failure(
        r"from versions: none|HTTP error 404",
        f"the package index does not have it. Correct {_INDEX_SETTINGS}",
    ),
)


class WheelError(Exception):
    """pip could not download a wheel; `general` if other wheels would fail too."""

    def __init__(self, message: str, *, general: bool = False) -> None:
        super().__init__(message)
        self.general = general


def wheels_of(requirements: Sequence[Requirement], python_version: str, cache: Path) -> list[Path]:
    """One wheel per requirement, from the cache or else from pip's index. Raises PackageError."""
    cached = {hashlib.sha256(read_file(wheel)).hexdigest(): wheel for wheel in cache.glob("*.whl")}
    wheels = {
        requirement: cached[digest]
        for requirement in requirements
        for digest in sorted(requirement.hashes, reverse=True)
        if digest in cached
    }
    missing = [requirement for requirement in requirements if requirement not in wheels]
    if missing:
        sys.stderr.write(f"Downloading {len(missing)} packages of the function app (once).\n")
        try:
            wheels |= _download_all(missing, python_version, cache)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            fix = "Free space" if full else "Make it writable for this user"
            raise PackageError(f"{cache} cannot be written: {error.strerror}. {fix}.") from error
    return [wheels[requirement] for requirement in requirements]


def _download_all(
    requirements: Sequence[Requirement], python_version: str, cache: Path
) -> dict[Requirement, Path]:
    """In one run of pip, or in one for each requirement, to report every problem. Raises PackageError."""
    environment = _pip_environment()
    wheels: dict[Requirement, Path] = {}
    problems: list[str] = []
    singles = [[requirement] for requirement in requirements]
    for group in (requirements, *singles) if len(singles) > 1 else singles:
        try:
            wheels |= _download(group, python_version, cache, environment)
        except WheelError as error:
            if error.general:
                # The other downloads would fail too, each after several retries.
                others = [other.specifier for other in requirements[requirements.index(group[0]) + 1 :]]
                problems.append(", ".join([*others, str(error)]))
                break
            if len(group) == 1:
                problems.append(str(error))
        if len(wheels) == len(requirements):
            return wheels
    raise PackageError("\n".join(problems))


def failure_of(output: str, requirement: Requirement, python_version: str, cache: Path) -> WheelError:
    """The cause of pip's failure, from its verbose output. Pure."""
    # A failed attempt that pip retried is not the cause.
    output = "\n".join(line for line in output.splitlines() if "Retrying (Retry(" not in line)
    name, _, version = requirement.specifier.partition("==")
    file = re.sub("[-_.]+", "[-_.]", name) + "-" + re.escape(version)

    def fits(failure: _Failure, text: str) -> bool:
        return re.search(failure.pattern.replace("FILE", f"(?i:{file})"), text) is not None

    failure = next((known for known in _FAILURES if fits(known, output)), None)
    reason = "pip failed" if failure is None else failure.reason
    reason = reason.format(python=sys.executable, cache=cache, lock=LOCK_FILE, version=python_version)
    lines = list(dict.fromkeys(line.strip() for line in output.splitlines() if line.strip()))
    messages = [line for line in lines if _PIP_MESSAGES.match(line)]
    if failure is None:
        quoted = messages[-2:] or lines[-2:]
    else:
        # The line that matches the kind comes first: pip's last line is often about a missing wheel.
        known = [line for line in messages if fits(failure, line)] or [
            line for line in lines if fits(failure, line)
        ]
        quoted = list(dict.fromkeys([*known[:1], *messages]))[:2]
    message = "\n".join([f"{requirement.specifier}: {reason}.", *(f"  pip: {line[:300]}" for line in quoted)])
    return WheelError(message, general=failure is not None and failure.general)


def _pip_environment() -> dict[str, str]:
    """Environment variables for pip, with only `_SOURCES` set, from PIP_* variables or else config files."""
    # The -v options outweigh a setting `quiet`, with which pip would list nothing.
    command = [*_PIP, "-vvvvvvvvv", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode and "No module named pip" not in listing.stderr:
        message = " ".join(listing.stderr.split()[-40:])
        raise PackageError(f"pip cannot read its settings. Correct them:\n  pip: {message}")
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith("PIP_")}
    return {**others, **source_variables(listing.stdout), "PIP_CONFIG_FILE": os.devnull}


def source_variables(config: str) -> dict[str, str]:
    """PIP_* variables for the `_SOURCES` of `pip config list` (lines of section.option='value'). Pure.

    The variable takes precedence over `[download]`, and that over `[global]`.
    """
    chosen: dict[str, str] = {}
    rows = [line.strip().partition("=") for line in config.splitlines()]
    for section in ("global.", "download.", ":env:."):
        for name, _, value in rows:
            option = name.removeprefix(section)
            if option != name and option in _SOURCES:
                chosen[f"PIP_{option.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return chosen


def _download(
    requirements: Sequence[Requirement], python_version: str, cache: Path, environment: Mapping[str, str]
) -> dict[Requirement, Path]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
        lock = Path(folder, "requirements.txt")
        lines = (
            " ".join(
                [requirement.specifier, *(f"--hash=sha256:{digest}" for digest in sorted(requirement.hashes))]
            )
            for requirement in requirements
        )
        lock.write_text("\n".join(lines))
        version = python_version.replace(".", "")
        finished = subprocess.run(
            [
                *(*_PIP, "-vv", "download"),
                *("--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(lock)),
                *("--implementation", "cp", "--python-version", version),
                *("--abi", f"cp{version}", "--abi", "abi3", "--abi", "none"),
                *(option for platform in _PLATFORMS for option in ("--platform", platform)),
                *("--dest", folder),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = f"{finished.stdout}\n{finished.stderr}"
        digests = {
            hashlib.sha256(read_file(wheel)).hexdigest(): wheel for wheel in Path(folder).glob("*.whl")
        }
        wheels = {
            requirement: digests[digest]
            for requirement in requirements
            for digest in requirement.hashes & digests.keys()
        }
        if finished.returncode or len(wheels) != len(requirements):
            raise failure_of(output, requirements[0], python_version, cache)
        if notice := yanked(output, requirements[0]):
            if len(requirements) > 1:
                raise WheelError(notice)  # which of them it is, a run for each shows
            sys.stderr.write(f"{notice}\n")
        # A concurrent build may do the same: each writes the same bytes to the same file name.
        return {requirement: wheel.replace(cache / wheel.name) for requirement, wheel in wheels.items()}


def yanked(output: str, requirement: Requirement) -> str:
    """A warning if pip used a yanked version, as it does for a pinned one; else empty. Pure."""
    if "is a yanked version" not in output:
        return ""
    reason = re.search(r"Reason for being yanked: (.+)", output)
    return (
        f"warning: {requirement.specifier} was yanked from the package index"
        f" ({reason[1] if reason else 'no reason given'}). Choose another version in"
        " function_app/requirements.in, or let `make lock` choose one."
    )
