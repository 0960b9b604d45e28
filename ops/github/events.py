"""Reads the event that started a workflow run from the file that GitHub Actions writes.

Source: GitHub's "Webhook events and payloads". Only the members that the commands use are read. A member that
is missing or has another type is an error, so that no command works with an incomplete event.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from ops.github.github import PullRequest, state_of
from ops.output import OpsError

_MOST_BYTES = 25 * 1024 * 1024
"""GitHub caps payloads at 25 MB."""

ACTIONS = ("opened", "synchronize", "reopened", "labeled", "unlabeled", "closed")
"""The actions of a pull request that the workflows subscribe to."""


@dataclass(frozen=True)
class PullRequestEvent:
    """`label` is the added or removed label of `labeled` and `unlabeled`."""

    action: str
    pull_request: PullRequest
    label: str | None


@dataclass(frozen=True)
class WorkflowRunEvent:
    """A status change of a run. `event` started the run; `conclusion` is None until it has completed.

    `pull_requests` is empty if the head is in a fork (actions/runner #3444).
    """

    action: str
    run_id: int
    run_attempt: int
    event: str
    conclusion: str | None
    head_repository: str
    head_branch: str
    head_sha: str
    pull_requests: tuple[int, ...]


@dataclass(frozen=True)
class ScheduleEvent:
    schedule: str


@dataclass(frozen=True)
class DispatchEvent:
    inputs: Mapping[str, str]


Event = PullRequestEvent | WorkflowRunEvent | ScheduleEvent | DispatchEvent


def event(path: Path, name: str | None = None) -> Event:
    """Read an event. `name` is its name, by default GITHUB_EVENT_NAME. Raises OpsError."""
    kind = os.environ.get("GITHUB_EVENT_NAME", "") if name is None else name
    if kind not in _READERS:
        raise OpsError(f"the event {kind!r} is not one of {', '.join(_READERS)}: set GITHUB_EVENT_NAME")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OpsError(f"{path} has more than {_MOST_BYTES} bytes, the limit of GitHub")
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise OpsError(f"the event {path} cannot be read: {error}") from error
    try:
        return _READERS[kind](_Members(content, kind))
    except _WrongError as wrong:
        raise OpsError(f"{path} is not a valid {kind} event: {wrong}") from wrong


class _WrongError(Exception):
    pass


T = TypeVar("T")


class _Members:
    """An object of the payload. `place` is its path."""

    def __init__(self, content: object, place: str) -> None:
        if not isinstance(content, dict):
            raise _WrongError(f"{place} is not an object")
        self._content: dict[str, Any] = content
        self._place = place

    def get(self, name: str, kind: type[T]) -> T:
        value = self._content.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _WrongError(f"{self._place}.{name} is {type(value).__name__}, expected {kind.__name__}")
        return value

    def has(self, name: str) -> bool:
        return self._content.get(name) is not None

    def of(self, name: str) -> "_Members":
        return _Members(self._content.get(name), f"{self._place}.{name}")

    def all(self, name: str) -> "list[_Members]":
        members = cast("list[Any]", self.get(name, list))
        return [_Members(member, f"{self._place}.{name}[{at}]") for at, member in enumerate(members)]


def _pull_request_event(payload: _Members) -> PullRequestEvent:
    action = payload.get("action", str)
    if action not in ACTIONS:
        raise _WrongError(f"its action is {action!r}, expected one of {', '.join(ACTIONS)}")
    label = payload.of("label").get("name", str) if action in {"labeled", "unlabeled"} else None
    return PullRequestEvent(action, _pull_request(payload.of("pull_request")), label)


def _pull_request(payload: _Members) -> PullRequest:
    head = payload.of("head")
    return PullRequest(
        number=payload.get("number", int),
        state=state_of(payload.get("state", str), merged=payload.has("merged_at")),
        head_sha=head.get("sha", str),
        head_repository=head.of("repo").get("full_name", str) if head.has("repo") else None,
        head_branch=head.get("ref", str),
        base_branch=payload.of("base").get("ref", str),
        labels=frozenset(label.get("name", str) for label in payload.all("labels")),
        author=payload.of("user").get("login", str),
    )


def _workflow_run_event(payload: _Members) -> WorkflowRunEvent:
    run = payload.of("workflow_run")
    return WorkflowRunEvent(
        action=payload.get("action", str),
        run_id=run.get("id", int),
        run_attempt=run.get("run_attempt", int),
        event=run.get("event", str),
        conclusion=run.get("conclusion", str) if run.has("conclusion") else None,
        head_repository=run.of("head_repository").get("full_name", str),
        head_branch=run.get("head_branch", str),
        head_sha=run.get("head_sha", str),
        pull_requests=tuple(pull_request.get("number", int) for pull_request in run.all("pull_requests")),
    )


def _schedule_event(payload: _Members) -> ScheduleEvent:
    return ScheduleEvent(payload.get("schedule", str))


def _dispatch_event(payload: _Members) -> DispatchEvent:
    inputs = cast("dict[str, Any]", payload.get("inputs", dict) if payload.has("inputs") else {})
    return DispatchEvent({name: str(value) for name, value in inputs.items()})


_READERS = {
    "pull_request": _pull_request_event,
    "workflow_run": _workflow_run_event,
    "schedule": _schedule_event,
    "workflow_dispatch": _dispatch_event,
}
