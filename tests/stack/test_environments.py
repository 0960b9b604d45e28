"""Test stacks of pull requests, from the label to the last trace, as the pipelines run them."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import wait_for
from tests.stack.pipeline import LABEL, SMALL_PROGRAM, Pipeline, pipeline

pytestmark = pytest.mark.cli
DEADLINE = 120.0


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(tmp_path_factory.mktemp("environments")) as committed_pipeline:
        yield committed_pipeline


@pytest.fixture
def committed(at: Pipeline) -> Iterator[Pipeline]:
    """What a test changes of the clone's code is put back."""
    folders = (at.clone.root / name for name in ("function_app", "infra"))
    files = [at.clone.root / "__main__.py", *(path for folder in folders for path in folder.rglob("*.py"))]
    before = {path: path.read_bytes() for path in files}
    yield at
    for path, content in before.items():
        path.write_bytes(content)


def nothing_is_left(at: Pipeline, number: int) -> None:
    stack = f"pr-{number}"
    assert at.state_files(stack) == []
    assert at.arm_names(f"-{stack}-") == []
    assert not list(at.clone.root.glob(f"Pulumi.{stack}.yaml"))
    assert not list((at.clone.home.backend / ".ops").rglob(f"*/{stack}/*"))


@pytest.fixture
def small(committed: Pipeline) -> Pipeline:
    """The pipeline with a program that makes a group and a model account only: what `down` has to find."""
    (committed.clone.root / "__main__.py").write_text(SMALL_PROGRAM)
    return committed


def bring_up(at: Pipeline, number: int) -> None:
    """Without the tests that `test-stack up` runs."""
    at.github.add_pull_request(number)
    at.pulumi(f"pr-{number}", "stack", "init", "--no-select")
    at.pulumi(f"pr-{number}", "up", "--yes", "--skip-preview")


def killed(at: Pipeline, action: str, number: int, look: Callable[[], Any], what: str) -> None:
    """`test-stack`, killed when `look` finds something: all of it, as with a runner that is taken away."""
    process = at.spawn("test-stack", action, "--pr", str(number))
    wait_for(look, what)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def rows_of_an_assistant_of_its_own(at: Pipeline, number: int) -> str:
    """Create the assistant `only-NUMBER` in the stack, and return what its table holds."""
    outputs = json.loads(at.pulumi(f"pr-{number}", "stack", "output", "--json").stdout)
    key = at.clone.run("keys", outputs["functionAppName"], "--name", "default").stdout.strip()
    url = f"{outputs['assistantsUrl']}/only-{number}"
    assert at.clone.request("PUT", url, headers={"x-functions-key": key}).status == 202
    return at.clone.run("rows", "ChatState", "--account", outputs["storageAccountName"]).stdout


def locks(at: Pipeline) -> Path:
    return at.clone.home.backend / ".pulumi" / "locks" / "organization" / "assistant"


# One pull request, from its label to its end: these tests run in their order


def test_an_up_that_was_killed_is_finished_by_the_next_which_tests_the_app_and_hides_its_key(
    at: Pipeline,
) -> None:
    at.github.add_pull_request(7, labels=(LABEL,))
    killed(at, "up", 7, lambda: at.arm_names("-pr-7-"), "the first resource")

    run = at.ops("test-stack", "up", "--pr", "7", GITHUB_ACTIONS="true", GITHUB_EVENT_NAME="pull_request")

    first, second = run.stderr.split("== a second pulumi up")
    assert " created\n" in first, first
    assert re.search(r"Resources:\n +\d+ unchanged\n", second), second
    assert " passed" in run.stderr or "[100%]" in run.stderr
    assert "`pr-7` is ready" in at.comment(7)
    masks = [line for line in run.stdout.splitlines() if line.startswith("::add-mask::")]
    (key,) = [line.removeprefix("::add-mask::") for line in masks]
    assert key not in run.stderr + run.stdout.replace(masks[0], "") + at.comment(7)


def test_code_that_fails_its_tests_fails_the_stack_and_the_next_push_updates_the_code_alone(
    committed: Pipeline,
) -> None:
    at = committed
    code = at.clone.root / "function_app" / "assistants" / "routes" / "create.py"
    text, answer = code.read_text(), '{"assistantId": assistant_id}, 202'
    assert answer in text
    code.write_text(text.replace(answer, answer.replace("202", "201")))

    assert at.ops("test-stack", "up", "--pr", "7", check=False).returncode == 1
    assert "**failed** at: the end-to-end tests" in at.comment(7)

    code.write_text(f"{text}\n# pushed again\n")
    pushed = at.ops("test-stack", "up", "--pr", "7")
    assert "~ 1 updated" in pushed.stderr, pushed.stderr
    assert "add-mask" not in pushed.stdout
    assert "`pr-7` is ready" in at.comment(7)


def test_a_down_that_was_killed_is_finished_by_the_next_which_leaves_nothing(at: Pipeline) -> None:
    at.github.pulls[7]["state"] = "closed"
    before = len(at.arm_names("-pr-7-"))
    killed(at, "down", 7, lambda: len(at.arm_names("-pr-7-")) < before, "the first deletion")

    at.ops("test-stack", "down", "--pr", "7")

    nothing_is_left(at, 7)
    assert "`pr-7` is destroyed" in at.comment(7)
    assert "nothing of it is left" in at.ops("test-stack", "down", "--pr", "7").stdout


def test_a_stack_that_fails_stays_and_is_removed_by_its_group_when_its_code_is_broken(
    small: Pipeline,
) -> None:
    at = small
    at.github.add_pull_request(8, labels=(LABEL,))
    (at.clone.root / "__main__.py").write_text(f"{SMALL_PROGRAM}\nraise RuntimeError('this branch fails')\n")

    done = at.ops("test-stack", "up", "--pr", "8", check=False)

    assert done.returncode == 1
    assert "is kept for analysis" in done.stderr
    for text in ("**failed** at: pulumi up", "this branch fails"):
        assert text in at.comment(8)
    assert at.state_files("pr-8")

    (at.clone.root / "__main__.py").write_text("raise SystemExit('this branch is broken')\n")
    (at.clone.root / "infra" / "dynamic" / "purged_account.py").write_text("raise RuntimeError('broken')\n")
    removal = at.ops("test-stack", "down", "--pr", "8")
    assert "by deleting its resource group" in removal.stderr
    nothing_is_left(at, 8)


# Killed, locked, changed by hand


def test_an_up_that_was_killed_is_taken_down(small: Pipeline) -> None:
    at = small
    at.github.add_pull_request(11)
    killed(at, "up", 11, lambda: at.arm_names("/Microsoft.CognitiveServices/"), "the model account")

    at.ops("test-stack", "down", "--pr", "11")

    nothing_is_left(at, 11)


def test_sigterm_lets_pulumi_save_its_state_and_give_its_lock_back(small: Pipeline) -> None:
    at = small
    at.github.add_pull_request(12)
    up = at.spawn("test-stack", "up", "--pr", "12")
    wait_for(lambda: at.arm_names("-pr-12-"), "the first resource")
    up.send_signal(signal.SIGTERM)  # `exec` has become `python -m ops`
    output, _ = up.communicate(timeout=DEADLINE)

    assert up.returncode == 130, output
    assert not list(locks(at).rglob("*.json"))
    assert not list((at.clone.home.backend / ".ops").rglob("*.json"))
    at.ops("test-stack", "down", "--pr", "12")
    nothing_is_left(at, 12)


def test_the_lock_of_another_runner_goes_only_when_its_run_has_ended(small: Pipeline) -> None:
    at = small
    bring_up(at, 13)
    lock = locks(at) / "pr-13" / "0f8fad5b-d9cb-469f-a165-70867728950e.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = {"pid": 4242, "username": "runner", "hostname": "fv-az1", "timestamp": "2026-11-25T12:00:05Z"}
    lock.write_text(json.dumps(held))
    claims = at.clone.home.backend / ".ops" / "claims" / "assistant" / "pr-13"

    unclaimed = at.ops("test-stack", "down", "--pr", "13", check=False)
    assert unclaimed.returncode == 1
    for text in ("runner@fv-az1", "process 4242", "python -m ops unlock --stack pr-13"):
        assert text in unclaimed.stderr
        assert text in at.comment(13)

    claims.mkdir(parents=True)
    run = {
        "id": 77,
        "attempt": 2,
        "job": "up",
        "runner": "r",
        "url": "https://github.com/o/r/actions/runs/77",
    }
    claim = {"version": 1, "host": "fv-az1", "pid": 4242, "command": "pulumi up", "run": run}
    (claims / "4242.json").write_text(json.dumps({**claim, "since": "2026-11-25T12:00:00.000000+00:00"}))
    at.github.add_run(77, 2, "in_progress")
    running = at.ops("test-stack", "down", "--pr", "13", check=False)
    assert running.returncode == 1
    assert "its run is in progress: https://github.com/o/r/actions/runs/77" in running.stderr
    assert lock.exists()

    at.github.add_run(77, 2, "completed")
    at.ops("test-stack", "down", "--pr", "13")
    nothing_is_left(at, 13)


@pytest.mark.parametrize(
    ("number", "lost"), [(15, "account"), (16, "group"), (17, "stack"), (18, "group and stack")]
)
def test_what_is_left_when_a_part_was_deleted_by_hand_is_removed_by_down(
    small: Pipeline, number: int, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, stack = small, f"pr-{number}"
    bring_up(at, number)
    (group,) = (name.rpartition("/")[2] for name in at.arm_names(f"-{stack}-") if name.count("/") == 4)
    azure = at.azure(monkeypatch)
    if "account" in lost:
        (account,) = (name.rpartition("/")[2] for name in at.arm_names(f"/oai-assistant-{stack}-"))
        azure.cognitive.accounts.begin_delete(group, account).result()
    if "group" in lost:
        azure.resources.resource_groups.begin_delete(group).result()
    if "stack" in lost:
        at.pulumi(stack, "stack", "rm", "--yes", "--force")

    at.ops("test-stack", "down", "--pr", str(number))

    nothing_is_left(at, number)


def test_a_stack_whose_state_is_lost_is_destroyed_and_created_again(small: Pipeline) -> None:
    at = small
    bring_up(at, 19)
    # Until a second command local Azure takes a create that is asked for again as one that was cut off.
    at.pulumi("pr-19", "refresh", "--yes", "--skip-preview")
    at.pulumi("pr-19", "stack", "rm", "--yes", "--force")

    run = at.ops("test-stack", "up", "--pr", "19", check=False)

    assert "the stack is destroyed and created again" in run.stderr
    assert "**failed** at: finding the deployed app" in at.comment(19), "the small program has no app"
    at.ops("test-stack", "down", "--pr", "19")
    nothing_is_left(at, 19)


def test_stacks_side_by_side_come_and_go_and_none_disturbs_another(at: Pipeline) -> None:
    """Two here, to save time: `make ten` proves ten."""
    numbers = range(31, 31 + int(os.environ.get("TEST_STACKS", "2")))
    for number in numbers:
        at.github.add_pull_request(number)

    for action in ("up", "down"):
        running = [at.spawn("test-stack", action, "--pr", str(number)) for number in numbers]
        outputs = [process.communicate(timeout=600)[0] for process in running]
        for process, output in zip(running, outputs, strict=True):
            assert process.returncode == 0, output

        if action == "up":
            rows = {number: rows_of_an_assistant_of_its_own(at, number) for number in numbers}
            assert all((f"only-{a}" in rows[b]) == (a == b) for a in numbers for b in numbers)
    for number in numbers:
        nothing_is_left(at, number)
    assert json.loads(at.clone.home.ports_file.read_text()).keys() == {"gateway"}
