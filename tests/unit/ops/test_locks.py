"""Which locks are proven to be stranded, and that no other is ever removed."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
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
    read_claims,
    read_locks,
)
from ops.output import OpsError

PROJECT, STACK = "assistant", "pr-7"
NOON, LATER = "2026-11-25T12:00:00.000000+00:00", "2026-11-25T12:00:05.000000+00:00"
RUN = Run(42, 1, "up", "GitHub Actions 3", "https://github.com/o/r/actions/runs/42/attempts/1")
LOCK = Lock(".pulumi/locks/organization/assistant/pr-7/x.json", "e", 100, "runner", "vm", LATER)
CLAIM = Claim("vm", 100, NOON, "pulumi up", RUN)
BY_HAND = Claim("vm", 100, NOON, "pulumi up", None)


def github(state: str | Exception | None) -> RunStateOf:
    def run_state(run: int, attempt: int) -> str | None:
        assert (run, attempt) == (42, 1)
        if isinstance(state, Exception):
            raise state
        return state

    return run_state


unused, refuses = github(AssertionError("unused")), github(OpsError("GITHUB_TOKEN is not set"))


def machine(host: str = "vm", run: Run | None = None, *, local: bool = False, runs: bool = False) -> Machine:
    return Machine(host, run, local, lambda _pid: runs)


LAPTOP = machine(local=True)
ANOTHER_RUN = Run(43, 1, "up", "GitHub Actions 3", "https://…")
ELSEWHERE = machine("another-vm", ANOTHER_RUN)


@pytest.mark.parametrize(
    ("claims", "on", "run_state", "state", "evidence"),
    [
        ([], LAPTOP, unused, "stranded", "process 100 no longer runs on this machine"),
        ([], machine(local=True, runs=True), unused, "alive", "process 100 runs on this machine"),
        # The backend is shared, or hosted runners have the same name.
        ([], machine(), unused, "unknown", "no command of `ops` has claimed it"),
        ([], machine(run=ANOTHER_RUN, local=True), unused, "unknown", "no command"),
        ([CLAIM], machine(run=ANOTHER_RUN, local=True), github("in_progress"), "alive", RUN.url),
        # A step of this job was killed.
        ([CLAIM], machine(run=RUN), unused, "stranded", "process 100"),
        ([CLAIM], machine(run=RUN, runs=True), unused, "alive", "process 100"),
        ([CLAIM], machine("another-vm", RUN), github("in_progress"), "alive", RUN.url),
        # Another run has claimed it.
        ([CLAIM], ELSEWHERE, github("completed"), "stranded", f"its run has ended: {RUN.url}"),
        ([CLAIM], ELSEWHERE, github("in_progress"), "alive", f"its run is in progress: {RUN.url}"),
        ([CLAIM], ELSEWHERE, github("queued"), "alive", f"its run is queued: {RUN.url}"),
        ([CLAIM], ELSEWHERE, github(None), "unknown", f"GitHub does not know its run: {RUN.url}"),
        ([BY_HAND], ELSEWHERE, unused, "unknown", "`pulumi up` was run by hand on vm"),
        # These claims did not make the lock.
        ([Claim("another-host", 100, NOON, "pulumi up", RUN)], ELSEWHERE, unused, "unknown", "no command"),
        ([Claim("vm", 101, NOON, "pulumi up", RUN)], ELSEWHERE, unused, "unknown", "no command"),
        ([Claim("vm", 0, NOON, "pulumi up", RUN)], ELSEWHERE, unused, "unknown", "no command"),
        ([Claim("vm", 100, "2026-11-25T12:00:06+00:00", "up", RUN)], ELSEWHERE, unused, "unknown", "no"),
        ([Claim("vm", 100, LATER, "pulumi up", RUN)], ELSEWHERE, github("completed"), "stranded", RUN.url),
    ],
)  # fmt: skip
def test_only_evidence_strands_a_lock(
    claims: list[Claim], on: Machine, run_state: RunStateOf, state: str, evidence: str
) -> None:
    verdict = judge(LOCK, claims, on, run_state)

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


def write_claim(
    files: FolderFiles, run: Run | None, *, pid: int = 5, host: str = "vm", days: int = 1
) -> None:
    """The claim of a command that was killed some days ago."""
    since = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
    claim = asdict(Claim(host, pid, since, "pulumi up", run))
    files.write(f".ops/claims/{PROJECT}/{STACK}/{uuid4()}.json", json.dumps({"version": 1, **claim}).encode())


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path)


def test_a_lock_is_read_as_the_cli_writes_it(files: FolderFiles) -> None:
    name = write_lock(files, pid=5, since="2026-11-25T13:00:00.123456789+01:00")
    files.write(f"{name}.tmp", b"{}")

    (lock,) = read_locks(files, PROJECT, STACK)

    assert (lock.name, lock.pid, lock.user, lock.host) == (name, 5, "me", "vm")
    assert lock.since == "2026-11-25T12:00:00.123456+00:00"


@pytest.mark.parametrize(
    ("run", "on", "run_state"),
    [(None, LAPTOP, unused), (RUN, ELSEWHERE, github("completed"))],
    ids=["process", "run"],
)
def test_a_stranded_lock_is_removed_with_its_claim(
    files: FolderFiles,
    capsys: pytest.CaptureFixture[str],
    run: Run | None,
    on: Machine,
    run_state: RunStateOf,
) -> None:
    write_claim(files, run)
    write_lock(files, pid=5)
    with claimed(files, PROJECT, "pr-8", "pulumi up", machine()) as started:
        started(6)
        StackLocks(files, PROJECT, STACK, on, run_state).release_stranded()

        assert (read_locks(files, PROJECT, STACK), read_claims(files, PROJECT, STACK)) == ([], {})
        (claim,) = read_claims(files, PROJECT, "pr-8").values()
    assert (claim.host, claim.pid, claim.command, claim.run) == ("vm", 6, "pulumi up", None)
    assert files.names("") == [], "a command that ends removes its claim"
    assert "Removed a stranded lock of stack pr-7: me@vm (process 5)" in capsys.readouterr().err
    StackLocks(files, PROJECT, STACK, on, run_state).release_stranded()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("claim", "on", "run_state", "kept"),
    [
        ({"run": RUN}, LAPTOP, github("in_progress"), True),
        ({"run": RUN}, LAPTOP, github("completed"), False),
        ({"run": RUN, "days": 6}, LAPTOP, refuses, True),
        ({"run": RUN, "days": 8}, LAPTOP, refuses, False),
        ({"run": None}, LAPTOP, unused, False),
        ({"run": None}, machine(local=True, runs=True), unused, True),
        ({"run": None}, machine(), unused, True),
        ({"run": None}, machine(run=RUN, local=True), unused, True),
        ({"run": None, "host": "another"}, LAPTOP, unused, True),
        ({"run": None, "pid": 0}, LAPTOP, unused, True),
        ({"run": None, "pid": 0, "days": 8}, LAPTOP, unused, False),
    ],
)
def test_a_claim_is_forgotten_when_its_command_has_ended_or_after_a_week(
    files: FolderFiles, claim: dict[str, Any], on: Machine, run_state: RunStateOf, kept: bool
) -> None:
    write_claim(files, **claim)

    StackLocks(files, PROJECT, STACK, on, run_state).release_stranded()

    assert bool(files.names(".ops/")) == kept


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


def test_without_an_answer_of_github_the_lock_stays_with_the_reason(files: FolderFiles) -> None:
    write_claim(files, RUN)
    write_lock(files, pid=5)

    with pytest.raises(LockedError, match="GITHUB_TOKEN is not set"):
        StackLocks(files, PROJECT, STACK, ELSEWHERE, refuses).release_stranded()


def test_a_claim_that_cannot_be_removed_does_not_hide_how_its_command_ended(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_name: str, _etag: str = "") -> bool:
        raise FilesError("the claim cannot be deleted")

    monkeypatch.setattr(files, "delete", refuse)
    with pytest.raises(OpsError, match="up failed"), claimed(files, PROJECT, STACK, "pulumi up", machine()):
        raise OpsError("up failed")

    assert "the claim cannot be deleted" in capsys.readouterr().err


def test_a_claim_that_cannot_be_read_proves_nothing(files: FolderFiles) -> None:
    claim: dict[str, Any] = {"host": "vm", "pid": 5, "since": NOON, "command": "up", "run": None}
    bad_since = {**claim, "version": 1, "since": "yesterday"}
    for number, content in enumerate(
        [{**claim, "version": 2}, {"version": 1, "run": None}, [], claim, bad_since]
    ):
        files.write(f".ops/claims/{PROJECT}/{STACK}/{number}.json", json.dumps(content).encode())
    files.write(f".ops/claims/{PROJECT}/{STACK}/good.json", json.dumps({**claim, "version": 1}).encode())

    assert [*read_claims(files, PROJECT, STACK).values()] == [Claim(**claim)]


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
