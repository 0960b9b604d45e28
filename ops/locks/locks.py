"""Determines who holds the lock of a stack, and whether that process has ended.

Pulumi's lock names a process and a host. A job that was killed leaves its lock behind, and every later
command fails at it (pulumi/pulumi#9047; `pulumi cancel` removes every lock without a check). For this
reason, each command of `ops` that changes a stack writes a claim next to the state. It names the process and
the GitHub run that are about to take the lock.

    .pulumi/locks/organization/<project>/<stack>/<id>.json   Pulumi's (pkg/backend/diy/lock.go)
    .ops/claims/<project>/<stack>/<process id>.json          written by `ops`; Pulumi does not read it

A lock is stranded if its process has ended: either the process ran on this machine and is not running, or
its claim names a GitHub run that GitHub reports as completed. Every other lock is treated as held.
"""

import json
import os
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from local_azure import process_ids
from ops.files import Files, FilesError, checked_name
from ops.github.summary import run_url
from ops.output import OpsError, note
from tools.pulumi.typed import as_typed

_VERSION = 1

RunStateOf = Callable[[int, int], str | None]
"""Returns GitHub's state of a run attempt, None if it does not exist. May raise OpsError."""


class LockedError(OpsError):
    """The stack is locked, and its holder may still be running."""

    def __init__(self, stack: str, held: "Sequence[Verdict]") -> None:
        self.alive = all(verdict.state == "alive" for verdict in held)
        """Whether every holder is known to be running, so that the lock will be released without help."""
        lines = [f"stack {stack} is locked, and its holder may still be running:"]
        lines += [f"  {verdict}" for verdict in held]
        lines.append("Wait until it has finished. If you are sure that it no longer runs:")
        lines.append(f"  {as_typed(f'python -m ops unlock --stack {stack}')}")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Run:
    """One attempt of a job of a GitHub workflow run, on one runner."""

    id: int
    attempt: int
    job: str
    runner: str
    url: str

    @classmethod
    def current(cls, environment: Mapping[str, str]) -> "Run | None":
        run, attempt = environment.get("GITHUB_RUN_ID", ""), environment.get("GITHUB_RUN_ATTEMPT", "")
        if environment.get("GITHUB_ACTIONS") != "true" or not (run.isdecimal() and attempt.isdecimal()):
            return None
        url = f"{run_url(environment)}/attempts/{attempt}"
        job, runner = environment.get("GITHUB_JOB", ""), environment.get("RUNNER_NAME", "")
        return cls(int(run), int(attempt), job, runner, url)


@dataclass(frozen=True)
class Machine:
    """The machine that runs this process. `local` means that the backend is a folder on it."""

    host: str
    run: Run | None
    local: bool
    runs: Callable[[int], bool]
    """Whether a process with that id runs on the machine."""

    @classmethod
    def current(cls, files: Files, environment: Mapping[str, str] = os.environ) -> "Machine":
        local = files.url.startswith("file://")
        return cls(socket.gethostname(), Run.current(environment), local, process_ids.runs)


@dataclass(frozen=True)
class Claim:
    """`pid` is the id of the `pulumi` process. `since` is ISO 8601 in UTC, a time before it started."""

    host: str
    pid: int
    since: str
    command: str
    run: Run | None


@dataclass(frozen=True)
class Lock:
    """A lock as Pulumi wrote it. `pid` is 0 if the file cannot be read."""

    name: str
    etag: str
    pid: int
    user: str
    host: str
    since: str


@dataclass(frozen=True)
class Verdict:
    """`evidence` is a readable text: who holds the lock, and how this was determined."""

    lock: Lock
    state: Literal["alive", "stranded", "unknown"]
    evidence: str

    def __str__(self) -> str:
        lock = self.lock
        who = f"{lock.user}@{lock.host} (process {lock.pid})" if lock.pid else "an unknown holder"
        return f"{who} since {lock.since or 'an unknown time'}: {self.evidence}"


def judge(lock: Lock, claim: Claim | None, machine: Machine, run_state: RunStateOf) -> Verdict:
    """Determine the state of a lock's holder; `unknown` if the request to GitHub fails."""
    if not lock.pid:
        return Verdict(lock, "unknown", "the lock cannot be read")
    if claim is not None and ((claim.host, claim.pid) != (lock.host, lock.pid) or claim.since > lock.since):
        claim = None  # of another command
    # In a pipeline the host name is no evidence: hosted runners and containers share names.
    ours = claim is not None and claim.run is not None and claim.run == machine.run
    if lock.host == machine.host and (ours or (machine.local and machine.run is None)):
        if machine.runs(lock.pid):
            return Verdict(lock, "alive", f"process {lock.pid} runs on this machine")
        return Verdict(lock, "stranded", f"process {lock.pid} no longer runs on this machine")
    if claim is None:
        return Verdict(lock, "unknown", "no command of `ops` has claimed it, so a user may hold it")
    if claim.run is None:
        return Verdict(lock, "unknown", f"`{claim.command}` was run by hand on {claim.host}")
    try:
        state = run_state(claim.run.id, claim.run.attempt)
    except OpsError as error:
        return Verdict(lock, "unknown", str(error))
    if state == "completed":
        return Verdict(lock, "stranded", f"its run has ended: {claim.run.url}")
    if state is None:
        return Verdict(lock, "unknown", f"GitHub does not know its run: {claim.run.url}")
    return Verdict(lock, "alive", f"its run is {state.replace('_', ' ')}: {claim.run.url}")


# The files in the backend


def read_locks(files: Files, project: str, stack: str) -> list[Lock]:
    locks: list[Lock] = []
    for name in files.names(f".pulumi/locks/organization/{checked_name(project)}/{checked_name(stack)}/"):
        file = files.read(name)
        if file is None or not name.endswith(".json"):
            continue  # released in the meantime
        try:
            content: dict[str, Any] = json.loads(file.content)
            user, host = str(content["username"]), str(content["hostname"])
            lock = Lock(name, file.etag, int(content["pid"]), user, host, _utc(str(content["timestamp"])))
        except (ValueError, KeyError, TypeError):
            lock = Lock(name, file.etag, 0, "", "", "")
        locks.append(lock)
    return locks


def read_claim(files: Files, project: str, stack: str, pid: int) -> Claim | None:
    """The newest claim of a process with this id; None if there is none, or if another version wrote it."""
    file = files.read(_claim_name(project, stack, pid))
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        content: dict[str, Any] = json.loads(file.content if file else b"")
        run: dict[str, Any] | None = content.pop("run")
        if content.pop("version") == _VERSION:
            since = _utc(content.pop("since"))
            return Claim(**content, since=since, run=Run(**run) if run else None)
    return None


@contextmanager
def claimed(
    files: Files, project: str, stack: str, command: str, machine: Machine
) -> Generator[Callable[[int], None]]:
    """Keep a claim in the backend while a command changes the stack.

    Yields a function to call with the id of the `pulumi` process.
    """
    names: list[str] = []
    since = _utc(datetime.now(UTC).isoformat())

    def write(pid: int) -> None:
        names.append(_claim_name(project, stack, pid))
        claim = Claim(machine.host, pid, since, command, machine.run)
        files.write(names[-1], json.dumps({"version": _VERSION, **asdict(claim)}, indent=1).encode())

    try:
        yield write
    finally:
        # A claim that remains is harmless once its process has ended: this error must not replace another.
        try:
            for name in names:
                files.delete(name)
        except FilesError as error:
            note(f"warning: {error}")


@dataclass(frozen=True)
class StackLocks:
    """The locks of one stack, as this machine sees them."""

    files: Files
    project: str
    stack: str
    machine: Machine
    run_state: RunStateOf

    def verdicts(self) -> list[Verdict]:
        """The verdict on every lock."""
        return [
            judge(
                lock, read_claim(self.files, self.project, self.stack, lock.pid), self.machine, self.run_state
            )
            for lock in read_locks(self.files, self.project, self.stack)
        ]

    def release_stranded(self) -> None:
        """Remove the stranded locks and print them.

        Raises LockedError and removes nothing if any lock is not stranded.
        """
        verdicts = self.verdicts()
        if held := [verdict for verdict in verdicts if verdict.state != "stranded"]:
            raise LockedError(self.stack, held)
        for verdict in verdicts:
            if self.files.delete(verdict.lock.name, verdict.lock.etag):
                note(f"Removed a stranded lock of stack {self.stack}: {verdict}.")


def _claim_name(project: str, stack: str, pid: int) -> str:
    return f".ops/claims/{checked_name(project)}/{checked_name(stack)}/{pid}.json"


def _utc(text: str) -> str:
    """ISO 8601 in UTC with microseconds, so that the texts sort by time. Raises ValueError."""
    # Go writes up to nine decimals and `Z`; fromisoformat accepts all of them and keeps six.
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")
