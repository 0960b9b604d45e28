"""Which locks are proven to be stranded, and that no other is ever removed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from ops.files import FilesError, FolderFiles
from ops.locks.locks import (
    Claim,
    Lock,
    LockedError,
    Machine,
    Run,
    claimed,
    judge,
    read_claims,
    read_locks,
    release_stranded,
)
from ops.output import OpsError

PROJECT, STACK = "assistant", "pr-7"
NOON, LATER = "2026-11-25T12:00:00.000000+00:00", "2026-11-25T12:00:05.000000+00:00"
RUN = Run(42, 1, "up", "GitHub Actions 3", "https://github.com/o/r/actions/runs/42/attempts/1")
LOCK = Lock(".pulumi/locks/organization/assistant/pr-7/x.json", "e", 100, "runner", "vm", LATER)
CLAIM = Claim("vm", 100, NOON, "pulumi up", RUN)


def nobody_asks(_run: int, _attempt: int) -> str | None:
    raise AssertionError("GitHub need not be asked")


def github_says(state: str | None) -> Callable[[int, int], str | None]:
    def answer(run: int, attempt: int) -> str | None:
        assert (run, attempt) == (42, 1)
        return state

    return answer


def machine(host: str = "vm", run: Run | None = None, *, local: bool = False, runs: bool = False) -> Machine:
    return Machine(host, run, local, lambda _pid: runs)


LAPTOP_GONE = machine(local=True)
LAPTOP_RUNS = machine(local=True, runs=True)
ELSEWHERE = machine("another-vm", Run(43, 1, "up", "GitHub Actions 4", "https://…"))


def test_on_the_same_machine_a_process_that_is_gone_strands_its_lock() -> None:
    assert judge(LOCK, [], LAPTOP_GONE, nobody_asks).state == "stranded"


def test_on_the_same_machine_a_process_that_runs_is_alive() -> None:
    assert judge(LOCK, [], LAPTOP_RUNS, nobody_asks).state == "alive"


def test_a_host_of_the_same_name_proves_nothing_where_the_backend_is_shared() -> None:
    assert judge(LOCK, [], machine(local=False), nobody_asks).state == "unknown"


def test_a_hosted_runner_of_the_same_name_proves_nothing() -> None:
    other = machine(run=Run(43, 1, "up", "GitHub Actions 3", "…"), local=True)

    assert judge(LOCK, [], other, nobody_asks).state == "unknown"
    assert judge(LOCK, [CLAIM], other, github_says("in_progress")).state == "alive"


def test_a_step_of_this_very_job_that_was_killed_strands_its_lock() -> None:
    assert judge(LOCK, [CLAIM], machine(run=RUN), nobody_asks).state == "stranded"
    assert judge(LOCK, [CLAIM], machine(run=RUN, runs=True), nobody_asks).state == "alive"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("completed", "stranded"), ("in_progress", "alive"), ("queued", "alive"), (None, "unknown")],
)
def test_a_claimed_lock_is_stranded_only_when_github_says_that_its_run_has_ended(
    state: str | None, verdict: str
) -> None:
    found = judge(LOCK, [CLAIM], ELSEWHERE, github_says(state))

    assert found.state == verdict
    assert RUN.url in found.evidence


@pytest.mark.parametrize(
    "claim",
    [
        Claim("another-host", 100, NOON, "pulumi up", RUN),
        Claim("vm", 101, NOON, "pulumi up", RUN),
        Claim("vm", 0, NOON, "pulumi up", RUN),
        Claim("vm", 100, "2026-11-25T12:00:06.000000+00:00", "pulumi up", RUN),
    ],
    ids=["host", "process", "not started", "claimed after the lock"],
)
def test_a_claim_that_did_not_make_the_lock_says_nothing_of_it(claim: Claim) -> None:
    assert judge(LOCK, [claim], ELSEWHERE, nobody_asks).state == "unknown"


def test_what_a_person_ran_elsewhere_is_unknown() -> None:
    assert judge(LOCK, [Claim("vm", 100, NOON, "pulumi up", None)], ELSEWHERE, nobody_asks).state == "unknown"


# With files


def write_lock(
    files: FolderFiles, *, pid: int, host: str = "vm", since: str = "2099-01-01T00:00:00.123456789Z"
) -> str:
    name = f".pulumi/locks/organization/{PROJECT}/{STACK}/{uuid4()}.json"
    content = {"pid": pid, "username": "me", "hostname": host, "timestamp": since}
    files.write(name, json.dumps(content).encode())
    return name


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path)


def test_a_lock_is_read_as_the_cli_writes_it(files: FolderFiles) -> None:
    write_lock(files, pid=5, since="2026-11-25T13:00:00.123456789+01:00")

    (lock,) = read_locks(files, PROJECT, STACK)

    assert (lock.pid, lock.user, lock.host, lock.since) == (
        5, "me", "vm", "2026-11-25T12:00:00.123456+00:00",
    )  # fmt: skip


def test_only_stranded_locks_and_what_killed_commands_claimed_are_removed(files: FolderFiles) -> None:
    write_lock(files, pid=5)
    with claimed(files, PROJECT, "pr-8", "pulumi up", machine()):
        assert release_stranded(files, PROJECT, STACK, LAPTOP_GONE, nobody_asks)

        assert read_locks(files, PROJECT, STACK) == []
        assert read_claims(files, PROJECT, "pr-8")


def test_nothing_is_removed_while_one_lock_is_not_proven_to_be_stranded(files: FolderFiles) -> None:
    write_lock(files, pid=5)
    held = write_lock(files, pid=6, host="another")

    with pytest.raises(LockedError) as refused:
        release_stranded(files, PROJECT, STACK, LAPTOP_GONE, nobody_asks)

    assert held in files.names(".pulumi/")
    assert len(files.names(".pulumi/")) == 2
    for told in ("me@another", "process 6", "2099-01-01", "python -m ops unlock --stack pr-7"):
        assert told in str(refused.value)


def test_a_lock_that_cannot_be_read_is_never_removed(files: FolderFiles) -> None:
    files.write(f".pulumi/locks/organization/{PROJECT}/{STACK}/x.json", b"")

    with pytest.raises(LockedError, match="cannot be read"):
        release_stranded(files, PROJECT, STACK, LAPTOP_GONE, nobody_asks)


def test_where_github_cannot_be_asked_the_lock_stays_and_the_reason_is_told(files: FolderFiles) -> None:
    killed = machine(run=RUN)
    claim = claimed(files, PROJECT, STACK, "pulumi up", killed)
    claim.__enter__()(5)  # never left: the job was killed
    write_lock(files, pid=5)

    def refuses(_run: int, _attempt: int) -> str | None:
        raise OpsError("GITHUB_TOKEN is not set")

    with pytest.raises(LockedError, match="GITHUB_TOKEN is not set"):
        release_stranded(files, PROJECT, STACK, ELSEWHERE, refuses)


def test_the_claim_of_a_killed_job_frees_its_lock_and_is_removed_with_it(files: FolderFiles) -> None:
    claim = claimed(files, PROJECT, STACK, "pulumi up", machine(run=RUN))
    claim.__enter__()(5)
    write_lock(files, pid=5)

    assert release_stranded(files, PROJECT, STACK, ELSEWHERE, github_says("completed"))

    assert files.names("") == []


def test_a_claim_is_gone_when_its_command_has_ended(files: FolderFiles) -> None:
    with claimed(files, PROJECT, STACK, "pulumi up", machine()) as started:
        started(os.getpid())
        (claim,) = read_claims(files, PROJECT, STACK).values()
        assert claim.pid == os.getpid()

    assert files.names("") == []


def test_a_claim_that_cannot_be_removed_does_not_hide_how_its_command_ended(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(_name: str, _etag: str = "") -> bool:
        raise FilesError("the claim cannot be deleted")

    monkeypatch.setattr(files, "delete", unreachable)
    with pytest.raises(OpsError, match="up failed"), claimed(files, PROJECT, STACK, "pulumi up", machine()):
        raise OpsError("up failed")
    with claimed(files, PROJECT, STACK, "pulumi up", machine()):
        pass

    assert capsys.readouterr().err.count("the claim cannot be deleted") == 2


def test_a_claim_that_cannot_be_read_proves_nothing(files: FolderFiles) -> None:
    files.write(f".ops/claims/{PROJECT}/{STACK}/x.json", b'{"version": 2}')
    files.write(f".ops/claims/{PROJECT}/{STACK}/y.json", b"[]")

    assert read_claims(files, PROJECT, STACK) == {}


@pytest.mark.parametrize("stack", ["../x", "a/b", "", "."])
def test_a_stacks_name_never_leads_to_another_folder(files: FolderFiles, stack: str) -> None:
    with pytest.raises(OpsError, match="is not a valid name"):
        read_locks(files, PROJECT, stack)


def test_a_run_is_known_by_what_github_sets() -> None:
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
    assert Run.current({}) is None
