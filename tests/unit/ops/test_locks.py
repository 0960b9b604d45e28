"""Which locks are proven to be stranded, and that no other is ever removed."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ops.files import FilesError, FolderFiles
from ops.locks.locks import (
    Claim,
    Lock,
    LockedError,
    Machine,
    Run,
    RunStateOf,
    StackLocks,
    claimed,
    judge,
    read_claim,
    read_locks,
)
from ops.output import OpsError

PROJECT, STACK = "assistant", "pr-7"
NOON, LATER = "2026-11-25T12:00:00.000000+00:00", "2026-11-25T12:00:05.000000+00:00"
RUN = Run(42, 1, "up", "GitHub Actions 3", "https://github.com/o/r/actions/runs/42/attempts/1")
LOCK = Lock(".pulumi/locks/organization/assistant/pr-7/x.json", "e", 100, "runner", "vm", LATER)
CLAIM = Claim("vm", 100, NOON, "pulumi up", RUN)


def github(state: str | Exception | None) -> RunStateOf:
    def run_state(run: int, attempt: int) -> str | None:
        assert (run, attempt) == (42, 1)
        if isinstance(state, Exception):
            raise state
        return state

    return run_state


unused = github(AssertionError("no request to GitHub is needed"))


def machine(host: str = "vm", run: Run | None = None, *, local: bool = False, runs: bool = False) -> Machine:
    return Machine(host, run, local, lambda _pid: runs)


LAPTOP = machine(local=True)
ANOTHER_RUN = Run(43, 1, "up", "GitHub Actions 3", "https://…")
ELSEWHERE = machine("another-vm", ANOTHER_RUN)


@pytest.mark.parametrize(
    ("claim", "on", "run_state", "state", "evidence"),
    [
        (None, LAPTOP, unused, "stranded", "process 100 no longer runs on this machine"),
        (None, machine(local=True, runs=True), unused, "alive", "process 100 runs on this machine"),
        # The backend is shared, or hosted runners have the same name.
        (None, machine(), unused, "unknown", "no command of `ops` has claimed it"),
        (None, machine(run=ANOTHER_RUN, local=True), unused, "unknown", "no command"),
        (CLAIM, machine(run=ANOTHER_RUN, local=True), github("in_progress"), "alive", RUN.url),
        # A step of this job was killed.
        (CLAIM, machine(run=RUN), unused, "stranded", "process 100"),
        (CLAIM, machine(run=RUN, runs=True), unused, "alive", "process 100"),
        (CLAIM, machine("another-vm", RUN), github("in_progress"), "alive", RUN.url),
        # Another run has claimed it.
        (CLAIM, ELSEWHERE, github("completed"), "stranded", f"its run has ended: {RUN.url}"),
        (CLAIM, ELSEWHERE, github("in_progress"), "alive", f"its run is in progress: {RUN.url}"),
        (CLAIM, ELSEWHERE, github("queued"), "alive", f"its run is queued: {RUN.url}"),
        (CLAIM, ELSEWHERE, github(None), "unknown", f"GitHub does not know its run: {RUN.url}"),
        (CLAIM, ELSEWHERE, github(OpsError("GITHUB_TOKEN is not set")), "unknown", "GITHUB_TOKEN is not set"),
        (replace(CLAIM, run=None), ELSEWHERE, unused, "unknown", "`pulumi up` was run by hand on vm"),
        # These claims did not make the lock.
        (replace(CLAIM, host="another-host"), ELSEWHERE, unused, "unknown", "no command"),
        (replace(CLAIM, pid=101), ELSEWHERE, unused, "unknown", "no command"),
        (replace(CLAIM, since="2026-11-25T12:00:06+00:00"), ELSEWHERE, unused, "unknown", "no command"),
        (replace(CLAIM, since=LATER), ELSEWHERE, github("completed"), "stranded", RUN.url),
    ],
)  # fmt: skip
def test_only_evidence_strands_a_lock(
    claim: Claim | None, on: Machine, run_state: RunStateOf, state: str, evidence: str
) -> None:
    verdict = judge(LOCK, claim, on, run_state)

    assert verdict.state == state
    assert evidence in verdict.evidence


# With files


def write_lock(
    files: FolderFiles, *, pid: int, host: str = "vm", since: str = "2099-01-01T00:00:00.123456789Z"
) -> str:
    name = f".pulumi/locks/organization/{PROJECT}/{STACK}/{uuid4()}.json"
    content = {"pid": pid, "username": "me", "hostname": host, "timestamp": since}
    files.write(name, json.dumps(content).encode())
    return name


def write_claim(files: FolderFiles, run: Run | None = None, **changes: Any) -> None:
    """The claim of a command that was killed."""
    content = {"version": 1, **asdict(Claim("vm", 5, NOON, "pulumi up", run)), **changes}
    files.write(f".ops/claims/{PROJECT}/{STACK}/5.json", json.dumps(content).encode())


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path)


def test_a_lock_is_read_as_the_cli_writes_it(files: FolderFiles) -> None:
    name = write_lock(files, pid=5, since="2026-11-25T13:00:00.123456789+01:00")
    files.write(f"{name}.tmp", b"{}")

    (lock,) = read_locks(files, PROJECT, STACK)

    assert (lock.name, lock.pid, lock.user, lock.host) == (name, 5, "me", "vm")
    assert lock.since == "2026-11-25T12:00:00.123456+00:00"


def test_a_command_claims_its_stack_until_it_ends(files: FolderFiles) -> None:
    write_claim(files)
    with claimed(files, PROJECT, STACK, "pulumi destroy", machine(run=RUN)) as started:
        started(6)

        claim = read_claim(files, PROJECT, STACK, 6)
        assert claim is not None
        assert (claim.host, claim.pid, claim.command, claim.run) == ("vm", 6, "pulumi destroy", RUN)
        assert read_claim(files, PROJECT, "pr-8", 6) is None
    assert files.names("") == [f".ops/claims/{PROJECT}/{STACK}/5.json"], "the claim of another command stays"


def test_a_stranded_lock_is_removed(files: FolderFiles, capsys: pytest.CaptureFixture[str]) -> None:
    write_claim(files, RUN)
    write_lock(files, pid=5)
    locks = StackLocks(files, PROJECT, STACK, ELSEWHERE, github("completed"))

    locks.release_stranded()

    assert read_locks(files, PROJECT, STACK) == []
    assert "Removed a stranded lock of stack pr-7: me@vm (process 5)" in capsys.readouterr().err
    locks.release_stranded()
    assert capsys.readouterr().err == ""


def test_nothing_is_removed_while_a_lock_may_be_held(files: FolderFiles) -> None:
    write_lock(files, pid=5)
    write_lock(files, pid=6, host="another")
    files.write(f".pulumi/locks/organization/{PROJECT}/{STACK}/x.json", b"")

    with pytest.raises(LockedError) as refused:
        StackLocks(files, PROJECT, STACK, LAPTOP, unused).release_stranded()

    assert len(files.names(".pulumi/")) == 3
    for part in (
        "me@another (process 6) since 2099-01-01",
        "an unknown holder since an unknown time: the lock cannot be read",
        "python -m ops unlock --stack pr-7",
    ):
        assert part in str(refused.value)
    assert "process 5" not in str(refused.value)


def test_a_lock_that_was_taken_while_the_old_one_was_judged_stays(
    files: FolderFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    write_claim(files, RUN)
    name = write_lock(files, pid=5)

    def take(_run: int, _attempt: int) -> str:
        files.write(name, b"{}")
        return "completed"

    StackLocks(files, PROJECT, STACK, ELSEWHERE, take).release_stranded()

    assert files.exists(name)
    assert capsys.readouterr().err == ""


def test_a_claim_that_cannot_be_removed_does_not_hide_how_its_command_ended(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_name: str, _etag: str = "") -> bool:
        raise FilesError("the claim cannot be deleted")

    def fail(started: Callable[[int], None]) -> None:
        started(6)
        raise OpsError("up failed")

    monkeypatch.setattr(files, "delete", refuse)
    claim = claimed(files, PROJECT, STACK, "pulumi up", machine())
    with pytest.raises(OpsError, match="up failed"), claim as started:
        fail(started)

    assert "the claim cannot be deleted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"version": None}, {"since": "yesterday"}, {"run": 7}, {"unknown": 1}]
)
def test_a_claim_that_cannot_be_read_proves_nothing(files: FolderFiles, changes: dict[str, Any]) -> None:
    write_claim(files)
    assert read_claim(files, PROJECT, STACK, 5) == Claim("vm", 5, NOON, "pulumi up", None)

    write_claim(files, **changes)

    assert read_claim(files, PROJECT, STACK, 5) is None


def test_a_run_is_known_from_the_variables_of_github() -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_JOB": "up",
        "RUNNER_NAME": "GitHub Actions 3",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
    }

    assert Run.current(environment) == RUN
    assert Run.current({**environment, "GITHUB_ACTIONS": ""}) is None
    assert Run.current({**environment, "GITHUB_RUN_ATTEMPT": ""}) is None
