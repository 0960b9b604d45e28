"""Finds the Pulumi CLI of this machine, and sets its environment variables.

`ops`, `bootstrap` and `local_azure` start Pulumi with this module. It downloads nothing: `make pulumi`
(`tools.pulumi.install`) installs the CLI.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PINNED = (PROJECT / ".pulumi.version").read_text(encoding="utf-8").strip()
"""The version that `make pulumi` installs and the pipelines use."""

MINIMUM_VERSION = (3, 259, 0)
"""The oldest CLI that the tests ran on: 3.238 brought PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL."""

_VERSION_DEADLINE = 15.0  # seconds; the first start of a 120 MB file from a cold disk takes some
HANGING = "ASSISTANT_HANGING_PULUMI"
"""Environment variable for child processes, which need not wait for these programs again."""


class PulumiNotFoundError(Exception):
    """There is no usable CLI; the message lists the rejected ones and names `make pulumi`."""


@dataclass(frozen=True)
class Cli:
    path: Path
    version: str


def home(environment: Mapping[str, str]) -> Path:
    """Pulumi's own folder: PULUMI_HOME, or ~/.pulumi."""
    return Path(environment.get("PULUMI_HOME") or "~/.pulumi").expanduser()


def official_folder(environment: Mapping[str, str]) -> Path:
    """The folder in which Pulumi's Automation API and npm package install a version, in `bin`."""
    return home(environment) / "versions" / PINNED


def built_folder(environment: Mapping[str, str]) -> Path:
    """The folder for a CLI that `make pulumi` builds. It has a Python language host only, so other projects
    do not use this folder."""
    return home(environment) / "versions" / f"{PINNED}-go"


def find(environment: Mapping[str, str]) -> Cli | None:
    """The first usable CLI: on PATH, then an installed one, then a built one."""
    return _search(environment)[0]


def require(environment: Mapping[str, str]) -> Cli:
    """The first usable CLI. Raises PulumiNotFoundError."""
    cli, rejected = _search(environment)
    if cli is None:
        lines = "".join(f"\n  {reason}" for reason in rejected)
        raise PulumiNotFoundError(
            f"the Pulumi CLI was not found on PATH or in {home(environment)}: run `make pulumi`, "
            f"or install it: https://www.pulumi.com/docs/iac/download-install/{lines}"
        )
    return cli


def start_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the interpreter for the built language host, which needs its packages."""
    return {**environment, "PULUMI_LANGUAGE_HOST_PYTHON": sys.executable}


def rejected(environment: Mapping[str, str]) -> list[str]:
    """One line for each `pulumi` that exists but cannot be used, with the reason."""
    return _search(environment)[1]


def _search(environment: Mapping[str, str]) -> tuple[Cli | None, list[str]]:
    rejected: list[str] = []
    for program in _candidates(environment):
        if program.parent.parent.name == built_folder(environment).name:
            return Cli(program, PINNED), rejected  # renamed only when complete; a check would take 0.1 s
        version, problem = _version(program, program.stat().st_mtime_ns)
        if not problem:
            return Cli(program, version), rejected
        rejected.append(f"{program}: {problem}")
    return None, rejected


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        if folder and (program := shutil.which("pulumi", path=folder)):
            yield Path(program)
    for folder in (official_folder(environment), built_folder(environment)):
        if program := shutil.which("pulumi", path=folder / "bin"):
            yield Path(program)


@lru_cache
def _version(program: Path, _modified: int) -> tuple[str, str]:
    """The version of a `pulumi`, and the reason why it cannot be used, empty if it can."""
    hanging = os.environ.get(HANGING, "").split(os.pathsep)
    if str(program) in hanging:
        return "", f"it does not run (no answer within {_VERSION_DEADLINE:g} seconds)"
    try:
        completed = subprocess.run(
            [program, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_DEADLINE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if isinstance(error, subprocess.TimeoutExpired):
            os.environ[HANGING] = os.pathsep.join(filter(None, [*hanging, str(program)]))
        return "", f"it does not run ({error})"
    match = re.match(r"v?((\d+)\.(\d+)\.(\d+)\S*)", completed.stdout.strip())
    if completed.returncode or match is None:
        output = (completed.stderr or completed.stdout).strip().splitlines() or ["no output"]
        return "", f"`pulumi version` ended with exit code {completed.returncode}: {output[-1][:200]}"
    version = match[1]
    if tuple(map(int, match.groups()[1:])) < MINIMUM_VERSION:
        return version, f"version {version} is older than {'.'.join(map(str, MINIMUM_VERSION))}"
    return version, ""
