"""Who holds a stack's lock, and whether that is proven to be nobody any more.

Pulumi's lock names a process and a host; a job that was killed leaves it, and no later command gets past
it (pulumi/pulumi#9047; `pulumi cancel` drops every lock unasked). So each command of `ops` that changes a
stack first notes its claim beside the state: which process of which GitHub run is about to hold the lock.

    .pulumi/locks/organization/<project>/<stack>/<id>.json   Pulumi's (pkg/backend/diy/lock.go)
    .ops/claims/<project>/<stack>/<id>.json                  ours; Pulumi reads nothing there

A lock is stranded when its process is proven to be gone: it ran on this machine and does not run, or its
claim names a GitHub run of which GitHub says that it has ended. Everything else counts as alive.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import psutil

from ops.files import Files, FilesError
from ops.output import OpsError, note

_VERSION = 1
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")

RunStateOf = Callable[[int, int], str | None]
"""GitHub's state of an attempt of a run; None where GitHub knows no such attempt. May raise OpsError."""


class LockedError(OpsError):
    """The stack is locked, and nobody has proven that its holder is gone."""

    def __init__(self, stack: str, held: "Sequence[Verdict]") -> None:
        self.alive = all(verdict.state == "alive" for verdict in held)
        """Whether every holder is known to be at work: then the lock goes by itself."""
        lines = [f"stack {stack} is locked, and nothing proves that the holder is gone:"]
        lines += [f"  {verdict}" for verdict in held]
        lines.append("Wait for it; or, when you are sure that it is gone:")
        lines.append(f"  python -m ops unlock --stack {stack}")
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
        if environment.get("GITHUB_ACTIONS") != "true":
            return None
        run, attempt = environment.get("GITHUB_RUN_ID", ""), environment.get("GITHUB_RUN_ATTEMPT", "")
        if not (run.isdecimal() and attempt.isdecimal()):
            return None
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        url = f"{server}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}/attempts/{attempt}"
        return cls(
            int(run),
            int(attempt),
            environment.get("GITHUB_JOB", ""),
            environment.get("RUNNER_NAME", ""),
            url,
        )


@dataclass(frozen=True)
class Machine:
    """The machine that this runs on. `local` says that the backend is a folder of it."""

    host: str
    run: Run | None
    local: bool
    runs: Callable[[int], bool]
    """Whether a process of that id runs on it."""

    @classmethod
    def current(cls, files: Files, environment: Mapping[str, str] = os.environ) -> "Machine":
        return cls(
            socket.gethostname(), Run.current(environment), files.url.startswith("file://"), process_runs
        )


@dataclass(frozen=True)
class Claim:
    """`pid` is that of the `pulumi` process, 0 until it has started; `since` is ISO 8601 in UTC."""

    host: str
    pid: int
    since: str
    command: str
    run: Run | None


@dataclass(frozen=True)
class Lock:
    """A lock as Pulumi wrote it; pid 0 where it cannot be read."""

    name: str
    etag: str
    pid: int
    user: str
    host: str
    since: str


@dataclass(frozen=True)
class Verdict:
    """`evidence` is for people: who holds the lock, and how that is known."""

    lock: Lock
    state: Literal["alive", "stranded", "unknown"]
    evidence: str

    def __str__(self) -> str:
        lock = self.lock
        who = f"{lock.user}@{lock.host} (process {lock.pid})" if lock.pid else "somebody"
        return f"{who} since {lock.since or 'an unknown time'}: {self.evidence}"


def process_runs(pid: int) -> bool:
    """False for a zombie, too: in a container without an init nobody waits for an orphan that was killed."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's
        return True


def judge(lock: Lock, claims: Sequence[Claim], machine: Machine, run_state: RunStateOf) -> Verdict:
    """What is known of a lock's holder."""
    if not lock.pid:
        return Verdict(lock, "unknown", "the lock cannot be read")
    claim = next(
        (
            candidate
            for candidate in claims
            if (candidate.host, candidate.pid) == (lock.host, lock.pid) and candidate.since <= lock.since
        ),
        None,
    )
    # The name of a host proves nothing in a pipeline: hosted runners, and containers, share names.
    ours = claim is not None and claim.run is not None and claim.run == machine.run
    if lock.host == machine.host and (ours or (machine.local and machine.run is None)):
        if machine.runs(lock.pid):
            return Verdict(lock, "alive", f"process {lock.pid} runs on this machine")
        return Verdict(lock, "stranded", f"process {lock.pid} does not run on this machine any more")
    if claim is None:
        return Verdict(lock, "unknown", "no command of `ops` has claimed it, so a person may hold it")
    if claim.run is None:
        return Verdict(lock, "unknown", f"`{claim.command}` was run by hand on {claim.host}")
    state = run_state(claim.run.id, claim.run.attempt)
    if state == "completed":
        return Verdict(lock, "stranded", f"its run has ended: {claim.run.url}")
    if state is None:
        return Verdict(lock, "unknown", f"GitHub does not know its run: {claim.run.url}")
    return Verdict(lock, "alive", f"its run is {state.replace('_', ' ')}: {claim.run.url}")


# What lies in the backend


def read_locks(files: Files, project: str, stack: str) -> list[Lock]:
    locks: list[Lock] = []
    for name in files.names(f".pulumi/locks/organization/{_checked(project)}/{_checked(stack)}/"):
        text = files.read(name)
        if text is None or not name.endswith(".json"):
            continue  # released meanwhile
        try:
            content: dict[str, Any] = json.loads(text.content)
            lock = Lock(
                name,
                text.etag,
                int(content["pid"]),
                str(content["username"]),
                str(content["hostname"]),
                _utc(str(content["timestamp"])),
            )
        except (ValueError, KeyError, TypeError):
            lock = Lock(name, text.etag, 0, "", "", "")
        locks.append(lock)
    return locks


def read_claims(files: Files, project: str, stack: str) -> dict[str, Claim]:
    """By the claim's name. What cannot be read proves nothing, and is left out."""
    claims: dict[str, Claim] = {}
    for name in files.names(_claims(project, stack)):
        text = files.read(name)
        if text is None:
            continue
        try:
            content: dict[str, Any] = json.loads(text.content)
            if content.pop("version") != _VERSION:
                continue
            run: dict[str, Any] | None = content.pop("run")
            claims[name] = Claim(**content, run=Run(**run) if run else None)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return claims


@contextmanager
def claimed(
    files: Files, project: str, stack: str, command: str, machine: Machine
) -> Generator[Callable[[int], None]]:
    """Note that a command is about to change the stack, until it has ended.

    Yields what takes the id of its `pulumi` process: without that, the claim proves nothing.
    """
    name = f"{_claims(project, stack)}{uuid4()}.json"
    claim = Claim(machine.host, 0, _utc(datetime.now(UTC).isoformat()), command, machine.run)

    def write(pid: int) -> None:
        content = {"version": _VERSION, **asdict(replace(claim, pid=pid))}
        files.write(name, json.dumps(content, indent=1).encode())

    write(0)
    try:
        yield write
    finally:
        # One that stays proves nothing once its process has ended, and must not hide how that ended.
        try:
            files.delete(name)
        except FilesError as error:
            note(f"warning: {error}")


def verdicts(
    files: Files, project: str, stack: str, machine: Machine, run_state: RunStateOf
) -> list[Verdict]:
    """Of every lock of the stack; one whose run GitHub cannot be asked about is unknown."""
    locks = read_locks(files, project, stack)
    claims = list(read_claims(files, project, stack).values()) if locks else []

    def judged(lock: Lock) -> Verdict:
        try:
            return judge(lock, claims, machine, run_state)
        except OpsError as error:
            return Verdict(lock, "unknown", str(error))

    return [judged(lock) for lock in locks]


def release_stranded(files: Files, project: str, stack: str, machine: Machine, run_state: RunStateOf) -> bool:
    """Remove the stack's stranded locks, and say so; whether there were any.

    Raises LockedError, and removes nothing, where a lock is not proven to be stranded.
    """
    lock_verdicts = verdicts(files, project, stack, machine, run_state)
    held = [verdict for verdict in lock_verdicts if verdict.state != "stranded"]
    if held:
        raise LockedError(stack, held)
    for verdict in lock_verdicts:
        if files.delete(verdict.lock.name, verdict.lock.etag):
            note(f"Removed a stranded lock of stack {stack}: {verdict}.")
    _forget_ended(files, project, stack, machine, run_state)
    return bool(lock_verdicts)


def _forget_ended(files: Files, project: str, stack: str, machine: Machine, run_state: RunStateOf) -> None:
    """Remove the claims of commands that were killed; there is no lock that they could speak for."""
    for name, claim in read_claims(files, project, stack).items():
        local = machine.local and claim.host == machine.host and claim.run == machine.run
        if claim.run is None:
            ended = local and bool(claim.pid) and not machine.runs(claim.pid)
        else:
            ended = _has_ended(claim.run, run_state)
        if ended or _old(claim):
            files.delete(name)


def _has_ended(run: Run, run_state: RunStateOf) -> bool:
    try:
        return run_state(run.id, run.attempt) == "completed"
    except OpsError:
        return False


def _old(claim: Claim) -> bool:
    # A job may run for five days on a runner of one's own (docs: Usage limits of self-hosted runners).
    return datetime.fromisoformat(claim.since) < datetime.now(UTC) - timedelta(days=7)


def _claims(project: str, stack: str) -> str:
    return f".ops/claims/{_checked(project)}/{_checked(stack)}/"


def _checked(part: str) -> str:
    if not _PART.fullmatch(part):
        raise OpsError(f"{part!r} is no name of a Pulumi project or stack: A-Z a-z 0-9 . _ - only")
    return part


def _utc(text: str) -> str:
    """ISO 8601 in UTC with microseconds, so that times compare as texts do. Raises ValueError."""
    # Go writes up to nine digits of a second and `Z`; fromisoformat takes them all, and keeps six.
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")
