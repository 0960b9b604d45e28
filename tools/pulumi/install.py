"""`make pulumi`: installs a Pulumi CLI if necessary, and prints its path.

It uses the first of these that works: a `pulumi` on PATH that is new enough, one in Pulumi's own folder,
Pulumi's installer, a build from the Go module. The path is printed to standard output, everything else to
standard error.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from filelock import FileLock, Timeout

from tools.pulumi.build import HERE, HOST_FILES, MODULE, InstallError, build, say
from tools.pulumi.cli import MINIMUM_VERSION, PINNED, built_folder, find, home, official_folder, rejected

INSTALLER = "https://get.pulumi.com/install.sh"
_REACHABLE_WITHIN = 5.0  # seconds


def install(environment: Mapping[str, str]) -> Path:
    """The path of the CLI, installed if necessary. Raises InstallError."""
    for reason in rejected(environment):
        say(f"{reason}; trying the next one")
    target = built_folder(environment)
    if (cli := find(environment)) is not None:
        if cli.path.parent == target / "bin":
            update_language_host(cli.path.parent)
        return cli.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f"{target.name}.lock"))
        try:
            acquired = lock.acquire(timeout=0)
        except Timeout:
            say("another `make pulumi` is running: waiting for it")
            acquired = lock.acquire()
        with acquired:
            return _obtain(environment, target.absolute())
    except OSError as error:
        problem = f"{home(environment)} cannot be written: {error}. Set PULUMI_HOME to another folder"
        raise InstallError(_all_ways(environment, [problem])) from None


def _obtain(environment: Mapping[str, str], built: Path) -> Path:
    """Try each way until one works. Only a complete CLI is moved to the folder that `find` searches."""
    if (cli := find(environment)) is not None:
        return cli.path  # the other `make pulumi` installed it
    for leftover in built.parent.glob(f"{built.name}.part-*"):  # of killed ones
        shutil.rmtree(leftover, ignore_errors=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(
        prefix=f"{built.name}.part-", dir=built.parent, ignore_cleanup_errors=True
    ) as folder:
        part = Path(folder)
        for obtain, target in ((run_installer, official_folder(environment)), (build, built)):
            try:
                made = obtain(part, environment)
            except InstallError as error:
                problems.append(str(error))
                continue
            if target.exists():
                target.rename(part / "unusable")  # `find` has rejected it
            made.rename(target)
            if (cli := find(environment)) is not None:
                return cli.path
            problems += rejected(environment)
    raise InstallError(_all_ways(environment, problems))


def run_installer(part: Path, _environment: Mapping[str, str]) -> Path:
    """Pulumi's installer, run by the Automation API, into a folder below `part`. Raises InstallError."""
    try:
        request = urllib.request.Request(INSTALLER, method="HEAD")
        with urllib.request.urlopen(request, timeout=_REACHABLE_WITHIN):  # noqa: S310
            pass
    except OSError as error:
        say(f"Pulumi's installer cannot be reached ({INSTALLER}: {error})")
        raise InstallError(f"{INSTALLER} cannot be reached: {error}") from error
    say(f"installing Pulumi {PINNED} with Pulumi's installer ({INSTALLER})")
    from pulumi.automation import InvalidVersionError, PulumiCommand  # noqa: PLC0415 - takes half a second
    from semver import VersionInfo  # noqa: PLC0415

    folder = part / "official"
    try:
        PulumiCommand.install(root=str(folder), version=VersionInfo.parse(PINNED))
    except (OSError, subprocess.CalledProcessError, InvalidVersionError) as error:
        output = (getattr(error, "output", None) or b"").decode(errors="replace")
        say(f"Pulumi's installer failed: {error}")
        raise InstallError(f"Pulumi's installer failed: {error}\n{output}".rstrip()) from error
    return folder


def update_language_host(folder: Path) -> None:
    """Replaces the language host beside a CLI that was built by another version of this repository."""
    for name in HOST_FILES:
        own, installed = HERE / name, folder / name
        new = installed.with_name(f"{name}.{os.getpid()}")
        try:
            if installed.exists() and installed.read_bytes() == own.read_bytes():
                continue
            shutil.copyfile(own, new)
            new.chmod(0o755)
            new.replace(installed)
        except OSError as error:
            message = f"the language host {installed} is outdated and cannot be replaced: {error}"
            raise InstallError(message) from None
        say(f"replaced {installed} with the one of this checkout")


def _all_ways(environment: Mapping[str, str], problems: list[str]) -> str:
    least = ".".join(map(str, MINIMUM_VERSION))
    needed = re.findall(r"^go (\S+)$", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)[0]
    return "\n".join(
        [
            "there is no Pulumi CLI, and it could not be installed. Any one of these is enough:",
            f"  1. `pulumi` {least} or newer on PATH: https://www.pulumi.com/docs/iac/download-install/",
            f"  2. the folder {official_folder(environment)}, copied from a machine that has it",
            "  3. access to get.pulumi.com and github.com, for Pulumi's installer",
            f"  4. access to a Go module proxy (GOPROXY), with Go {needed} or newer on PATH or access to a",
            "     Python package index (PIP_INDEX_URL), for the build",
            "What failed:",
            *(f"  - {problem}" for problem in problems),
        ]
    )


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """0: the path is on standard output; 1: there is no CLI; 130: interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.pulumi.install", description=__doc__)
    parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        path = install(os.environ)
    except InstallError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        say("interrupted: nothing was installed. `make pulumi` starts again")
        return 130
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
