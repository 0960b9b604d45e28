"""Deploy a package that was good before, by hand.

Without --to, the newest release decides:

  good         the newest good release of another package than the site runs; where it answers none,
               of another package than the newest release
  any other    the newest good release: what was begun or failed after it is undone

A second rollback goes further back: what was good and was gone back from is not gone back to again.
The next `deploy` goes forward again.
"""

import argparse

from ops.github import summary
from ops.output import OpsError, note, say
from ops.release import releasing
from ops.release.archive import Release, checked_hash, to_go_back_to
from ops.release.release import PACKAGES, Code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    releasing.add_arguments(parser)
    parser.add_argument("--to", metavar="HASH", help="a package that was good on this stack")


def run(arguments: argparse.Namespace) -> int:
    work = releasing.Work.of(arguments)
    history = work.releases.history()
    runs = work.environment.running_package()
    _show(history, runs)
    target = target_of(history, arguments.to, runs, work.stack)
    package = work.archive.fetch(target.package_hash, PACKAGES)
    releasing.refuse_other_python(package, target.package_hash, work.stack)
    if arguments.dry_run:
        say(f"would deploy package {target.package_hash} (commit {target.commit or 'unknown'}) again")
        return Code.DONE
    work.environment.recover()
    outcome = work.releases.roll_back(target, package)
    say(releasing.plain(outcome))
    summary.write(releasing.markdown(outcome))
    return outcome.code


def target_of(history: list[Release], wanted: str | None, runs: str, stack: str) -> Release:
    """Raises OpsError where there is no such good release."""
    if not wanted:
        target = to_go_back_to(history, runs)
        if target is None:
            raise OpsError(
                f"stack {stack} has no good release to go back to. "
                f"To deploy another package of the archive: python -m ops deploy --stack {stack} --hash HASH"
            )
        return target
    checked_hash(wanted)
    target = next(
        (
            release
            for release in history
            if release.package_hash == wanted and release.result in ("good", "rolled back")
        ),
        None,
    )
    if target is None:
        raise OpsError(
            f"package {wanted} was never good on stack {stack}. "
            f"To deploy it all the same: python -m ops deploy --stack {stack} --hash {wanted}"
        )
    return target


def _show(history: list[Release], runs: str) -> None:
    if not history:
        return
    note("Releases, newest first:")
    for release in history[:20]:
        mark = "runs now" if release.package_hash == runs else ""
        runs = "" if mark else runs
        note(
            f"  {release.time}  {release.package_hash[:12]}  {release.commit[:12] or 'unknown':<12}  "
            f"{release.result:<11}  {mark or release.note[:60]}".rstrip()
        )
