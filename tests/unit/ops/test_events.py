import json
from pathlib import Path
from typing import Any

import pytest

from ops.github.events import DispatchEvent, PullRequestEvent, ScheduleEvent, WorkflowRunEvent, event
from ops.output import OpsError
from tests.github_server import PAYLOADS

HEAD = "4f6d1d0b3c0a5c5b7f4a1c9d2e8b7a6c5d4e3f21"


def pull_request(name: str) -> PullRequestEvent:
    found = event(PAYLOADS / f"pull_request.{name}.json", "pull_request")
    assert isinstance(found, PullRequestEvent)
    return found


def changed(tmp_path: Path, name: str, *path: str, value: object) -> Path:
    """The payload with one member set to something else."""
    content: Any = json.loads((PAYLOADS / f"{name}.json").read_text())
    place = content
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    file = tmp_path / "event.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened", "labeled", "unlabeled", "closed"])
def test_an_event_of_a_pull_request_names_it_and_its_head(action: str) -> None:
    found = pull_request(action)
    assert (found.action, found.pull_request.number, found.pull_request.head_sha) == (action, 7, HEAD)
    assert found.pull_request.head_repository == "octo-org/assistants"


def test_the_label_that_was_put_on_or_taken_off_is_told() -> None:
    on, off = pull_request("labeled"), pull_request("unlabeled")
    assert (on.label, on.pull_request.labels) == ("test-stack", frozenset({"test-stack"}))
    assert (off.label, off.pull_request.labels) == ("test-stack", frozenset())
    assert pull_request("opened").label is None


def test_a_fork_is_seen_by_its_repository() -> None:
    assert pull_request("opened.fork").pull_request.head_repository == "contributor/assistants"


def test_a_fork_that_was_deleted_has_no_repository(tmp_path: Path) -> None:
    file = changed(tmp_path, "pull_request.closed", "pull_request", "head", "repo", value=None)
    found = event(file, "pull_request")
    assert isinstance(found, PullRequestEvent)
    assert found.pull_request.head_repository is None


def test_a_merged_pull_request_is_told_from_a_closed_one() -> None:
    assert pull_request("closed").pull_request.state == "closed"
    assert pull_request("closed.merged").pull_request.state == "merged"


def test_a_run_of_a_fork_has_no_pull_requests_but_its_head() -> None:
    found = event(PAYLOADS / "workflow_run.completed.fork.json", "workflow_run")
    assert found == WorkflowRunEvent(
        action="completed",
        run_id=5000,
        run_attempt=1,
        event="pull_request",
        conclusion="success",
        head_repository="contributor/assistants",
        head_branch="shorter-answers",
        head_sha=HEAD,
        pull_requests=(),
    )


def test_a_run_of_the_repositorys_own_branch_names_its_pull_request() -> None:
    found = event(PAYLOADS / "workflow_run.completed.json", "workflow_run")
    assert isinstance(found, WorkflowRunEvent)
    assert found.pull_requests == (7,)


def test_a_schedule_and_a_dispatch_are_read() -> None:
    assert event(PAYLOADS / "schedule.json", "schedule") == ScheduleEvent("17 3 * * *")
    dispatched = event(PAYLOADS / "workflow_dispatch.json", "workflow_dispatch")
    assert dispatched == DispatchEvent({"stack": "dev", "dry-run": "true"})


def test_the_name_comes_from_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_EVENT_NAME", "schedule")
    assert isinstance(event(PAYLOADS / "schedule.json"), ScheduleEvent)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("action",), "edited", "'edited', expected one of opened"),
        (("action",), None, r"pull_request\.action is NoneType, expected str"),
        (("pull_request", "number"), "7", r"pull_request\.pull_request\.number is str, expected int"),
        (("pull_request", "number"), True, "is bool, expected int"),
        (("pull_request", "head", "sha"), 5, r"head\.sha is int, expected str"),
        (("pull_request", "labels"), None, "labels is NoneType, expected list"),
        (("pull_request", "labels"), ["x"], r"labels\[0\] is not an object"),
        (("pull_request", "state"), "locked", "'locked', expected open or closed"),
    ],
)
def test_an_event_that_is_not_as_published_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    with pytest.raises(OpsError, match=message):
        event(changed(tmp_path, "pull_request.opened", *path, value=value), "pull_request")


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '"text"', "{}"])
def test_a_file_that_is_no_event_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(content)
    with pytest.raises(OpsError, match=r"event\.json"):
        event(file, "pull_request")


def test_an_event_that_no_command_knows_is_refused() -> None:
    with pytest.raises(OpsError, match="'push' is not one of pull_request, workflow_run"):
        event(PAYLOADS / "schedule.json", "push")
