import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.github.github import GitHub
from ops.output import OpsError
from tests.unit.ops.world import World, exported, returns


@pytest.fixture
def swept(world: World) -> World:
    """Leftovers of closed pull requests: the stack pr-1, the group of pr-2, the files of pr-3."""
    world.cli.states["pr-1"] = exported()
    world.add_group("pr-2")
    world.azure.groups["rg-shared"] = {"project": "assistant"}
    world.files.write(".pulumi/history/assistant/pr-3/pr-3-1.history.json", b"{}")
    for number in (1, 2, 3):
        world.github.add(number, "closed")
    return world


def outcomes(world: World, *words: str) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit code, and the stack, the outcome and its reason of each leftover."""
    code, output, _ = world.ops("sweep", "--json", *words)
    items: list[dict[str, Any]] = json.loads(output)["items"]
    return code, [
        (item["stack"], item["result"] or item["action"], item["resultWhy"] or "") for item in items
    ]


def test_leftovers_of_closed_pull_requests_are_removed(swept: World, tmp_path: Path) -> None:
    swept.patch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    code, output, _ = swept.ops("sweep")

    assert code == 0
    assert (swept.cli.states, list(swept.azure.groups), swept.files.names("")) == ({}, ["rg-shared"], [])
    assert "\nremoved  stack           pr-1" in output
    assert (
        "| `removed` | `stack` | `pr-1` | `empty` | `?` | `pull request #1 is closed` |"
        in (tmp_path / "summary.md").read_text()
    )
    assert swept.ops("sweep") == (0, "There are no leftovers of test stacks.\n", "")


def test_the_sweep_goes_on_after_a_failure(swept: World) -> None:
    swept.azure.refuses[swept.group_of("pr-2")] = OpsError("no permission | `x`")

    code, results = outcomes(swept)

    assert code == 1
    assert results == [
        ("pr-1", "removed", "pull request #1 is closed"),
        ("pr-2", "failed", "no permission | `x`"),
        ("pr-3", "removed", "pull request #3 is closed"),
    ]


def test_a_leftover_beyond_the_limit_stays(swept: World) -> None:
    code, results = outcomes(swept, "--limit", "2")

    assert code == 3
    assert results[2] == ("pr-3", "beyond the limit", "--limit 2: run this again")
    assert swept.files.names("") != []


def test_a_pull_request_that_was_opened_again_or_is_unknown_keeps_its_leftovers(swept: World) -> None:
    answers = iter(["closed", "open"])
    swept.github.pulls[1] = type(
        "Reopened", (), {"state": property(lambda _: next(answers)), "labels": frozenset({"keep"})}
    )()
    swept.github.pulls[2] = OpsError("GitHub answered 500")
    del swept.github.pulls[3]

    assert outcomes(swept) == (
        0,
        [
            ("pr-1", "left", "pull request #1 is open; it has the label `keep`"),
            ("pr-2", "unknown", ""),
            ("pr-3", "unknown", ""),
        ],
    )


@pytest.fixture
def aged(world: World) -> World:
    """Stacks of open pull requests, each with the hours since its last `up` and a label."""
    for number, hours, label in ((10, 80, "a"), (11, 60, "a"), (12, 2, "a"), (13, 80, "keep")):
        world.cli.states[f"pr-{number}"] = exported()
        world.github.add(number, labels=frozenset({label}))
        ended = datetime.now(UTC) - timedelta(hours=hours)
        world.cli.histories[f"pr-{number}"] = [
            {"kind": "refresh", "result": "succeeded", "endTime": datetime.now(UTC).isoformat()},
            {"kind": "update", "result": "failed", "endTime": ended.isoformat()},
        ]
    return world


def test_a_dry_run_shows_the_time_that_is_left_of_each_stack(aged: World) -> None:
    group = aged.add_group("pr-14")
    aged.github.add(14, "closed")

    code, output, _ = aged.ops("sweep", "--dry-run")

    assert (code, aged.cli.changes(), aged.github.written) == (0, [], [])
    assert group in aged.azure.groups
    assert output.startswith("ACTION  KIND")
    assert f"\nremove  resource group  {group}" in output
    assert re.search("pr-10 +empty +\\? +its time ended at ", output)
    for line in (
        "pr-11 +empty +\\? +pull request #11 is open; 11 hours left",
        "pr-12 +empty +\\? +pull request #12 is open; 2 days left",
        "pr-13 +empty +\\? +pull request #13 is open; it has the label `keep`",
    ):
        assert re.search(f"{line}\n", output)


def test_a_stack_whose_time_is_over_is_taken_down_and_one_on_its_last_night_is_announced(aged: World) -> None:
    assert outcomes(aged)[0] == 0

    assert sorted(aged.cli.states) == ["pr-11", "pr-12", "pr-13"]
    assert "The time of `pr-10` was over: it is destroyed" in aged.github.texts[10]
    assert "> The time of `pr-11` is over at " in aged.github.texts[11]
    assert aged.github.texts.keys() == {10, 11}

    aged.patch.setattr("ops.commands.pull_request_stack.run_tests", returns(None))
    assert aged.ops("test-stack", "down", "--pr", "11")[0] == 0
    assert "is over" not in aged.github.texts[11]


@pytest.mark.parametrize(("alive", "code", "outcome"), [(True, 0, "left"), (False, 1, "failed")])
def test_a_locked_stack_is_left_to_its_holder_if_that_is_known_to_run(
    swept: World, alive: bool, code: int, outcome: str
) -> None:
    swept.lock("pr-1")
    if alive:
        swept.patch.setattr("ops.locks.locks.socket.gethostname", returns("h"))
        swept.patch.setattr("local_azure.process_ids.runs", returns(True))

    actual, results = outcomes(swept)

    assert (actual, results[0][:2]) == (code, ("pr-1", outcome))
    assert "pr-1" in swept.cli.states


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
def test_a_limit_below_one_is_wrong_usage(world: World, limit: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        world.ops("sweep", "--limit", limit)

    assert stopped.value.code == 2


@pytest.mark.parametrize("words", [["sweep"], ["test-stack", "up", "--pr", "7"]], ids=" ".join)
def test_everything_that_is_missing_is_named_at_once(world: World, words: list[str]) -> None:
    def connect(*_arguments: object) -> None:
        raise OpsError("GITHUB_TOKEN is not set")

    world.environment.clear()
    world.patch.setattr(GitHub, "connect", connect)

    code, _, errors = world.ops(words[0], *words[1:])

    assert code == 1
    assert "PULUMI_BACKEND_URL is not set" in errors
    assert "GITHUB_TOKEN is not set" in errors
