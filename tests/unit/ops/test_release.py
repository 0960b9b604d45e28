"""What a release does to a stack and to its list, whatever happens."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from azure.core.credentials import TokenCredential

from delivery.package import content_hash, zip_bytes
from delivery.publish import AFTERWARDS
from ops.engine import PulumiError
from ops.files import FilesError
from ops.output import OpsError
from ops.release import release as module
from ops.release.archive import Archive, Release, open_archive, rollback_target
from ops.release.pulumi_stack import PulumiStack
from ops.release.release import Code, Outcome, Releases
from ops.release.releasing import markdown, plain
from ops.release.smoke import SmokeError

STEPS = ("push", "up", "smoke")


class Stack:
    """A stack whose packages are named by a letter. The attributes select the packages and steps that fail.

    A killed command raises KeyboardInterrupt at the step that `killed_at` names.
    """

    def __init__(self, folder: Path) -> None:
        self.stack, self._folder = "prod", folder
        self.state, self.starts_from = "", ""
        self.bad, self.unable, self.untestable = "", "", ""
        self.up_fails, self.killed_at = "", ""
        self.changes: list[str] | OpsError = []
        self.pushes = ""
        self.reports: list[str | OpsError] = []
        """The next answers of the site, where they differ from the package that it starts from."""

    def package(self, letter: str) -> Path:
        path = self._folder / f"{letter}.zip"
        path.write_bytes(zip_bytes({"function_app.py": letter.encode()}))
        return path

    def hash(self, letter: str) -> str:
        return content_hash(self.package(letter)) if letter else ""

    def letter(self, package_hash: str) -> str:
        return next(letter for letter in "abcz" if self.hash(letter) == package_hash)

    def running_package(self) -> str:
        answer = self.reports.pop(0) if self.reports else self.starts_from
        if isinstance(answer, OpsError):
            raise answer
        return self.hash(answer)

    def recorded_package(self) -> str:
        return self.hash(self.state)

    def up(self, package: Path, *, push_again: bool) -> None:
        letter = self.letter(content_hash(package))
        if self.up_fails:
            raise PulumiError(("up",), 255, f"error: update failed\nerror: {self.up_fails}")
        if push_again or letter != self.state:
            self.pushes += letter
            self.starts_from = letter
            self._end("push")
            if letter in self.unable:
                raise PulumiError(("up",), 255, f"error: PUT answers 500\n   {AFTERWARDS}")
            self.state = letter
        self._end("up")

    def smoke(self, package_hash: str) -> list[str]:
        self._end("smoke")
        letter = self.letter(package_hash)
        if letter in self.untestable:
            raise OpsError("the function keys cannot be listed")
        if letter in self.bad or letter != self.starts_from:
            raise SmokeError("PUT answers 500")
        return ["PUT answers 202"]

    def pending_changes(self, package: Path) -> list[str]:
        assert content_hash(package) == self.hash(self.state)
        if isinstance(self.changes, OpsError):
            raise self.changes
        return self.changes

    def _end(self, step: str) -> None:
        if self.killed_at == step:
            self.killed_at = ""
            raise KeyboardInterrupt


class World:
    def __init__(self, folder: Path) -> None:
        ticks = count()
        self.stack = Stack(folder)
        self.archive = open_archive((folder / "archive").as_uri(), lambda: cast(TokenCredential, None))
        environment = cast(PulumiStack, self.stack)
        self.releases = Releases(environment, self.archive, "assistant", lambda: f"{next(ticks):04}")

    def deploy(self, letter: str) -> Outcome:
        path = self.stack.package(letter)
        return self.releases.deploy(path, self.archive.add(path), f"commit-{letter}")

    def deploy_and_kill(self, letter: str, step: str) -> None:
        self.stack.killed_at = step
        with pytest.raises(KeyboardInterrupt):
            self.deploy(letter)

    def roll_back(self, letter: str) -> Outcome:
        package_hash = self.stack.hash(letter)
        target = next(entry for entry in self.releases.history() if entry.package_hash == package_hash)
        return self.releases.roll_back(target, self.stack.package(letter))

    def results(self) -> list[tuple[str, str]]:
        """The package and the result of each entry, newest first."""
        return [(entry.commit.removeprefix("commit-"), entry.result) for entry in self.releases.history()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "PACKAGES", tmp_path / "packages")
    return World(tmp_path)


@pytest.fixture
def a(world: World) -> World:
    """With one good release, of the package a."""
    world.deploy("a")
    return world


def make_unwritable(monkeypatch: pytest.MonkeyPatch, result: str) -> None:
    """A list of releases that cannot be written once its newest entry has this result."""
    change_releases = Archive.change_releases

    def write(
        archive: Archive, project: str, stack: str, change: Callable[[list[Release]], list[Release]]
    ) -> list[Release]:
        if [entry.result for entry in change(archive.releases(project, stack))[:1]] == [result]:
            raise FilesError("the list cannot be written")
        return change_releases(archive, project, stack, change)

    monkeypatch.setattr(Archive, "change_releases", write)


def assert_printed(outcome: Outcome, *parts: str) -> None:
    for text in (plain(outcome), markdown(outcome)):
        for part in parts:
            assert part in text


def test_a_good_package_is_pushed_once(world: World) -> None:
    outcome = world.deploy("a")
    again = world.deploy("a")

    assert (outcome.code, again.code) == (Code.DONE, Code.DONE)
    assert world.results() == [("a", "good")]
    assert world.stack.pushes == "a"
    assert_printed(outcome, world.stack.hash("a"), "commit-a", "PUT answers 202")
    assert plain(outcome).startswith("package ")
    assert markdown(outcome).startswith("## ✅ `prod` is deployed\n\n- package ")


@pytest.mark.parametrize("failure", ["bad", "unable"])
def test_a_package_that_fails_is_replaced_by_the_newest_good_one(a: World, failure: str) -> None:
    setattr(a.stack, failure, "bc")

    outcome, second = a.deploy("b"), a.deploy("c")

    assert (outcome.code, second.code) == (Code.WENT_BACK, Code.WENT_BACK)
    assert a.stack.starts_from == a.stack.state == "a"
    assert a.stack.pushes == "abaca"
    assert a.results() == [("a", "good"), ("c", "failed"), ("a", "good"), ("b", "failed"), ("a", "good")]
    assert "PUT answers 500" in a.releases.history()[3].note
    assert_printed(outcome, a.stack.hash("a"), a.stack.hash("b"), "commit-a", "commit-b", "PUT answers 500")
    assert "FAILED: package" in plain(outcome)
    assert "deployed again: package" in plain(outcome)
    assert "was rolled back" in markdown(outcome)


def test_an_up_that_fails_before_the_push_changes_neither_the_code_nor_the_list(a: World) -> None:
    a.deploy("b")
    a.stack.up_fails = "InsufficientQuota"

    outcome = a.deploy("b")

    assert (outcome.code, outcome.failure) == (Code.FAILED, "`pulumi up` failed: InsufficientQuota")
    assert a.results() == [("b", "good"), ("a", "good")]
    assert "still runs the previous package" in markdown(outcome)
    a.stack.up_fails, a.stack.bad = "", "c"
    a.deploy("c")
    assert a.stack.starts_from == "b"


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        (["a", ""], Code.BROKEN),
        (["a", "b"], Code.BROKEN),
        (["a", "a"], Code.FAILED),
        (["", ""], Code.FAILED),
        (["a", OpsError("no state")], Code.FAILED),
    ],
)
def test_an_up_that_fails_and_stops_the_app_leaves_a_broken_stack(
    a: World, reports: list[str | OpsError], code: Code
) -> None:
    a.stack.up_fails = "the site was replaced"
    a.stack.reports = reports

    outcome = a.deploy("b")

    assert outcome.code == code
    assert "the site was replaced" in outcome.failure


def test_without_a_previous_package_a_failure_is_broken(world: World) -> None:
    world.stack.bad = "a"

    outcome = world.deploy("a")

    assert outcome.code == Code.BROKEN
    assert "there is no good package to roll back to" in plain(outcome)
    assert "IS BROKEN" in markdown(outcome)
    assert "python -m ops rollback --stack prod" in plain(outcome)
    assert world.results() == [("a", "failed")]


def test_a_previous_package_that_fails_too_is_broken(a: World) -> None:
    a.stack.bad = "ab"

    outcome = a.deploy("b")

    assert outcome.code == Code.BROKEN
    assert_printed(outcome, "THE PREVIOUS PACKAGE FAILED TOO", a.stack.hash("a"), a.stack.hash("b"))
    assert "there is no good package" not in plain(outcome)
    assert a.results()[:2] == [("a", "failed"), ("b", "failed")]


def test_a_previous_package_that_is_not_in_the_archive_is_announced_and_broken(
    a: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a.deploy("a")
    assert "warning" not in capsys.readouterr().err
    (tmp_path / "archive" / f"{a.stack.hash('a')}.zip").unlink()
    a.stack.bad = "b"

    outcome = a.deploy("b")

    assert outcome.code == Code.BROKEN
    assert "is not in" in outcome.rollback_failure
    assert "warning: the previous good package" in capsys.readouterr().err


def test_a_package_that_cannot_be_tested_is_neither_good_nor_failed(a: World) -> None:
    a.stack.untestable = "b"

    outcome = a.deploy("b")

    assert (outcome.code, a.stack.starts_from) == (Code.UNVERIFIED, "b")
    assert a.results() == [("b", "unfinished"), ("a", "good")]
    deploy = f"ops deploy --stack prod --hash {a.stack.hash('b')}"
    assert_printed(outcome, "the function keys cannot be listed", deploy, "ops rollback --stack prod")
    assert "NOT VERIFIED: package" in plain(outcome)
    assert "FAILED" not in plain(outcome)
    a.stack.untestable = ""
    assert a.deploy("b").code == Code.DONE
    assert a.stack.pushes == "abb"
    assert a.results() == [("b", "good"), ("a", "good")]


def test_a_previous_package_that_cannot_be_tested_is_not_verified(a: World) -> None:
    a.stack.bad, a.stack.untestable = "b", "a"

    outcome = a.deploy("b")

    assert (outcome.code, a.stack.starts_from) == (Code.UNVERIFIED, "a")
    assert a.results()[:2] == [("a", "unfinished"), ("b", "failed")]
    deploy = f"ops deploy --stack prod --hash {a.stack.hash('a')}"
    assert_printed(outcome, "FAILED: package", "PUT answers 500", "NOT VERIFIED EITHER", "be listed", deploy)


def test_a_package_that_passed_and_is_not_listed_as_good_is_unverified(
    a: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_unwritable(monkeypatch, "good")

    outcome = a.deploy("b")

    assert outcome.code == Code.UNVERIFIED
    assert "the smoke test passed, but the list of releases could not be written" in plain(outcome)


@pytest.mark.parametrize(("result", "code"), [("failed", Code.WENT_BACK), ("unfinished", Code.BROKEN)])
def test_a_failure_goes_back_if_only_the_failure_cannot_be_listed(
    a: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    result: str,
    code: Code,
) -> None:
    smoke, a.stack.bad = a.stack.smoke, "b"

    def lose_list(package_hash: str) -> list[str]:
        if a.stack.starts_from == "b":
            make_unwritable(monkeypatch, result)
        return smoke(package_hash)

    monkeypatch.setattr(a.stack, "smoke", lose_list)

    outcome = a.deploy("b")

    assert outcome.code == code
    assert "PUT answers 500" in outcome.failure
    assert "the list cannot be written" in outcome.rollback_failure + capsys.readouterr().err


@pytest.mark.parametrize("changes", [["function-app (update)"], OpsError("no token")])
def test_a_good_package_after_which_another_up_may_change_something_has_not_converged(
    world: World, changes: list[str] | OpsError
) -> None:
    world.stack.changes = changes

    outcome = world.deploy("a")

    assert outcome.code == Code.NOT_CONVERGED
    assert world.results() == [("a", "good")]
    assert_printed(outcome, "PUT answers 202")
    expected = (
        "another `pulumi up` would change function-app (update)"
        if isinstance(changes, list)
        else "why: another `pulumi up` could not be previewed: no token"
    )
    assert expected in plain(outcome)
    assert "has not converged" in markdown(outcome)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("then", ["b", "a"])
def test_after_a_killed_run_the_same_or_another_package_can_be_deployed(
    a: World, step: str, then: str
) -> None:
    a.deploy_and_kill("b", step)

    assert a.deploy(then).code == Code.DONE

    assert a.stack.starts_from == a.stack.state == then
    assert [entry for entry in a.results() if entry[0] == "b"] == [
        ("b", "good" if then == "b" else "unfinished")
    ]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_killed_while_it_went_back_goes_back_again(
    a: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    a.stack.bad, smoke = "b", a.stack.smoke

    def kill_next(package_hash: str) -> list[str]:
        if a.stack.pushes == "ab":
            a.stack.killed_at = step
            raise SmokeError("PUT answers 500")
        return smoke(package_hash)

    monkeypatch.setattr(a.stack, "smoke", kill_next)
    with pytest.raises(KeyboardInterrupt):
        a.deploy("b")

    assert a.deploy("b").code == Code.WENT_BACK
    assert a.stack.starts_from == a.stack.state == "a"


def test_a_site_that_reports_another_package_than_the_state_gets_it_again(a: World) -> None:
    a.stack.starts_from = "z"

    assert a.deploy("a").code == Code.DONE
    assert a.stack.starts_from == "a"


def test_a_rollback_pushes_the_good_package_and_a_deploy_goes_forward_again(a: World) -> None:
    a.deploy("b")

    assert a.roll_back("a").code == Code.DONE
    assert a.stack.starts_from == "a"
    assert a.results() == [("a", "good"), ("b", "rolled back"), ("a", "good")]

    a.stack.starts_from = "b"
    assert a.roll_back("a").code == Code.DONE
    assert a.stack.starts_from == "a", "although the state names it already"

    assert a.deploy("b").code == Code.DONE
    assert a.results()[0] == ("b", "good")


@pytest.mark.parametrize(
    ("failing", "code", "result"),
    [
        ("bad", Code.BROKEN, "failed"),
        ("untestable", Code.UNVERIFIED, "unfinished"),
        ("up_fails", Code.FAILED, "rolled back"),
    ],
)
def test_a_rollback_that_fails_stays(a: World, failing: str, code: Code, result: str) -> None:
    a.deploy("b")
    setattr(a.stack, failing, "a")

    outcome = a.roll_back("a")

    assert outcome.code == code
    assert a.results()[0][1] == result
    assert "no good package to roll back to" not in plain(outcome)


@pytest.mark.parametrize("step", STEPS)
def test_a_rollback_that_was_killed_has_the_same_target_again(world: World, step: str) -> None:
    for letter in "zab":
        world.deploy(letter)
    world.stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        world.roll_back("a")

    target = rollback_target(world.releases.history(), world.stack.running_package())

    assert target is not None
    assert target.package_hash == world.stack.hash("a")
    assert world.releases.roll_back(target, world.stack.package("a")).code == Code.DONE
    assert world.results() == [("a", "good"), ("b", "rolled back"), ("a", "good"), ("z", "good")]


def test_a_hostile_reason_does_not_become_markdown() -> None:
    hostile = "x` @everyone <img src=x> [a](http://b) | y\n# title {} {0}"
    outcome = Outcome(Code.FAILED, "prod", Release("a" * 64, hostile, "t", "failed"), hostile)

    text = markdown(outcome)

    assert "\n#" not in text[3:]
    assert "@everyone" in text
    for line in text.splitlines()[2:]:
        assert line == "" or line.startswith("- ")
        assert "@everyone" not in "".join(line.split("`")[0::2]), "outside code"
