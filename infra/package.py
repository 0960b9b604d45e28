"""`python -m infra.package`: build the zip that `pulumi up` deploys, for the Python of one or more stacks."""

import argparse
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from delivery.package import (
    DEFAULT_OUT,
    DEFAULT_PYTHON,
    PROJECT_ROOT,
    SUPPORTED_PYTHON,
    PackageError,
    build_package,
    summary,
)
from infra.settings import python_version_of


def _common_python(stacks: Sequence[str]) -> str:
    """The pythonVersion of the stacks. Raises PackageError if they differ."""
    wanted = {stack: python_version_of(stack) for stack in stacks}
    if len(set(wanted.values())) > 1:
        versions = ", ".join(f"{version} for {stack}" for stack, version in wanted.items())
        version = wanted[stacks[-1]]
        commands = [
            f"  pulumi config set pythonVersion {version} --stack {stack}"
            for stack in wanted
            if wanted[stack] != version
        ]
        raise PackageError(
            f"pythonVersion is {versions}, and one package runs on one Python version only. "
            "Set the same version for all of them:\n" + "\n".join(commands)
        )
    return wanted[stacks[0]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.package",
        description="Build the zip that `pulumi up` deploys; print its path, content hash, size and files.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--python", default=DEFAULT_PYTHON, choices=SUPPORTED_PYTHON, help="default: %(default)s"
    )
    which.add_argument(
        "--stack",
        action="append",
        metavar="S",
        help="for the pythonVersion of this stack; may be repeated, if the package is for several stacks",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: %(default)s in the project")
    options = parser.parse_args(arguments)
    out: Path = options.out if options.out == DEFAULT_OUT else options.out.resolve()
    try:
        package = build_package(_common_python(options.stack) if options.stack else options.python, out=out)
        path = PROJECT_ROOT / package.path
        with zipfile.ZipFile(path) as archive:
            files = [f"  {entry.file_size:>9,}  {entry.filename}" for entry in archive.infolist()]
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [
        f"path  {package.path}",
        f"hash  {package.content_hash}",
        f"size  {package.size:,} bytes",
        f"holds {summary(path)}",
        *files,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
