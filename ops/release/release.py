"""Deploys a package to a stack, tests it, and deploys the previous good package if the test fails.

Each decision depends on the archive's list of releases and on the package that the site reports, so that a
run that was killed at any point can be repeated. Before a push the list contains the release as
`unfinished`. While it does, or while the site reports another package than the state, the package that new
instances start from is unknown, and the package is pushed even if the state already names it.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Literal

from delivery.package import GIVEN_FOLDER, PROJECT_ROOT
from delivery.publish import ACCEPTED, MISSING
from ops.engine import PulumiError
from ops.output import OpsError, note
from ops.preview.plan import clean
from ops.release.archive import (
    Archive,
    Release,
    add_unfinished,
    mark_rolled_back,
    previous_good_release,
    set_result,
)
from ops.release.pulumi_stack import PulumiStack
from ops.release.smoke import SmokeError

PACKAGES = PROJECT_ROOT / GIVEN_FOLDER

_NOT_FOUND = re.compile(r"\b(ResourceGroupNotFound|(Parent)?ResourceNotFound)\b")
"""ARM's error codes for what was deleted outside Pulumi."""


class Code(IntEnum):
    """Exit codes of `deploy` and `rollback`."""

    DONE = 0
    FAILED = 1
    WENT_BACK = 3
    BROKEN = 4
    NOT_CONVERGED = 5
    UNVERIFIED = 6


EXIT_CODES = """\
exit codes:
  0  done: the package runs, the smoke test passed, and another `up` would change nothing
  1  failed, and the site still runs the previous code
  2  wrong usage
  3  the package failed, and the previous good one was deployed again and passed
  4  the package failed, and no good one runs: act now
  5  the package runs and passed, but another `up` would change something, or could not be previewed
  6  a package was deployed, but it could not be tested or the list of releases could not be written: whether
     it is good is unknown, and the list contains it as unfinished. Deploy it again, or roll back
"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of `deploy` or `rollback`.

    `failure` is the reason why a step failed or could not be done, empty for none. `smoke_lines` is the
    report of the smoke test, `pending_changes` names the resources that another `up` would change.
    `went_back_to` is the release that was deployed instead, and `rollback_failure` the reason why that one
    failed. `missing`: it failed since something is missing in Azure, as every package would.
    `running` is the package that the site reports after a failure; empty if it reports none.
    `can_roll_back`: the list of releases has a good one.
    """

    code: Code
    stack: str
    release: Release
    failure: str = ""
    smoke_lines: tuple[str, ...] = ()
    pending_changes: tuple[str, ...] = ()
    went_back_to: Release | None = None
    rollback_failure: str = ""
    missing: bool = False
    running: str = ""
    can_roll_back: bool = True


class _Failed(Exception):  # noqa: N818 # a finding
    """The package failed. `pushed`: new instances may start from it. `missing`: see Outcome."""

    def __init__(self, reason: str, *, pushed: bool = True, missing: bool = False) -> None:
        super().__init__(reason)
        self.pushed, self.missing = pushed, missing


class _Unverified(Exception):  # noqa: N818 # a finding
    """The package is deployed, but could not be tested."""


@dataclass(frozen=True)
class Releases:
    """Deploys to one environment and updates its list of releases."""

    environment: PulumiStack
    archive: Archive
    project: str
    now: Callable[[], str] = lambda: datetime.now(UTC).isoformat(timespec="seconds")

    def history(self) -> list[Release]:
        return self.archive.releases(self.project, self.environment.stack)

    def deploy(self, package: Path, package_hash: str, commit: str) -> Outcome:
        """Deploy and test the package, and roll back if it fails. Raises OpsError if nothing was deployed."""
        previous = previous_good_release(self.history(), package_hash)
        if previous is not None and not self.archive.holds(previous.package_hash):
            note(
                f"warning: the previous good package {previous.package_hash} is not in {self.archive.url}: "
                "if this one fails, a rollback is not possible"
            )
        running = self.environment.running_package()
        release, push_again = self._unfinished(package_hash, commit), self._is_uncertain(running)
        return self._deploy(release, package, running, previous, push_again=push_again)

    def roll_back(self, target: Release, package: Path) -> Outcome:
        """Deploy a good release again. Newer releases are no longer targets of a later rollback."""
        running = self.environment.running_package()
        self._change(lambda releases: mark_rolled_back(releases, target))
        release = self._unfinished(target.package_hash, target.commit)
        return self._deploy(release, package, running, None, push_again=True)

    def _deploy(
        self, release: Release, package: Path, running: str, previous: Release | None, *, push_again: bool
    ) -> Outcome:
        """`running`: the package that the site reported before. `previous`: to deploy if this one fails."""
        stack = self.environment.stack
        try:
            smoke_lines = self._attempt(release, package, push_again=push_again)
        except _Failed as failed:
            if failed.pushed:
                outcome = self._go_back(release, failed, previous)
            else:
                outcome = self._not_pushed(release, failed, running)
            return self._after_failure(outcome)
        except _Unverified as unverified:
            return self._after_failure(Outcome(Code.UNVERIFIED, stack, release, str(unverified)))
        pending_changes: tuple[str, ...] = ()
        failure = ""
        try:
            pending_changes = tuple(self.environment.pending_changes(package))
        except OpsError as error:
            failure = f"another `pulumi up` could not be previewed: {error}"
        code = Code.NOT_CONVERGED if pending_changes or failure else Code.DONE
        return Outcome(code, stack, release, failure, tuple(smoke_lines), pending_changes)

    def _after_failure(self, outcome: Outcome) -> Outcome:
        """With what a user needs to know for the next step."""
        if outcome.code == Code.WENT_BACK:
            return outcome
        running, can_roll_back = "", True
        with _errors_as_warnings():
            running = self.environment.running_package()
            can_roll_back = previous_good_release(self.history(), "") is not None
        return replace(outcome, running=running, can_roll_back=can_roll_back)

    def _attempt(self, release: Release, package: Path, *, push_again: bool) -> list[str]:
        """Raises _Failed if the package fails, _Unverified if it could not be tested.

        The cause of an untested package, such as a missing permission or a network failure, would also
        prevent the test after a rollback. A user must decide which of the two packages runs untested.
        """
        self._change(lambda releases: add_unfinished(releases, release))
        try:
            self.environment.up(package, push_again=push_again)
        except PulumiError as error:
            output = " ".join(error.output.split())
            raise _Failed(
                f"`pulumi up` failed: {_reason(error.output)}",
                pushed=ACCEPTED in output,
                missing=MISSING in output or bool(_NOT_FOUND.search(output)),
            ) from error
        note("Smoke test …")
        try:
            smoke_lines = self.environment.smoke(release.package_hash)
        except SmokeError as error:
            raise _Failed(f"the smoke test failed: {error}", missing=error.missing) from error
        except OpsError as error:
            raise _Unverified(f"the smoke test could not run: {error}") from error
        try:
            self._finish(release, "good")
        except OpsError as error:
            raise _Unverified(
                f"the smoke test passed, but the list of releases could not be written: {error}"
            ) from error
        return smoke_lines

    def _not_pushed(self, release: Release, failed: _Failed, running: str) -> Outcome:
        """`up` failed before it pushed the package, so another package would fail too."""
        with _errors_as_warnings():
            self._change(lambda releases: [entry for entry in releases if entry != release])
        still_runs = True
        with _errors_as_warnings():
            still_runs = not running or self.environment.running_package() == running
        code = Code.FAILED if still_runs else Code.BROKEN
        return Outcome(code, self.environment.stack, release, str(failed), missing=failed.missing)

    def _go_back(self, release: Release, failed: _Failed, previous: Release | None) -> Outcome:
        stack, reason, missing = self.environment.stack, str(failed), failed.missing
        if missing and (gone := self._gone()):
            # No package runs without them, so the previous one is not deployed to fail in the same way.
            reason, previous = f"Azure no longer has {', '.join(gone)}: {reason}", None
        note(f"Package {release.package_hash} failed: {reason}")
        self._note_failed(release, reason)
        if previous is None:
            return Outcome(Code.BROKEN, stack, release, reason, missing=missing)
        note(f"Deploying package {previous.package_hash} again (commit {previous.commit or 'unknown'}) …")
        again = self._unfinished(previous.package_hash, previous.commit)
        code, smoke_lines, rollback_failure = Code.WENT_BACK, list[str](), ""
        try:
            package = self.archive.fetch(previous.package_hash, PACKAGES)
            smoke_lines = self._attempt(again, package, push_again=True)
        except OpsError as error:
            code, rollback_failure = Code.BROKEN, str(error)
        except _Failed as again_failed:
            code, rollback_failure, missing = Code.BROKEN, str(again_failed), again_failed.missing
            self._note_failed(again, rollback_failure)
        except _Unverified as unverified:
            code, rollback_failure = Code.UNVERIFIED, str(unverified)
        return Outcome(
            code,
            stack,
            release,
            reason,
            tuple(smoke_lines),
            went_back_to=again,
            rollback_failure=rollback_failure,
            missing=missing,
        )

    def _gone(self) -> list[str]:
        """The resources of the stack that were deleted in Azure; empty if Azure cannot be read."""
        with _errors_as_warnings():
            return self.environment.gone()
        return []

    def _is_uncertain(self, running: str) -> bool:
        """Whether new instances may start from another package than the one in the state."""
        newest = next(iter(self.history()), None)
        if newest is not None and newest.result in ("unfinished", "failed"):
            return True
        recorded = self.environment.recorded_package()
        return bool(recorded) and running != recorded

    def _unfinished(self, package_hash: str, commit: str) -> Release:
        return Release(package_hash, commit, self.now(), "unfinished")

    def _note_failed(self, release: Release, reason: str) -> None:
        with _errors_as_warnings():
            self._finish(release, "failed", reason)

    def _finish(self, release: Release, status: Literal["good", "failed"], reason: str = "") -> None:
        self._change(lambda releases: set_result(releases, release, status, reason[:500]))

    def _change(self, change: Callable[[list[Release]], list[Release]]) -> None:
        self.archive.change_releases(self.project, self.environment.stack, change)


@contextmanager
def _errors_as_warnings() -> Generator[None]:
    """Print an error as a warning: after a failure it must not hide the failure or stop the rollback."""
    try:
        yield
    except OpsError as error:
        note(f"warning: {error}")


def _reason(output: str) -> str:
    """The error lines of `pulumi up`."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    messages = [line for line in dict.fromkeys(errors) if line != "update failed"]
    return clean(" ".join(messages or lines[-3:]))[:1000]
