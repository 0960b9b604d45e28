import json
from pathlib import Path
from typing import Any

import pytest

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


def test_a_dry_run_only_lists(swept: World) -> None:
    code, output, _ = swept.ops("sweep", "--dry-run")

    assert (code, swept.cli.changes()) == (0, [])
    assert swept.group_of("pr-2") in swept.azure.groups
    assert output.startswith("ACTION  KIND")
    assert f"remove  resource group  {swept.group_of('pr-2')}  tagged pr-2" in output


def test_a_pull_request_that_was_opened_again_or_is_unknown_keeps_its_leftovers(swept: World) -> None:
    answers = iter(["closed", "open"])
    swept.github.pulls[1] = type("Reopened", (), {"state": property(lambda _: next(answers))})()
    swept.github.pulls[2] = OpsError("GitHub answered 500")
    del swept.github.pulls[3]

    assert outcomes(swept) == (
        0,
        [("pr-1", "left", "pull request #1 is open"), ("pr-2", "unknown", ""), ("pr-3", "unknown", "")],
    )


@pytest.mark.parametrize(("alive", "code", "outcome"), [(True, 0, "left"), (False, 1, "failed")])
def test_a_locked_stack_is_left_to_its_holder_if_that_is_known_to_run(
    swept: World, alive: bool, code: int, outcome: str
) -> None:
    swept.lock("pr-1")
    if alive:
        swept.patch.setattr("ops.locks.locks.socket.gethostname", returns("h"))
        swept.patch.setattr("ops.locks.locks.process_runs", returns(True))

    actual, results = outcomes(swept)

    assert (actual, results[0][:2]) == (code, ("pr-1", outcome))
    assert "pr-1" in swept.cli.states


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
def test_a_limit_below_one_is_wrong_usage(world: World, limit: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        world.ops("sweep", "--limit", limit)

    assert stopped.value.code == 2
