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
from ops.engine import environments
from ops.locks.recovery import make, recover
from ops.output import OpsError, note, say
from ops.release import releasing
from ops.release.archive import previous_good_release
from ops.release.pulumi_stack import changes, data_lost
from ops.release.release import PACKAGES, Code
from tools.pulumi.typed import as_typed


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
    existing = pulumi.stacks()
    if stack not in existing and not (pulumi.folder / f"Pulumi.{stack}.yaml").exists():
        raise OpsError(
            f"there is neither a stack {stack!r} nor its settings, Pulumi.{stack}.yaml. The stacks are "
            f"{', '.join(existing) or 'none'}, the environments {', '.join(environments(pulumi.folder))}"
        )
    package_hash = arguments.hash
    if arguments.again:
        package_hash = environment.recorded_package()
        if not package_hash:
            command = as_typed(f"python -m ops deploy --stack {stack} --hash HASH")
            raise OpsError(f"stack {stack} has no package yet. To deploy one: {command}")
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
    changed = None
    if stack in existing or not arguments.dry_run:
        make(pulumi, stack)
        preview = environment.preview(package)
        releasing.refuse_data_loss(data_lost(preview), frozenset(arguments.allow_data_loss))
        changed = changes(preview)
    if arguments.dry_run:
        add = "use the package in" if archive.holds(package_hash) else "add the package to"
        message = "" if arguments.no_smoke_message else " and post one message to it"
        fallback = f"deploy package {previous.package_hash} again" if previous else "leave the package there"
        lines = [
            f"Would deploy package {package_hash} to stack {stack}:",
            f"  {add} {archive.url}",
            *_changes(changed),
            f"  test the site: its health, create an assistant{message}, delete it",
            f"  if the site fails the test, {fallback}",
        ]
        say("\n".join(lines))
        return Code.DONE
    recover(pulumi, stack)
    archive.add(package)
    return releasing.report(releases.deploy(package, package_hash, commit))


def _changes(changed: list[str] | None) -> list[str]:
    """What `pulumi up` would change; None: the stack does not exist."""
    if changed is None:
        return ["  create the stack, and all its resources with `pulumi up`"]
    if not changed:
        return ["  change no resource; `pulumi up` pushes the package if the site runs another one"]
    return [f"  change {len(changed)} resources with `pulumi up`:", *(f"    {line}" for line in changed)]


def package_of(given: Path | None, stack: str) -> tuple[Path, str]:
    """The path and hash of the given package, or of one built from this checkout. Raises OpsError."""
    try:
        path = given or PROJECT_ROOT / build_package(python_version_of(stack)).path
        return path.resolve(), content_hash(path)
    except PackageError as error:
        raise OpsError(str(error)) from error
