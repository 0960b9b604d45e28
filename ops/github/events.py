"""Reads the event that started a workflow run from the file that GitHub Actions writes.

Source: GitHub's "Webhook events and payloads". Only the members that the commands use are read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.output import OpsError


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
        content: Any = json.loads(path.read_bytes())[name]
        if name == "pull_request":
            return PullRequestEvent(content["number"], content["head"]["sha"])
        repository = content["head_repository"]["full_name"]
        return WorkflowRunEvent(content["id"], repository, content["head_branch"], content["head_sha"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise OpsError(f"{path} is not a valid {name} event: {error!r}") from error
