"""Deploy an earlier good package of a stack again.

Without --to, the newest release determines the target:

  good         the newest good release of another package than the site runs; if the site reports no
               package, of another package than the newest release
  any other    the newest good release, which reverts unfinished and failed releases after it

A second rollback deploys a still earlier release, because a release that was rolled back is not deployed
again. The next `deploy` deploys a new package.
"""

import argparse

from ops.locks.recovery import recover
from ops.output import OpsError, note, say
from ops.release import releasing
from ops.release.archive import Release, checked_hash, rollback_target
from ops.release.release import PACKAGES, Code
from tools.pulumi.typed import as_typed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    releasing.add_arguments(parser)
    parser.add_argument("--to", metavar="HASH", help="hash of a package that was good on this stack")


def run(arguments: argparse.Namespace) -> int:
    releases = releasing.open_releases(arguments)
    history, running = releases.history(), releases.environment.running_package()
    _print_history(history, running)
    target = target_of(history, arguments.to, running, arguments.stack)
    package = releases.archive.fetch(target.package_hash, PACKAGES)
    if arguments.dry_run:
        say(f"would deploy package {target.package_hash} (commit {target.commit or 'unknown'}) again")
        return Code.DONE
    recover(releases.environment.pulumi, arguments.stack)
    return releasing.report(releases.roll_back(target, package))


def target_of(history: list[Release], wanted: str | None, running: str, stack: str) -> Release:
    """The release to deploy. Raises OpsError if there is no such good release."""
    if not wanted:
        target = rollback_target(history, running)
        if target is None:
            drift = as_typed(f"python -m ops drift --stack {stack}")
            raise OpsError(
                f"stack {stack} has no good release to roll back to, so the code has to be corrected. "
                f"If a role or a resource is missing instead, every package fails: {drift}"
            )
        return target
    checked_hash(wanted)
    for release in history:
        if release.package_hash == wanted and release.result in ("good", "rolled back"):
            return release
    command = as_typed(f"python -m ops deploy --stack {stack} --hash {wanted}")
    raise OpsError(f"package {wanted} was never good on stack {stack}. To deploy it anyway: {command}")


def _print_history(history: list[Release], running: str) -> None:
    if history:
        note("Releases, newest first:")
    marked = False
    for release in history[:20]:
        runs = release.package_hash == running and not marked
        marked = marked or runs
        note(
            f"  {release.time}  {release.package_hash[:12]}  {release.commit[:12] or 'unknown':<12}  "
            f"{release.result:<11}  {'runs now' if runs else release.note[:60]}".rstrip()
        )
