"""What a release does to a stack and to its list, whatever happens."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from delivery.package import content_hash, zip_bytes
from delivery.publish import ACCEPTED, MISSING
from ops.engine import PulumiError
from ops.files import FilesError, FolderFiles
from ops.output import OpsError
from ops.release import release as module
from ops.release.archive import Archive, Release, rollback_target
from ops.release.pulumi_stack import PulumiStack
from ops.release.release import Code, Outcome, Releases
from ops.release.releasing import markdown, plain
from ops.release.smoke import SmokeError

STEPS = ("push", "up", "smoke")


class Stack(Archive):
    """A stack with its archive; the packages are named by a letter. Attributes select what fails.

    `bad` packages fail the smoke test, `unable` ones do not start, `untestable` ones cannot be tested,
    `deprived` ones lack a role, and `removed` is what was deleted in Azure.
    `killed_at` is the step at which the next command is killed. `unwritable` is the newest entry with which
    the list of releases cannot be written, as `a good`.
    """

    stack = "prod"

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderFiles(folder / "archive"))
        self.paths = {letter: folder / f"{letter}.zip" for letter in "abcz"}
        for letter, path in self.paths.items():
            path.write_bytes(zip_bytes({"function_app.py": letter.encode()}))
        self.hashes = {"": "", **{letter: content_hash(path) for letter, path in self.paths.items()}}
        self.letters = {package_hash: letter for letter, package_hash in self.hashes.items()}
        ticks = count()
        environment = cast(PulumiStack, self)
        self.all_releases = Releases(environment, self, "assistant", lambda: f"{next(ticks):04}")
        self.state: str = ""
        self.starts_from, self.pushes = "", ""
        self.bad, self.unable, self.untestable, self.missing = "", "", "", ""
        self.deprived = ""
        self.removed: list[str] | OpsError = []
        self.up_fails, self.killed_at, self.unwritable = "", "", ""
        self.changes: list[str] | OpsError = []
        self.reports: list[str | OpsError] = []
        """The next answers of the site, where they differ from the package that it starts from."""

    def deploy(self, letter: str) -> Outcome:
        path = self.paths[letter]
        return self.all_releases.deploy(path, self.add(path), f"commit-{letter}")

    def roll_back(self, letter: str) -> Outcome:
        history = self.all_releases.history()
        target = next(entry for entry in history if entry.package_hash == self.hashes[letter])
        return self.all_releases.roll_back(target, self.paths[letter])

    def results(self) -> str:
        """The packages and results in the list, newest first."""
        return ", ".join(self._entries(self.all_releases.history()))

    def _entries(self, releases: list[Release]) -> list[str]:
        return [f"{self.letters[release.package_hash]} {release.result}" for release in releases]

    # As the archive

    def holds(self, package_hash: str) -> bool:
        return self.letters[package_hash] not in self.missing and super().holds(package_hash)

    def fetch(self, package_hash: str, folder: Path) -> Path:
        if not self.holds(package_hash):
            raise OpsError(f"package {package_hash} is not in the archive")
        return super().fetch(package_hash, folder)

    def change_releases(
        self, project: str, stack: str, change: Callable[[list[Release]], list[Release]]
    ) -> list[Release]:
        if self._entries(change(self.releases(project, stack)))[:1] == [self.unwritable]:
            raise FilesError("the list cannot be written")
        return super().change_releases(project, stack, change)

    # As the stack

    def running_package(self) -> str:
        answer = self.reports.pop(0) if self.reports else self.starts_from
        if isinstance(answer, OpsError):
            raise answer
        return self.hashes[answer]

    def recorded_package(self) -> str:
        return self.hashes[self.state]

    def up(self, package: Path, *, push_again: bool) -> None:
        letter = self.letters[content_hash(package)]
        if self.up_fails:
            raise PulumiError(("up",), 255, f"error: update failed\nerror: {self.up_fails}")
        if push_again or letter != self.state:
            self.pushes += letter
            self.starts_from = letter
            self._end("push")
            if letter in self.unable:
                missing = MISSING if letter in self.deprived else ""
                raise PulumiError(("up",), 255, f"error: PUT answers 500\n   {ACCEPTED} {missing}")
            self.state = letter
        self._end("up")

    def gone(self) -> list[str]:
        if isinstance(self.removed, OpsError):
            raise self.removed
        return self.removed

    def smoke(self, package_hash: str) -> list[str]:
        self._end("smoke")
        letter = self.letters[package_hash]
        if letter in self.untestable:
            raise OpsError("the function keys cannot be listed")
        if letter in self.bad or letter != self.starts_from:
            raise SmokeError("PUT answers 500" + " no role" * (letter in self.deprived))
        return ["PUT answers 202"]

    def pending_changes(self, package: Path) -> list[str]:
        assert self.letters[content_hash(package)] == self.state
        if isinstance(self.changes, OpsError):
            raise self.changes
        return self.changes

    def _end(self, step: str) -> None:
        if self.killed_at == step:
            self.killed_at = ""
            raise KeyboardInterrupt


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(module, "PACKAGES", tmp_path / "packages")
    return Stack(tmp_path)


BACK = "a good, b failed, a good"
DEPLOYMENTS: list[tuple[str, dict[str, Any], Code, str, str, str, list[str]]] = [
    # The packages that are deployed, the attributes before the last one, and after it: the exit code, the
    # package that runs, the pushes, the list, and parts of the output.
    ("a", {}, Code.DONE, "a", "a", "a good", ["commit-a", "PUT answers 202"]),
    ("aa", {}, Code.DONE, "a", "a", "a good", []),
    ("aa", {"starts_from": "z"}, Code.DONE, "a", "aa", "a good", []),
    ("ab", {"bad": "b"}, Code.WENT_BACK, "a", "aba", BACK,
     ["FAILED: package", "commit-b", "why: the smoke test failed: PUT answers 500",
      "deployed again: package", "commit-a"]),
    ("ab", {"unable": "b"}, Code.WENT_BACK, "a", "aba", BACK, ["PUT answers 500"]),
    ("a", {"bad": "a"}, Code.BROKEN, "a", "a", "a failed",
     ["the site now reports package", "next: correct the code and deploy it: no good release exists"]),
    ("a", {"bad": "a", "deprived": "a"}, Code.BROKEN, "a", "a", "a failed",
     ["next: python -m ops drift --stack prod", "pulumi up --refresh --stack prod"]),
    ("ab", {"unable": "ab", "deprived": "ab"}, Code.BROKEN, "a", "aba", "a failed, b failed, a good",
     ["THE PREVIOUS PACKAGE FAILED TOO", "next: python -m ops drift --stack prod"]),
    ("ab", {"bad": "b", "deprived": "b"}, Code.WENT_BACK, "a", "aba", BACK, ["PUT answers 500 no role"]),
    ("ab", {"bad": "b", "deprived": "b", "removed": OpsError("no right")}, Code.WENT_BACK, "a", "aba",
     BACK, []),
    ("ab", {"bad": "b", "deprived": "b", "removed": ["blob-owner", "x"]}, Code.BROKEN, "b", "ab",
     "b failed, a good", ["why: Azure no longer has blob-owner, x: the smoke", "next: python -m ops drift"]),
    ("ab", {"bad": "b", "removed": ["blob-owner"]}, Code.WENT_BACK, "a", "aba", BACK, []),
    ("aa", {"bad": "a", "starts_from": ""}, Code.BROKEN, "a", "aa", "a failed, a good", []),
    ("ab", {"bad": "ab"}, Code.BROKEN, "a", "aba", "a failed, b failed, a good",
     ["THE PREVIOUS PACKAGE FAILED TOO", "next: correct the code"]),
    ("ab", {"bad": "b", "missing": "a"}, Code.BROKEN, "b", "ab", "b failed, a good", ["is not in the"]),
    ("ab", {"untestable": "b"}, Code.UNVERIFIED, "b", "ab", "b unfinished, a good",
     ["NOT VERIFIED: package", "the function keys cannot be listed", "ops rollback --stack prod"]),
    ("ab", {"bad": "b", "untestable": "a"}, Code.UNVERIFIED, "a", "aba", "a unfinished, b failed, a good",
     ["FAILED: package", "PUT answers 500", "NOT VERIFIED EITHER", "keys cannot be listed"]),
    # `up` failed before the push.
    ("abb", {"up_fails": "Quota"}, Code.FAILED, "b", "ab", "b good, a good", ["`pulumi up` failed: Quota"]),
    ("ab", {"up_fails": 'Code="ResourceGroupNotFound"'}, Code.FAILED, "a", "a", "a good",
     ["the site now reports package", "next: python -m ops drift", "--stack prod --again"]),
    ("ab", {"up_fails": "x", "reports": ["a", "a"]}, Code.FAILED, "a", "a", "a good", []),
    ("ab", {"up_fails": "x", "reports": ["", ""]}, Code.FAILED, "a", "a", "a good", []),
    ("ab", {"up_fails": "x", "reports": ["a", OpsError("")]}, Code.FAILED, "a", "a", "a good", ["failed: x"]),
    ("ab", {"up_fails": "x", "reports": ["a", ""]}, Code.BROKEN, "a", "a", "a good", ["failed: x"]),
    ("ab", {"up_fails": "x", "reports": ["a", "b"]}, Code.BROKEN, "a", "a", "a good", ["failed: x"]),
    # The list cannot be written.
    ("ab", {"unwritable": "b good"}, Code.UNVERIFIED, "b", "ab", "b unfinished, a good",
     ["the smoke test passed, but the list of releases could not be written"]),
    ("ab", {"bad": "b", "unwritable": "b failed"}, Code.WENT_BACK, "a", "aba",
     "a good, b unfinished, a good", ["PUT answers 500"]),
    ("ab", {"bad": "b", "unwritable": "a unfinished"}, Code.BROKEN, "b", "ab", "b failed, a good",
     ["PUT answers 500", "the list cannot be written", "next: python -m ops rollback --stack prod deploys"]),
    ("a", {"changes": ["function-app (update)"]}, Code.NOT_CONVERGED, "a", "a", "a good",
     ["package", "PUT answers 202", "change function-app (update)"]),
    ("a", {"changes": OpsError("no token")}, Code.NOT_CONVERGED, "a", "a", "a good",
     ["why: another `pulumi up` could not be previewed: no token"]),
]  # fmt: skip
TITLES = {
    Code.DONE: "is deployed",
    Code.FAILED: "still runs the previous package",
    Code.WENT_BACK: "was rolled back",
    Code.BROKEN: "IS BROKEN: act now",
    Code.NOT_CONVERGED: "has not converged",
    Code.UNVERIFIED: "could not be tested",
}


@pytest.mark.parametrize(("letters", "attributes", "code", "runs", "pushes", "results", "parts"), DEPLOYMENTS)
def test_a_deployment(
    stack: Stack,
    *,
    letters: str,
    attributes: dict[str, Any],
    code: Code,
    runs: str,
    pushes: str,
    results: str,
    parts: list[str],
) -> None:
    *before, last = letters
    for letter in before:
        assert stack.deploy(letter).code == Code.DONE
    for name, value in attributes.items():
        setattr(stack, name, [*value] if name == "reports" else value)

    outcome = stack.deploy(last)

    assert (outcome.code, stack.starts_from, stack.pushes) == (code, runs, pushes)
    assert stack.results() == results
    for part in (stack.hashes[last], *parts):
        assert part in plain(outcome)
        assert part in markdown(outcome).replace("`", "") or "`" in part
    assert TITLES[code] in markdown(outcome).splitlines()[0]
    assert plain(outcome).startswith("package ") == (code in (Code.DONE, Code.NOT_CONVERGED))
    advised = code in (Code.BROKEN, Code.UNVERIFIED) or (code == Code.FAILED and outcome.missing)
    assert ("next: " in plain(outcome)) == advised
    if code == Code.UNVERIFIED:
        assert f"ops deploy --stack prod --hash {stack.hashes[runs]}" in plain(outcome)


def test_one_goes_back_over_failed_packages_and_not_to_one_that_only_failed_to_be_deployed(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy("a")
    stack.bad = "bc"
    stack.deploy("b")

    assert stack.deploy("c").code == Code.WENT_BACK
    assert stack.starts_from == stack.state == "a"
    assert "warning" not in capsys.readouterr().err

    stack.missing = "a"
    assert stack.deploy("c").code == Code.BROKEN
    assert "warning: the previous good package" in capsys.readouterr().err


@pytest.mark.parametrize(("attribute", "results"), [("untestable", "a good"), ("bad", "a good, a failed")])
def test_a_package_that_was_not_good_is_pushed_and_tested_again(
    stack: Stack, attribute: str, results: str
) -> None:
    setattr(stack, attribute, "a")
    stack.deploy("a")
    setattr(stack, attribute, "")

    assert stack.deploy("a").code == Code.DONE
    assert (stack.pushes, stack.results()) == ("aa", results)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("then", "results"), [("b", "b good, a good"), ("a", "a good, b unfinished, a good")]
)
def test_after_a_killed_run_the_same_or_another_package_can_be_deployed(
    stack: Stack, step: str, then: str, results: str
) -> None:
    stack.deploy("a")
    stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        stack.deploy("b")

    assert stack.deploy(then).code == Code.DONE
    assert (stack.starts_from, stack.state, stack.results()) == (then, then, results)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_killed_while_it_went_back_goes_back_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stack.deploy("a")
    stack.bad, smoke = "b", stack.smoke

    def kill_next(package_hash: str) -> list[str]:
        if stack.pushes == "ab":
            stack.killed_at = step
            raise SmokeError("PUT answers 500")
        return smoke(package_hash)

    monkeypatch.setattr(stack, "smoke", kill_next)
    with pytest.raises(KeyboardInterrupt):
        stack.deploy("b")

    assert stack.deploy("b").code == Code.WENT_BACK
    assert stack.starts_from == stack.state == "a"


@pytest.mark.parametrize(
    ("attributes", "code", "runs", "results"),
    [
        ({}, Code.DONE, "a", "a good, b rolled back, a good"),
        ({"state": "a"}, Code.DONE, "a", "a good, b rolled back, a good"),
        ({"bad": "a"}, Code.BROKEN, "a", "a failed, b rolled back, a good"),
        ({"untestable": "a"}, Code.UNVERIFIED, "a", "a unfinished, b rolled back, a good"),
        ({"up_fails": "x"}, Code.FAILED, "b", "b rolled back, a good"),
    ],
)
def test_a_rollback(stack: Stack, attributes: dict[str, str], code: Code, runs: str, results: str) -> None:
    stack.deploy("a")
    stack.deploy("b")
    for name, value in attributes.items():
        setattr(stack, name, value)

    outcome = stack.roll_back("a")

    assert (outcome.code, stack.starts_from, stack.results()) == (code, runs, results)
    assert "no good package to roll back to" not in plain(outcome)
    stack.up_fails = ""
    assert stack.deploy("b").code == Code.DONE


@pytest.mark.parametrize("step", STEPS)
def test_a_rollback_that_was_killed_has_the_same_target_again(stack: Stack, step: str) -> None:
    for letter in "zab":
        stack.deploy(letter)
    stack.killed_at = step
    with pytest.raises(KeyboardInterrupt):
        stack.roll_back("a")

    target = rollback_target(stack.all_releases.history(), stack.running_package())

    assert target is not None
    assert target.package_hash == stack.hashes["a"]
    assert stack.all_releases.roll_back(target, stack.paths["a"]).code == Code.DONE
    assert stack.results() == "a good, b rolled back, a good, z good"


def test_a_hostile_reason_does_not_become_markdown() -> None:
    hostile = "x` @everyone <img src=x> [a](http://b) | y\n# title {} {0}"
    outcome = Outcome(Code.FAILED, "prod", Release("a" * 64, hostile, "t", "failed"), hostile)

    text = markdown(outcome)

    assert "\n#" not in text[3:]
    assert "@everyone" in text
    for line in text.splitlines()[2:]:
        assert line == "" or line.startswith("- ")
        assert "@everyone" not in "".join(line.split("`")[0::2]), "outside code"
