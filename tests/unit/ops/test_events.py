import json
from pathlib import Path

import pytest

from ops.github.events import PullRequestEvent, WorkflowRunEvent, event
from ops.output import OpsError
from tests.github_events import BRANCH, EVENTS, FORK, HEAD


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
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENTS[name]))
    assert event(file, name) == read


@pytest.mark.parametrize(
    "content", [None, "", "[]", "[" * 100_000, "{}", '{"pull_request": {"number": 7, "head": null}}']
)
def test_a_file_without_an_event_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "event.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OpsError, match=r"event\.json is not a valid pull_request event"):
        event(file, "pull_request")


@pytest.mark.parametrize("name", ["schedule", ""])
def test_an_event_of_no_pull_request_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OpsError, match=f"GITHUB_EVENT_NAME is '{name}', .*--pr"):
        event(tmp_path / "event.json", name)
