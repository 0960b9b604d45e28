import json
from pathlib import Path

import pytest

from ops.github.events import WorkflowRun, head_of_pull_request, workflow_run
from ops.output import OpsError
from tests.github_events import BRANCH, EVENTS, FORK, HEAD


def test_an_event_is_read_as_github_publishes_it(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENTS["pull_request"]))
    assert head_of_pull_request(file) == HEAD
    file.write_text(json.dumps(EVENTS["workflow_run"]))
    assert workflow_run(file) == WorkflowRun(5000, FORK, BRANCH, HEAD)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "[" * 100_000, "{}", '{"workflow_run": {"id": 7, "head_repository": null}}']
)
def test_a_file_without_an_event_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "event.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OpsError, match=r"event\.json is not a valid workflow_run event"):
        workflow_run(file)
