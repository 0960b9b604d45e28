"""The locked wheels: from the cache of this checkout, or else from the index that pip is set to.

Only where wheels come from is the machine's choice (`_SOURCES`). Everything else that pip takes from PIP_*
variables and its config files would change what is in the package, so pip does not see it.
"""

import ast
import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from delivery.lock import LOCK_FILE, Requirement
from delivery.package_error import PackageError, read_file

# Flex Consumption runs x86_64 Linux with a glibc newer than 2.28.
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Options of pip that choose an index, a way to it, and how long it may take.
_SOURCES = (
    *("index-url", "extra-index-url", "find-links", "no-index", "keyring-provider"),
    *("proxy", "cert", "client-cert", "trusted-host", "timeout", "default-timeout", "retries"),
)
_PIP = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input")
# The lines of a verbose pip that a person wants; the others are its own frames and candidates.
_PIP_MESSAGES = re.compile(
    r"(ERROR|WARNING): |Could not fetch URL |Reason for being yanked: |(Expected|Got) "
)
_INDEX_SETTINGS = "PIP_INDEX_URL, PIP_FIND_LINKS or the config files that `python -m pip config debug` lists"


@dataclass(frozen=True)
class _Failure:
    """How pip words one kind of failure, and what it means. `general`: other wheels would fail alike."""

    pattern: str
    reason: str
    general: bool = False


# In this order: a later pattern also fits the output of an earlier kind. The words are those of pip 23.2 and
# 26.3; tests/unit/delivery/test_wheels.py has its output for each. FILE: how files of the version are named.
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
        "what the package index sent is not the file that {lock} pins: the transfer was cut off, or the file"
        " is another one. Build again; if it stays so, find out why the file was replaced before you run"
        " `make lock`",
    ),
    _Failure(
        r"ProxyError|proxy connection error|Tunnel connection failed|407 (Client Error|Proxy)",
        "the proxy does not let pip through to the package index. Correct HTTPS_PROXY or PIP_PROXY (with user"
        " and password where the proxy asks for them)",
        general=True,
    ),
    _Failure(
        r"SSLError|confirming the ssl certificate|CERTIFICATE_VERIFY_FAILED|TLS CA certificate bundle",
        "the certificate of the package index is not trusted. Set PIP_CERT to a file with its authority",
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
        "the package index cannot be reached, and {cache} does not hold the wheel. It is needed once: connect"
        " to the network, or set PIP_INDEX_URL or PIP_FIND_LINKS to where the wheels are",
        general=True,
    ),
    _Failure(
        "only supported Content-Types|seems invalid, please provide a scheme|is not a trusted or secure host|"
        "Invalid URL|No (schema|scheme) supplied",
        f"what pip is set to is not a package index. Correct {_INDEX_SETTINGS}",
        general=True,
    ),
    _Failure(
        r"(none of the wheel's tags|Link requires a different Python|No sources permitted).*/FILE[-.]\D",
        "no wheel for CPython {version} on Linux x86_64 was found, only other files. Choose another Python"
        " with `pulumi config set pythonVersion`, or in function_app/requirements.in a version that has one"
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
    environment = _pip_environment() if missing else {}
    problems: list[str] = []
    for number, requirement in enumerate(missing):
        with _disk_errors(cache):
            wheel, problem = _download(requirement, python_version, cache, environment)
        if wheel is not None:
            wheels[requirement] = wheel
        elif problem.general:
            # It would be so for the others too, after as many tries.
            others = [other.specifier for other in missing[number + 1 :]]
            problems.append(", ".join([*others, problem.message]))
            break
        else:
            problems.append(problem.message)
    if problems:
        raise PackageError("\n".join(problems))
    return [wheels[requirement] for requirement in requirements]


@dataclass(frozen=True)
class Problem:
    """Why pip got no wheel; `general` where other wheels would fail alike."""

    message: str = ""
    general: bool = False


def failure_of(output: str, requirement: Requirement, python_version: str, cache: Path) -> Problem:
    """What a failed pip means, from its verbose output. Pure."""
    # A try that failed before one that did not is no cause.
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
        # The line that this kind is known by comes first: pip's last one is often that of a missing wheel.
        known = [line for line in messages if fits(failure, line)] or [
            line for line in lines if fits(failure, line)
        ]
        quoted = list(dict.fromkeys([*known[:1], *messages]))[:2]
    message = "\n".join([f"{requirement.specifier}: {reason}.", *(f"  pip: {line[:300]}" for line in quoted)])
    return Problem(message, failure is not None and failure.general)


def _pip_environment() -> dict[str, str]:
    """The environment for pip in which only `_SOURCES` are set, from PIP_* variables or else config files."""
    # As verbose as it takes to outweigh a setting `quiet`, with which it would list nothing.
    command = [*_PIP, "-vvvvvvvvv", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode and "No module named pip" not in listing.stderr:
        message = " ".join(listing.stderr.split()[-40:])
        raise PackageError(f"pip cannot read its settings. Correct them:\n  pip: {message}")
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith("PIP_")}
    return {**others, **source_variables(listing.stdout), "PIP_CONFIG_FILE": os.devnull}


def source_variables(config: str) -> dict[str, str]:
    """PIP_* variables for the `_SOURCES` of `pip config list` (lines of section.option='value'). Pure.

    For one option pip takes the variable before `[download]`, and that before `[global]`.
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
    requirement: Requirement, python_version: str, cache: Path, environment: Mapping[str, str]
) -> tuple[Path | None, Problem]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
        lock = Path(folder, "requirements.txt")
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in sorted(requirement.hashes))
        lock.write_text(f"{requirement.specifier} {hashes}\n")
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
        wheels = list(Path(folder).glob("*.whl"))
        if finished.returncode or len(wheels) != 1:
            return None, failure_of(output, requirement, python_version, cache)
        if hashlib.sha256(read_file(wheels[0])).hexdigest() not in requirement.hashes:
            return None, Problem(
                f"{requirement.specifier}: {wheels[0].name} has a hash that {LOCK_FILE} does not list."
            )
        if notice := yanked(output, requirement):
            sys.stderr.write(f"{notice}\n")
        # Another build may do the same at the same time: each puts the same bytes under the same name.
        return wheels[0].replace(cache / wheels[0].name), Problem()


def yanked(output: str, requirement: Requirement) -> str:
    """A warning where pip took a version that its project withdrew, as it does for a pinned one. Pure."""
    if "is a yanked version" not in output:
        return ""
    reason = re.search(r"Reason for being yanked: (.+)", output)
    return (
        f"warning: {requirement.specifier} was yanked from the package index"
        f" ({reason[1] if reason else 'no reason given'}). Choose another version in"
        " function_app/requirements.in, or let `make lock` choose one."
    )


@contextmanager
def _disk_errors(cache: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        cure = (
            "Free space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Make it writable for this user"
        )
        raise PackageError(f"{cache} cannot be written: {error.strerror}. {cure}.") from error
