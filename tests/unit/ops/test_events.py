import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ops.github.events import PullRequestEvent, WorkflowRunEvent, event
from ops.output import OpsError
from tests.github_events import BRANCH, EVENTS, FORK, HEAD


def written(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("pull_request", PullRequestEvent(7, HEAD)),
        ("workflow_run", WorkflowRunEvent(5000, FORK, BRANCH, HEAD)),
    ],
)
def test_an_event_is_read_as_github_publishes_it(
    tmp_path: Path, name: str, read: PullRequestEvent | WorkflowRunEvent
) -> None:
    assert event(written(tmp_path, EVENTS[name]), name) == read


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("pull_request.number", "7", r"pull_request\.number is str, expected int"),
        ("pull_request.number", True, "is bool, expected int"),
        ("pull_request.head.sha", None, r"head\.sha is NoneType, expected str"),
        ("pull_request.head", ["x"], r"head\.sha is NoneType, expected str"),
        ("workflow_run.id", "5000", "id is str, expected int"),
        ("workflow_run.head_repository", None, "full_name is NoneType, expected str"),
        ("workflow_run.head_branch", 1, "head_branch is int, expected str"),
        ("workflow_run.head_sha", {}, "head_sha is dict, expected str"),
    ],
)
def test_an_event_with_a_wrong_member_is_refused(
    tmp_path: Path, place: str, value: object, message: str
) -> None:
    name, *path = place.split(".")
    content = deepcopy(EVENTS[name])
    parent: Any = content[name]
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(OpsError, match=f"not a valid {name} event: .*{message}"):
        event(written(tmp_path, content), name)


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '"text"', "{}"])
def test_a_file_without_an_event_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(content)
    with pytest.raises(OpsError, match=r"event\.json"):
        event(file, "pull_request")


@pytest.mark.parametrize("name", ["schedule", ""])
def test_an_event_of_no_pull_request_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OpsError, match=f"GITHUB_EVENT_NAME is '{name}', .*--pr"):
        event(tmp_path / "event.json", name)
