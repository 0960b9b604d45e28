"""Reads the event that started a workflow run from the file that GitHub Actions writes.

Source: GitHub's "Webhook events and payloads". Only the members that the commands use are read.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.output import OpsError


@dataclass(frozen=True)
class WorkflowRun:
    """The run after which this one was started. `head_repository` is `owner/name`.

    Its list of pull requests is not read: it is empty if the head is in a fork (actions/runner #3444).
    """

    run_id: int
    head_repository: str
    head_branch: str
    head_sha: str


def head_of_pull_request(path: Path) -> str:
    """The newest commit of the pull request. Raises OpsError."""
    with _event(path, "pull_request") as pull_request:
        return str(pull_request["head"]["sha"])


def workflow_run(path: Path) -> WorkflowRun:
    """Raises OpsError."""
    with _event(path, "workflow_run") as run:
        return WorkflowRun(
            run["id"], run["head_repository"]["full_name"], run["head_branch"], run["head_sha"]
        )


@contextmanager
def _event(path: Path, name: str) -> Generator[Any]:
    """The member of the event with its name."""
    try:
        yield json.loads(path.read_bytes())[name]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise OpsError(f"{path} is not a valid {name} event: {error!r}") from error
