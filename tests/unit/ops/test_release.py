"""What a release does to a stack and to its list, whatever happens on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from azure.core.credentials import TokenCredential

from delivery.package import content_hash, zip_bytes
from delivery.publish import AFTERWARDS
from ops.engine import PulumiError
from ops.files import FilesError
from ops.output import OpsError
from ops.release import release as module
from ops.release.archive import Archive, Release, open_archive, rollback_target
from ops.release.release import Code, Outcome, Releases
from ops.release.releasing import markdown, plain
from ops.release.smoke import SmokeError


def nobody() -> TokenCredential:
    raise AssertionError("a folder needs no signing in")


@dataclass
class Stack:
    """A stack whose state and site are hashes; `bad` packages fail the smoke test, `unable` ones cannot run.

    A killed command raises KeyboardInterrupt at the step that `killed_at` names.
    """

    stack: str = "prod"
    state: str = ""
    starts_from: str = ""
    answers: str | None = None
    bad: set[str] = field(default_factory=set[str])
    unable: set[str] = field(default_factory=set[str])
    up_fails: str = ""
    killed_at: str = ""
    changes: list[str] = field(default_factory=list[str])
    pushes: list[str] = field(default_factory=list[str])

    def running_package(self) -> str:
        return self.starts_from if self.answers is None else self.answers

    def recorded_package(self) -> str:
        return self.state

    def up(self, package: Path, *, push_again: bool) -> None:
        package_hash = content_hash(package)
        if self.up_fails:
            raise PulumiError(("up",), 255, f"error: update failed\nerror: {self.up_fails}")
        if push_again or package_hash != self.state:
            self.pushes.append(package_hash)
            self.starts_from = package_hash
            self._killed("push")
            if package_hash in self.unable:
                raise PulumiError(("up",), 255, f"error: No module named 'x'\n   {AFTERWARDS}")
            self.state = package_hash
        self._killed("up")

    def smoke(self, package_hash: str) -> list[str]:
        self._killed("smoke")
        if self.starts_from != package_hash:
            raise SmokeError(f"answers {self.starts_from}")
        if package_hash in self.bad:
            raise SmokeError("PUT answers 500")
        return ["PUT answers 202"]

    def pending_changes(self, package: Path) -> list[str]:
        return self.changes if content_hash(package) == self.state else ["deployed-code (update)"]

    def _killed(self, step: str) -> None:
        if self.killed_at == step:
            self.killed_at = ""
            raise KeyboardInterrupt


@dataclass
class World:
    stack: Stack
    archive: Archive
    releases: Releases
    package: Callable[[str], Path]

    def deploy(self, code: str) -> Outcome:
        path = self.package(code)
        package_hash = self.archive.add(path)
        return self.releases.deploy(path, package_hash, f"commit-{code}")

    def hash(self, code: str) -> str:
        return content_hash(self.package(code))

    def results(self) -> list[tuple[str, str]]:
        """Commit and result of each entry, newest first."""
        return [(each.commit.removeprefix("commit-"), each.result) for each in self.releases.history()]

    def back(self, code: str) -> Outcome:
        target = next(each for each in self.releases.history() if each.package_hash == self.hash(code))
        return self.releases.roll_back(target, self.package(code))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    def package(code: str) -> Path:
        path = tmp_path / f"{code}.zip"
        path.write_bytes(zip_bytes({"function_app.py": code.encode()}))
        return path

    monkeypatch.setattr(module, "PACKAGES", tmp_path / "packages")
    ticks = count()
    archive = open_archive((tmp_path / "archive").as_uri(), nobody)
    stack = Stack()
    return World(stack, archive, Releases(stack, archive, "assistant", lambda: f"{next(ticks):04}"), package)


def test_a_good_package_is_deployed_once_and_listed(world: World) -> None:
    outcome = world.deploy("a")

    assert outcome.code == Code.DONE
    assert outcome.smoke_lines == ("PUT answers 202",)
    assert world.results() == [("a", "good")]
    assert world.stack.pushes == [world.hash("a")]


def test_the_same_package_again_pushes_nothing_and_is_no_news(world: World) -> None:
    world.deploy("a")

    assert world.deploy("a").code == Code.DONE

    assert world.stack.pushes == [world.hash("a")]
    assert world.results() == [("a", "good")]


def test_a_failed_smoke_test_deploys_the_previous_good_package_again(world: World) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b")}

    outcome = world.deploy("b")

    assert outcome.code == Code.WENT_BACK
    assert world.stack.starts_from == world.stack.state == world.hash("a")
    assert world.results() == [("a", "good"), ("b", "failed"), ("a", "good")]
    assert outcome.went_back_to is not None
    for told in (plain(outcome), markdown(outcome)):
        for part in (world.hash("a"), world.hash("b"), "commit-a", "commit-b", "PUT answers 500"):
            assert part in told


def test_code_that_the_site_took_and_cannot_run_is_replaced_although_the_state_names_the_package_before(
    world: World,
) -> None:
    world.deploy("a")
    world.stack.unable = {world.hash("b")}

    outcome = world.deploy("b")

    assert outcome.code == Code.WENT_BACK
    assert "No module named 'x'" in outcome.failure
    assert world.stack.pushes == [world.hash("a"), world.hash("b"), world.hash("a")]
    assert world.stack.starts_from == world.hash("a")


def test_one_goes_back_over_packages_that_failed(world: World) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b"), world.hash("c")}
    world.deploy("b")

    outcome = world.deploy("c")

    assert outcome.code == Code.WENT_BACK
    assert world.stack.starts_from == world.hash("a")


def test_an_up_that_fails_before_the_push_leaves_the_code_and_the_list_alone(world: World) -> None:
    world.deploy("a")
    world.stack.up_fails = "InsufficientQuota"

    outcome = world.deploy("b")

    assert (outcome.code, outcome.failure) == (Code.FAILED, "`pulumi up` failed: InsufficientQuota")
    assert world.stack.pushes == [world.hash("a")]
    assert world.results() == [("a", "good")]


def test_an_up_that_fails_does_not_make_the_package_that_runs_a_bad_one(world: World) -> None:
    world.deploy("a")
    world.deploy("b")
    world.stack.up_fails = "InsufficientQuota"
    assert world.deploy("b").code == Code.FAILED
    world.stack.up_fails = ""
    world.stack.bad = {world.hash("c")}

    world.deploy("c")

    assert world.stack.starts_from == world.hash("b")


def test_an_up_that_fails_and_takes_the_app_along_is_said_loudly(world: World) -> None:
    world.deploy("a")
    world.stack.answers = world.hash("a")
    world.stack.up_fails = "the site was replaced, and could not be made"
    seen = iter([world.hash("a"), ""])
    world.stack.running_package = lambda: next(seen, "")

    assert world.deploy("b").code == Code.BROKEN


def test_a_first_package_that_fails_has_nothing_to_go_back_to_and_that_is_said(world: World) -> None:
    world.stack.bad = {world.hash("a")}

    outcome = world.deploy("a")

    assert outcome.code == Code.BROKEN
    assert "there is no good package to roll back to" in plain(outcome)
    assert "IS BROKEN" in markdown(outcome)
    assert world.results() == [("a", "failed")]


def test_a_previous_package_that_fails_too_is_said_loudly_with_both(world: World) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("a"), world.hash("b")}

    outcome = world.deploy("b")

    assert outcome.code == Code.BROKEN
    told = plain(outcome)
    assert "THE PREVIOUS PACKAGE FAILED TOO" in told
    assert world.hash("a") in told
    assert world.hash("b") in told
    assert world.results()[:2] == [("a", "failed"), ("b", "failed")]


def test_a_previous_package_that_is_gone_from_the_archive_is_said_before_and_after(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deploy("a")
    (tmp_path / "archive" / f"{world.hash('a')}.zip").unlink()
    world.stack.bad = {world.hash("b")}

    outcome = world.deploy("b")

    assert outcome.code == Code.BROKEN
    assert "is not in" in outcome.rollback_failure
    assert "warning: the previous good package" in capsys.readouterr().err


def untestable(world: World, *codes: str) -> None:
    """A smoke test that cannot be made for these packages."""
    hashes, smoke = {world.hash(code) for code in codes}, world.stack.smoke

    def refused(package_hash: str) -> list[str]:
        if package_hash in hashes:
            raise OpsError("the function keys cannot be listed")
        return smoke(package_hash)

    world.stack.smoke = refused


def unwritable(monkeypatch: pytest.MonkeyPatch, result: str) -> None:
    """A list of releases that cannot be written once its newest entry has this result."""
    change_releases = Archive.change_releases

    def write(
        archive: Archive, project: str, stack: str, change: Callable[[list[Release]], list[Release]]
    ) -> list[Release]:
        if [each.result for each in change(archive.releases(project, stack))[:1]] == [result]:
            raise FilesError("the list cannot be written")
        return change_releases(archive, project, stack, change)

    monkeypatch.setattr(Archive, "change_releases", write)


def test_what_cannot_be_tested_stays_neither_good_nor_failed_and_that_is_said(world: World) -> None:
    world.deploy("a")
    untestable(world, "b")

    outcome = world.deploy("b")

    assert outcome.code == Code.UNVERIFIED
    assert world.stack.starts_from == world.hash("b")
    assert world.results() == [("b", "unfinished"), ("a", "good")]
    for told in (plain(outcome), markdown(outcome)):
        for part in (
            "the function keys cannot be listed",
            f"ops deploy --stack prod --hash {world.hash('b')}",
            "ops rollback --stack prod",
        ):
            assert part in told
    assert "FAILED" not in plain(outcome)


def test_what_could_not_be_tested_is_pushed_and_tested_when_it_is_deployed_again(world: World) -> None:
    world.deploy("a")
    smoke = world.stack.smoke
    untestable(world, "b")
    world.deploy("b")
    world.stack.smoke = smoke

    assert world.deploy("b").code == Code.DONE

    assert world.stack.pushes == [world.hash("a"), world.hash("b"), world.hash("b")]
    assert world.results() == [("b", "good"), ("a", "good")]


def test_a_previous_package_that_cannot_be_tested_is_not_said_to_have_passed(world: World) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b")}
    untestable(world, "a")

    outcome = world.deploy("b")

    assert outcome.code == Code.UNVERIFIED
    assert world.stack.starts_from == world.hash("a")
    assert world.results()[:2] == [("a", "unfinished"), ("b", "failed")]
    told = plain(outcome)
    for part in ("FAILED: package", "PUT answers 500", "NOT VERIFIED EITHER", "cannot be listed"):
        assert part in told
    assert f"ops deploy --stack prod --hash {world.hash('a')}" in told


def test_a_rollback_that_cannot_be_tested_is_said_so(world: World) -> None:
    world.deploy("a")
    world.deploy("b")
    untestable(world, "a")

    assert world.back("a").code == Code.UNVERIFIED

    assert world.results() == [("a", "unfinished"), ("b", "rolled back"), ("a", "good")]


def test_a_package_that_passed_and_could_not_be_noted_is_not_said_to_have_changed_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deploy("a")
    unwritable(monkeypatch, "good")

    outcome = world.deploy("b")

    assert outcome.code == Code.UNVERIFIED
    assert "the smoke test passed, but the list of releases could not be written" in plain(outcome)


def test_a_failure_that_cannot_be_noted_goes_back_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b")}
    unwritable(monkeypatch, "failed")

    outcome = world.deploy("b")

    assert outcome.code == Code.WENT_BACK
    assert world.stack.starts_from == world.hash("a")
    assert "the list cannot be written" in capsys.readouterr().err


def test_going_back_without_a_list_is_said_loudly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b")}
    smoke = world.stack.smoke

    def lose_list(package_hash: str) -> list[str]:
        unwritable(monkeypatch, "unfinished")
        return smoke(package_hash)

    world.stack.smoke = lose_list

    outcome = world.deploy("b")

    assert outcome.code == Code.BROKEN
    assert outcome.rollback_failure == "the list cannot be written"
    assert "PUT answers 500" in outcome.failure


def test_an_up_that_failed_keeps_its_reason_where_nobody_can_say_what_runs(world: World) -> None:
    world.deploy("a")
    world.stack.up_fails = "the state cannot be reached"
    ran = iter([world.hash("a")])

    def running_package() -> str:
        for each in ran:
            return each
        raise PulumiError(("stack", "output"), 255, "the state cannot be reached either")

    world.stack.running_package = running_package

    outcome = world.deploy("b")

    assert outcome.code == Code.FAILED
    assert "the state cannot be reached" in outcome.failure


def test_another_up_that_cannot_be_previewed_does_not_hide_that_the_package_is_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_package: Path) -> list[str]:
        raise PulumiError(("preview",), 255, "error: no token")

    monkeypatch.setattr(world.stack, "pending_changes", refused)

    outcome = world.deploy("a")

    assert outcome.code == Code.NOT_CONVERGED
    assert world.results() == [("a", "good")]
    assert outcome.smoke_lines == ("PUT answers 202",)
    assert "another `pulumi up` could not be previewed" in plain(outcome)
    assert "no token" in plain(outcome)


def test_a_deployment_after_which_another_up_would_change_something_is_told_apart(world: World) -> None:
    world.stack.changes = ["function-app (update)"]

    outcome = world.deploy("a")

    assert outcome.code == Code.NOT_CONVERGED
    assert "another `pulumi up` would change function-app (update)" in plain(outcome)
    assert world.results() == [("a", "good")]


@pytest.mark.parametrize("step", ["push", "up", "smoke"])
def test_a_run_that_was_killed_does_the_right_thing_when_it_runs_again(world: World, step: str) -> None:
    world.deploy("a")
    world.stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        world.deploy("b")

    assert world.deploy("b").code == Code.DONE

    assert world.stack.starts_from == world.stack.state == world.hash("b")
    assert world.results() == [("b", "good"), ("a", "good")]


@pytest.mark.parametrize("step", ["push", "up", "smoke"])
def test_another_package_may_follow_a_run_that_was_killed(world: World, step: str) -> None:
    world.deploy("a")
    world.stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        world.deploy("b")

    assert world.deploy("a").code == Code.DONE

    assert world.stack.starts_from == world.stack.state == world.hash("a")


@pytest.mark.parametrize("step", ["push", "up", "smoke"])
def test_a_run_that_was_killed_while_it_went_back_goes_back_when_it_runs_again(
    world: World, step: str
) -> None:
    world.deploy("a")
    world.stack.bad = {world.hash("b")}
    smoke = world.stack.smoke

    def kill_next(package_hash: str) -> list[str]:
        if package_hash == world.hash("b") and len(world.stack.pushes) == 2:
            world.stack.killed_at = step
            raise SmokeError("PUT answers 500")
        return smoke(package_hash)

    world.stack.smoke = kill_next
    with pytest.raises(KeyboardInterrupt):
        world.deploy("b")

    assert world.deploy("b").code == Code.WENT_BACK

    assert world.stack.starts_from == world.stack.state == world.hash("a")


def test_a_site_that_answers_another_package_than_the_state_names_gets_it_pushed_again(world: World) -> None:
    world.deploy("a")
    world.stack.starts_from = "by hand"

    assert world.deploy("a").code == Code.DONE

    assert world.stack.starts_from == world.hash("a")


def test_a_rollback_deploys_the_good_package_and_a_deploy_goes_forward_again(world: World) -> None:
    world.deploy("a")
    world.deploy("b")

    assert world.back("a").code == Code.DONE
    assert world.stack.starts_from == world.hash("a")
    assert world.results() == [("a", "good"), ("b", "rolled back"), ("a", "good")]

    assert world.deploy("b").code == Code.DONE
    assert world.stack.starts_from == world.hash("b")
    assert world.results()[0] == ("b", "good")


def test_a_rollback_pushes_also_where_the_state_names_the_package_already(world: World) -> None:
    world.deploy("a")
    world.stack.starts_from = world.hash("b")

    assert world.back("a").code == Code.DONE

    assert world.stack.starts_from == world.hash("a")


def test_a_rollback_to_a_package_that_fails_now_is_said_loudly(world: World) -> None:
    world.deploy("a")
    world.deploy("b")
    world.stack.bad = {world.hash("a")}

    outcome = world.back("a")

    assert outcome.code == Code.BROKEN
    assert "IS BROKEN" in markdown(outcome)
    assert "no good package to roll back to" not in plain(outcome)
    assert world.results()[0] == ("a", "failed")


@pytest.mark.parametrize("step", ["push", "up", "smoke"])
def test_a_rollback_that_was_killed_has_the_same_target_when_it_runs_again(world: World, step: str) -> None:
    for code in ("z", "a", "b"):
        world.deploy(code)
    world.stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        world.back("a")

    target = rollback_target(world.releases.history(), world.stack.running_package())

    assert target is not None
    assert target.package_hash == world.hash("a")
    assert world.releases.roll_back(target, world.package("a")).code == Code.DONE
    assert world.results() == [("a", "good"), ("b", "rolled back"), ("a", "good"), ("z", "good")]


def test_a_hostile_reason_does_not_become_markdown() -> None:
    hostile = "x` @everyone <img src=x> [a](http://b) | y\n# title"
    release = Release("a" * 64, hostile, "t", "failed")

    told = markdown(Outcome(Code.FAILED, "prod", release, hostile))

    assert "\n#" not in told[3:]
    for line in told.splitlines()[2:]:
        assert line == "" or line.startswith("- ")
    assert "@everyone" in told
    for line in told.splitlines():
        assert "@everyone" not in "".join(line.split("`")[0::2]), "outside code"
