"""Deploy a package to a stack, test it, and deploy the previous good package again if the test fails.

The same package is promoted from environment to environment by its hash:

  python -m ops deploy --stack dev --package .build/function_app.zip   # also stored in the archive
  python -m ops deploy --stack test --hash HASH                        # from the archive
  python -m ops deploy --stack prod --hash HASH

To revert changes that were made in Azure outside the program, deploy the package of the stack again:

  python -m ops deploy --stack prod --again

A plain `pulumi up` would deploy the code of the checkout instead, without a test and without a rollback.
"""

import argparse
from pathlib import Path

from delivery.package import PROJECT_ROOT, PackageError, build_package, content_hash
from infra.settings import python_version_of
from ops.locks.recovery import make, recover
from ops.output import OpsError, note, say
from ops.release import releasing
from ops.release.archive import previous_good_release
from ops.release.pulumi_stack import changes, data_lost
from ops.release.release import PACKAGES, Code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    releasing.add_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--package",
        type=Path,
        metavar="FILE",
        help="a zip file built by `python -m infra.package --stack S`; default: build this checkout",
    )
    which.add_argument("--hash", metavar="HASH", help="a package in the archive")
    which.add_argument(
        "--again",
        action="store_true",
        help="deploy the current package of the stack from the archive, and refresh the stack's state",
    )
    parser.add_argument(
        "--commit",
        metavar="SHA",
        help="the commit of the package; default: from the list of releases, $GITHUB_SHA, or HEAD",
    )
    parser.add_argument(
        "--allow-data-loss",
        action="append",
        default=[],
        metavar="NAME",
        help="logical name of a resource that may be deleted with its data; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    stack = arguments.stack
    releases = releasing.open_releases(arguments, refresh=arguments.again)
    environment, archive, pulumi = releases.environment, releases.archive, releases.environment.pulumi
    package_hash = arguments.hash
    if arguments.again:
        package_hash = environment.recorded_package()
        if not package_hash:
            raise OpsError(
                f"stack {stack} has no package yet. "
                f"To deploy one: python -m ops deploy --stack {stack} --hash HASH"
            )
    if package_hash is not None:
        package = archive.fetch(package_hash, PACKAGES)
    else:
        package, package_hash = package_of(arguments.package, stack)
    history = releases.history()
    commit = arguments.commit or releasing.commit_of(history, package_hash)
    previous = previous_good_release(history, package_hash)
    note(f"Package {package_hash} (commit {commit or 'unknown'}) for stack {stack}.")
    note(
        f"Previous good package: {previous.package_hash} (commit {previous.commit or 'unknown'})."
        if previous
        else f"No other good package was deployed to {stack}: a rollback is not possible."
    )
    if arguments.dry_run and stack not in pulumi.stacks():
        say(f"would create stack {stack} and deploy package {package_hash} to it")
        return Code.DONE
    make(pulumi, stack)
    preview = environment.preview(package)
    releasing.refuse_data_loss(data_lost(preview), frozenset(arguments.allow_data_loss))
    if arguments.dry_run:
        say("\n".join([f"would deploy package {package_hash}:", *changes(preview)]))
        return Code.DONE
    recover(pulumi, stack)
    archive.add(package)
    return releasing.report(releases.deploy(package, package_hash, commit))


def package_of(given: Path | None, stack: str) -> tuple[Path, str]:
    """The path and hash of the given package, or of one built from this checkout. Raises OpsError."""
    try:
        path = given or PROJECT_ROOT / build_package(python_version_of(stack)).path
        return path.resolve(), content_hash(path)
    except PackageError as error:
        raise OpsError(str(error)) from error
