"""One package on one stack: up, proof, and back to the package before where the proof fails.

What is to be done is decided from the archive's list of releases and from what the site answers, so that
a run that was killed at any point can be run again. Before anything is pushed the list says `unfinished`;
as long as it does, or the site answers another package than the state names, nobody knows what new
instances would start from, and the package is pushed also where the state names it already.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol

from delivery.package import GIVEN_FOLDER, PROJECT_ROOT
from delivery.publish import AFTERWARDS
from ops.engine import PulumiError
from ops.output import OpsError, note
from ops.preview.plan import clean
from ops.release.archive import Archive, Release, before, begun, finished, gone_back
from ops.release.smoke import SmokeError

PACKAGES = PROJECT_ROOT / GIVEN_FOLDER


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
  1  failed, and the code that runs is the one from before
  2  wrong usage
  3  the package failed, and the previous good one was deployed again and passed
  4  the package failed, and no good one runs: somebody has to look now
  5  the package runs and passed, but another `up` would change something, or could not be previewed
  6  a package was deployed and could not be tested, or the list of releases could not be written: nobody
     knows whether it is good, and the list calls it unfinished. Deploy it again, or roll back
"""


@dataclass(frozen=True)
class Outcome:
    """The outcome of `deploy` or `rollback`.

    `failure` is the reason why a step failed or could not be done, empty for none. `smoke_lines` is the
    report of the smoke test, `pending_changes` names the resources that another `up` would change.
    `went_back_to` is the release that was deployed instead, and `rollback_failure` the reason why that one
    failed. `no_previous_release` means that no earlier good release existed.
    """

    code: Code
    stack: str
    release: Release
    failure: str = ""
    smoke_lines: tuple[str, ...] = ()
    pending_changes: tuple[str, ...] = ()
    went_back_to: Release | None = None
    rollback_failure: str = ""
    no_previous_release: bool = False


class Environment(Protocol):
    """One stack, as far as a release needs it."""

    stack: str

    def running_package(self) -> str:
        """The hash of the package that the site answers; empty where it answers none, or there is none."""
        ...

    def recorded_package(self) -> str:
        """The hash of the package that the state names; empty where it names none."""
        ...

    def up(self, package: Path, *, push_again: bool) -> None:
        """Raises PulumiError."""
        ...

    def smoke(self, package_hash: str) -> list[str]:
        """Raises SmokeError where the app fails, OpsError where it cannot be tested."""
        ...

    def pending_changes(self, package: Path) -> list[str]:
        """The names of what another `up` would change. Raises OpsError."""
        ...


class _Failed(Exception):  # noqa: N818 # a finding
    """`pushed`: the site may start from this package now."""

    def __init__(self, reason: str, *, pushed: bool) -> None:
        super().__init__(reason)
        self.reason, self.pushed = reason, pushed


class _Unverified(Exception):  # noqa: N818 # a finding
    """The package is deployed, and whether it is good is not known."""


@dataclass(frozen=True)
class Releases:
    """Deploys to one environment and keeps its list."""

    environment: Environment
    archive: Archive
    project: str
    now: Callable[[], str] = lambda: datetime.now(UTC).isoformat(timespec="seconds")

    def history(self) -> list[Release]:
        return self.archive.releases(self.project, self.environment.stack)

    def deploy(self, package: Path, package_hash: str, commit: str) -> Outcome:
        """Deploy, prove, and go back where the proof fails. Raises OpsError where nothing can be said."""
        previous = before(self.history(), package_hash)
        if previous is not None and not self.archive.holds(previous.package_hash):
            note(
                f"warning: the previous good package {previous.package_hash} is not in {self.archive.url}: "
                "if this one fails, there is nothing to go back to"
            )
        release, ran = self._released(package_hash, commit), self.environment.running_package()
        try:
            smoke_lines = self._attempt(release, package, push_again=self._uncertain(ran))
        except _Failed as failed:
            if not failed.pushed:
                return self._not_pushed(release, failed.reason, ran)
            return self._after_failure(release, failed.reason, previous)
        except _Unverified as unverified:
            return Outcome(Code.UNVERIFIED, self.environment.stack, release, str(unverified))
        return self._check_convergence(release, package, smoke_lines)

    def roll_back(self, target: Release, package: Path) -> Outcome:
        """Deploy a good release again; those after it are no longer what a later rollback goes to."""
        release = self._released(target.package_hash, target.commit)
        ran = self.environment.running_package()
        self._change(lambda releases: gone_back(releases, target))
        try:
            smoke_lines = self._attempt(release, package, push_again=True)
        except _Failed as failed:
            if not failed.pushed:
                return self._not_pushed(release, failed.reason, ran)
            self._note_failed(release, failed.reason)
            return Outcome(Code.BROKEN, self.environment.stack, release, failed.reason)
        except _Unverified as unverified:
            return Outcome(Code.UNVERIFIED, self.environment.stack, release, str(unverified))
        return self._check_convergence(release, package, smoke_lines)

    def _attempt(self, release: Release, package: Path, *, push_again: bool) -> list[str]:
        """Raises _Failed where the package is not well, _Unverified where that cannot be told.

        What hinders the test, as a right that is missing or a network that is down, would hinder it as well
        after going back: so it is left to a person which of the two packages runs untested.
        """
        self._change(lambda releases: begun(releases, release))
        try:
            self.environment.up(package, push_again=push_again)
        except PulumiError as error:
            pushed = AFTERWARDS.split(":")[0] in " ".join(error.output.split())
            raise _Failed(f"`pulumi up` failed: {_reason(error.output)}", pushed=pushed) from error
        note("Smoke test …")
        try:
            smoke_lines = self.environment.smoke(release.package_hash)
        except SmokeError as error:
            raise _Failed(f"the smoke test failed: {error}", pushed=True) from error
        except OpsError as error:
            raise _Unverified(f"the smoke test could not be made: {error}") from error
        try:
            self._finish(release, "good")
        except OpsError as error:
            raise _Unverified(f"the smoke test passed, but that could not be noted: {error}") from error
        return smoke_lines

    def _not_pushed(self, release: Release, why: str, ran: str) -> Outcome:
        """`up` failed before it came to the package: another package would fare no better."""
        with _noted():
            self._change(lambda releases: [entry for entry in releases if entry != release])
        still_runs = True
        with _noted():
            still_runs = not ran or self.environment.running_package() == ran
        return Outcome(Code.FAILED if still_runs else Code.BROKEN, self.environment.stack, release, why)

    def _after_failure(self, release: Release, why: str, previous: Release | None) -> Outcome:
        stack = self.environment.stack
        note(f"Package {release.package_hash} failed: {why}")
        self._note_failed(release, why)
        if previous is None:
            return Outcome(Code.BROKEN, stack, release, why, no_previous_release=True)
        note(f"Deploying package {previous.package_hash} again (commit {previous.commit or 'unknown'}) …")
        again = self._released(previous.package_hash, previous.commit)
        try:
            package = self.archive.fetch(previous.package_hash, PACKAGES)
            smoke_lines = self._attempt(again, package, push_again=True)
        except OpsError as error:
            return Outcome(Code.BROKEN, stack, release, why, went_back_to=again, rollback_failure=str(error))
        except _Failed as too:
            self._note_failed(again, too.reason)
            return Outcome(Code.BROKEN, stack, release, why, went_back_to=again, rollback_failure=too.reason)
        except _Unverified as unverified:
            return Outcome(
                Code.UNVERIFIED, stack, release, why, went_back_to=again, rollback_failure=str(unverified)
            )
        return Outcome(Code.WENT_BACK, stack, release, why, tuple(smoke_lines), went_back_to=again)

    def _check_convergence(self, release: Release, package: Path, smoke_lines: list[str]) -> Outcome:
        pending_changes: tuple[str, ...] = ()
        failure = ""
        try:
            pending_changes = tuple(self.environment.pending_changes(package))
        except OpsError as error:
            failure = f"another `pulumi up` could not be previewed: {error}"
        code = Code.NOT_CONVERGED if pending_changes or failure else Code.DONE
        return Outcome(code, self.environment.stack, release, failure, tuple(smoke_lines), pending_changes)

    def _uncertain(self, answered: str) -> bool:
        """Whether the site may start from another package than the state names."""
        newest = next(iter(self.history()), None)
        if newest is not None and newest.result in ("unfinished", "failed"):
            return True
        recorded = self.environment.recorded_package()
        return bool(recorded) and answered != recorded

    def _released(self, package_hash: str, commit: str) -> Release:
        return Release(package_hash, commit, self.now(), "unfinished")

    def _note_failed(self, release: Release, why: str) -> None:
        with _noted():
            self._finish(release, "failed", why)

    def _finish(self, release: Release, status: Literal["good", "failed"], why: str = "") -> None:
        self._change(lambda releases: finished(releases, release, status, why[:500]))

    def _change(self, change: Callable[[list[Release]], list[Release]]) -> None:
        self.archive.change_releases(self.project, self.environment.stack, change)


@contextmanager
def _noted() -> Generator[None]:
    """For what comes after a failure, and may neither hide it nor stop what is done about it."""
    try:
        yield
    except OpsError as error:
        note(f"warning: {error}")


def _reason(output: str) -> str:
    """The lines of `pulumi up` that say why."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    messages = [line for line in dict.fromkeys(errors) if line != "update failed"]
    return clean(" ".join(messages or lines[-3:]))[:1000]
