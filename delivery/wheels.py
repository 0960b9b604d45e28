"""The locked wheels, from the cache of this checkout or else from pip's configured package index.

Of pip's configuration (PIP_* variables and config files) only the options that say where wheels come from
apply (`_SOURCES`). Every other option could change the content of the package, so it is not passed to pip.
"""

import ast
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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
_PIP_MESSAGES = re.compile(r"(ERROR|WARNING): |Could not fetch URL |\S+==\S+ from |(Expected|Got) ")
_INDEX_SETTINGS = "PIP_INDEX_URL, PIP_FIND_LINKS or the config files that `python -m pip config debug` lists"

# Patterns of pip's output, each with the reason and what to do. The order matters: a later pattern also
# matches the output of an earlier cause. The patterns are for pip 23.2 and 26.3; the tests have its output.
_CAUSES = (
    ("No module named pip", "{python} has no pip. Run `{python} -m ensurepip`"),
    (
        "DO NOT MATCH THE HASHES",
        "what the package index sent is not the file that {lock} pins: the transfer was truncated, or the"
        " file is another one. Build again; if that fails, find out why the file was replaced before you run"
        " `make lock`",
    ),
    (
        r"ProxyError|proxy connection error|Tunnel connection failed|407 (Client Error|Proxy)",
        "the proxy refuses pip's connection to the package index. Correct HTTPS_PROXY or PIP_PROXY (with"
        " user and password if the proxy requires them)",
    ),
    (
        r"SSLError|confirming the ssl certificate|CERTIFICATE_VERIFY_FAILED|TLS CA certificate bundle",
        "the certificate of the package index is not trusted. Set PIP_CERT to a file with the"
        " certificate of its authority",
    ),
    (
        r"\b(401|403) Client Error|HTTP error (401|403)",
        f"the package index refuses these credentials. Correct the user and password in {_INDEX_SETTINGS}",
    ),
    (
        r"connection error:|Max retries exceeded|timed out|IncompleteRead|Connection (broken|reset|aborted)|"
        r"incomplete download|\b(429 Client|5\d\d Server) Error|HTTP error (429|5\d\d)",
        "the package index cannot be reached or is overloaded, and {cache} does not have the wheel. Connect"
        " once to the network, or set PIP_INDEX_URL or PIP_FIND_LINKS to a place that has the wheels",
    ),
    (
        "No matching distribution found|HTTP error 404",
        "the package index has no such wheel for CPython {version} on Linux x86_64. Choose another version in"
        " function_app/requirements.in and run `make lock`, choose another Python with the setting"
        f" pythonVersion, or correct {_INDEX_SETTINGS}",
    ),
)


def wheels_of(requirements: Sequence[Requirement], python_version: str, cache: Path) -> list[Path]:
    """One wheel per requirement, from the cache or else from pip's index. Raises PackageError."""
    wheels = _wheels_in(cache, requirements)
    if missing := [requirement for requirement in requirements if requirement not in wheels]:
        sys.stderr.write(f"Downloading {len(missing)} packages of the function app (once).\n")
        try:
            wheels |= _download(missing, python_version, cache)
        except OSError as error:
            raise PackageError(
                f"{cache} cannot be written: {error.strerror}. Make it writable for this user, or free space."
            ) from error
    return [wheels[requirement] for requirement in requirements]


def _wheels_in(folder: Path, requirements: Sequence[Requirement]) -> dict[Requirement, Path]:
    """The wheels of a folder, by the requirement that pins their hash."""
    by_digest = {hashlib.sha256(read_file(wheel)).hexdigest(): wheel for wheel in folder.glob("*.whl")}
    return {
        requirement: by_digest[digest]
        for requirement in requirements
        for digest in sorted(requirement.hashes, reverse=True)
        if digest in by_digest
    }


def _download(
    requirements: Sequence[Requirement], python_version: str, cache: Path
) -> dict[Requirement, Path]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
        lock = Path(folder, "requirements.txt")
        lines = (
            " ".join([requirement.specifier, *(f"--hash=sha256:{digest}" for digest in requirement.hashes)])
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
            env=_pip_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = f"{finished.stdout}\n{finished.stderr}"
        if finished.returncode:
            raise failure_of(output, python_version, cache)
        sys.stderr.writelines(f"{notice}\n" for notice in yanked(output))
        wheels = _wheels_in(Path(folder), requirements)
        # A concurrent build may do the same: each writes the same bytes to the same file name.
        return {requirement: wheel.replace(cache / wheel.name) for requirement, wheel in wheels.items()}


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


def failure_of(output: str, python_version: str, cache: Path) -> PackageError:
    """The cause of pip's failure, and pip's own messages, which name the package. Pure."""
    # A failed attempt that pip retried is not the cause.
    lines = [line.strip() for line in output.splitlines() if line and "Retrying (Retry(" not in line]
    text = "\n".join(lines)
    cause = next((cause for pattern, cause in _CAUSES if re.search(pattern, text)), "pip failed")
    cause = cause.format(python=sys.executable, cache=cache, lock=LOCK_FILE, version=python_version)
    messages = list(dict.fromkeys(filter(_PIP_MESSAGES.match, lines))) or lines
    quoted = "".join(f"\n  pip: {message[:300]}" for message in messages[-4:])
    return PackageError(f"The function app's packages cannot be downloaded: {cause}.{quoted}")


def yanked(output: str) -> list[str]:
    """A warning for each yanked version that pip used, as it does for a pinned one. Pure."""
    pattern = r"is a yanked version: '(.+)' candidate \(version (\S+).*\nReason for being yanked: (.+)"
    return [
        f"warning: {name}=={version} was yanked from the package index ({reason}). Choose another version in"
        " function_app/requirements.in, or let `make lock` choose one."
        for name, version, reason in re.findall(pattern, output)
    ]
