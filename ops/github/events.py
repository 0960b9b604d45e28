"""Reads the event that started a workflow run from the file that GitHub Actions writes.

Source: GitHub's "Webhook events and payloads". Only the members that the commands use are read. A member that
is missing or has another type is an error, so that no command works with an incomplete event.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from ops.output import OpsError

T = TypeVar("T")


@dataclass(frozen=True)
class PullRequestEvent:
    number: int
    head_sha: str


@dataclass(frozen=True)
class WorkflowRunEvent:
    """Another run. `head_repository` is `owner/name`.

    Its list of pull requests is not read: it is empty if the head is in a fork (actions/runner #3444).
    """

    run_id: int
    head_repository: str
    head_branch: str
    head_sha: str


def event(path: Path, name: str) -> PullRequestEvent | WorkflowRunEvent:
    """Read an event; `name` is the value of GITHUB_EVENT_NAME. Raises OpsError."""
    if name not in {"pull_request", "workflow_run"}:
        raise OpsError(
            f"GITHUB_EVENT_NAME is {name!r}, expected pull_request or workflow_run: "
            "another event belongs to no pull request, so select one with --pr"
        )
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise OpsError(f"the event {path} cannot be read: {error}") from error

    def member(place: str, kind: type[T]) -> T:
        value: Any = content
        for key in place.split("."):
            value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise OpsError(
                f"{path} is not a valid {name} event: "
                f"{place} is {type(value).__name__}, expected {kind.__name__}"
            )
        return value

    if name == "pull_request":
        return PullRequestEvent(member("pull_request.number", int), member("pull_request.head.sha", str))
    return WorkflowRunEvent(
        run_id=member("workflow_run.id", int),
        head_repository=member("workflow_run.head_repository.full_name", str),
        head_branch=member("workflow_run.head_branch", str),
        head_sha=member("workflow_run.head_sha", str),
    )
