"""The sweep among fifty stacks: twenty orphans of several kinds go, and nothing else is touched.

Each stack has a group and a model account: one `up` makes all of them, and its state is then cut into one
for each stack.
"""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.names import names
from local_azure.core.store import SUBSCRIPTION_ID
from ops.azure import Azure
from tests.stack.pipeline import LABEL, SMALL_PROGRAM, Pipeline, pipeline

pytestmark = pytest.mark.cli
DEADLINE = 120.0
LOCATION = "eastus2"

CLOSED = range(10, 15)  # small stacks that go
EMPTY = range(20, 24)  # stacks with nothing in them that go
GROUPS = range(30, 35)  # groups whose stack is lost
ACCOUNTS = range(40, 44)  # deleted accounts whose group and stack are lost
FILES = (50,)  # a stack file alone
STATE_FILES = (45,)  # what a removal that was cut off left
ORPHANS = len(CLOSED) + len(EMPTY) + len(GROUPS) + len(ACCOUNTS) + len(STATE_FILES) + len(FILES)
OPEN = range(100, 136)
UNKNOWN, LOCKED, OPEN_GROUP, OPEN_ACCOUNT = 140, 141, 142, 143
NOT_EPHEMERAL = ("staging", "pr-0150", "pr-151-hotfix")


def group_of(stack: str) -> str:
    return names(SUBSCRIPTION_ID, "assistant", stack, "", LOCATION).resource_group


def account_of(stack: str) -> str:
    return names(SUBSCRIPTION_ID, "assistant", stack, "", LOCATION).openai_account


def pr(*numbers: int) -> list[str]:
    return [f"pr-{number}" for number in numbers]


@dataclass
class World:
    """What stands in a clone before the sweep."""

    at: Pipeline
    azure: Azure
    groups: set[str] = field(default_factory=set[str])

    def stacks(self) -> set[str]:
        folder = self.at.clone.home.backend / ".pulumi" / "stacks" / "assistant"
        return {path.name.removesuffix(".json") for path in folder.glob("*.json")}

    def live_groups(self) -> set[str]:
        return {str(group.name) for group in self.azure.resources.resource_groups.list()}

    def deleted_accounts(self) -> set[str]:
        return {str(account.name) for account in self.azure.cognitive.deleted_accounts.list()}


def seed_entry(stack: str, **more: Any) -> dict[str, Any]:
    tags = {"project": "assistant", "stack": stack}
    return {
        "suffix": f"@{stack}",
        "location": LOCATION,
        "group": group_of(stack),
        "account": account_of(stack),
        "tags": tags,
        **more,
    }


def cut(at: Pipeline, seed: dict[str, Any], stack: str, *, empty: bool = False) -> None:
    """The part of the seed's checkpoint that is one stack's, as that stack's own."""
    latest = seed["checkpoint"]["latest"]
    kept = [
        resource
        for resource in latest["resources"]
        if "@" not in resource["urn"] or resource["urn"].endswith(f"@{stack}")
    ]
    whole = {
        **seed,
        "checkpoint": {**seed["checkpoint"], "latest": {**latest, "resources": [] if empty else kept}},
    }
    text = json.dumps(whole).replace(f"@{stack}", "").replace("assistant-seed", f"assistant-{stack}")
    text = text.replace("urn:pulumi:seed::", f"urn:pulumi:{stack}::")
    text = text.replace("organization/assistant/seed", f"organization/assistant/{stack}")
    path = at.clone.home.backend / ".pulumi" / "stacks" / "assistant" / f"{stack}.json"
    path.write_text(text)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with pipeline(tmp_path / "sweep") as at:
        small = pr(*CLOSED, *GROUPS, *ACCOUNTS, *OPEN, UNKNOWN, LOCKED, OPEN_GROUP, OPEN_ACCOUNT)
        entries = [seed_entry(stack) for stack in (*small, *NOT_EPHEMERAL)]
        foreign = {"project": "another", "stack": "pr-11"}
        entries.append(seed_entry("foreign", group="rg-another-project-pr-11", tags=foreign))
        copied = {"project": "assistant", "stack": "pr-12000"}
        entries.append(seed_entry("copied", group="rg-somebodys-own", tags=copied))
        main = at.clone.root / "__main__.py"
        committed = main.read_text()
        main.write_text(SMALL_PROGRAM)
        at.pulumi("seed", "stack", "init", "--no-select")
        at.clone.run("pulumi", "up", "--yes", "--skip-preview", "--stack", "seed", SEED=json.dumps(entries))
        main.write_text(committed)

        backend = at.clone.home.backend / ".pulumi" / "stacks" / "assistant"
        seed = json.loads((backend / "seed.json").read_text())
        for stack in (*pr(*CLOSED, *OPEN, UNKNOWN, LOCKED), *NOT_EPHEMERAL):
            cut(at, seed, stack)
        for stack in pr(*EMPTY):
            cut(at, seed, stack, empty=True)
        for file in (*backend.glob("seed.*"), *at.clone.root.glob("Pulumi.seed.yaml")):
            file.unlink()
        for number in STATE_FILES:
            history = at.clone.home.backend / f".pulumi/history/assistant/pr-{number}"
            history.mkdir(parents=True)
            (history / f"pr-{number}-1.history.json").write_text("{}")
        for number in FILES:
            (at.clone.root / f"Pulumi.pr-{number}.yaml").write_text("config: {}\n")
        world = World(at, at.azure(monkeypatch))
        for stack in pr(*ACCOUNTS, OPEN_ACCOUNT):
            world.azure.resources.resource_groups.begin_delete(group_of(stack)).result()
        world.groups = world.live_groups()

        lock = at.clone.home.backend / f".pulumi/locks/organization/assistant/pr-{LOCKED}/x.json"
        lock.parent.mkdir(parents=True)
        lock.write_text(
            json.dumps({"pid": 1, "username": "a", "hostname": "b", "timestamp": "2026-11-25T12:00:05Z"})
        )
        for number in (
            *CLOSED,
            *EMPTY,
            *GROUPS,
            *ACCOUNTS,
            *STATE_FILES,
            *FILES,
            LOCKED,
            12000,
        ):
            at.github.add_pull_request(number, state="closed", merged=number % 2 == 0)
        for number in (*OPEN, OPEN_GROUP, OPEN_ACCOUNT):
            at.github.add_pull_request(number, labels=(LABEL,))
        yield world


def test_twenty_orphans_of_fifty_stacks_go_and_nothing_else_also_when_it_is_killed(
    world: World, tmp_path: Path
) -> None:
    at = world.at
    before = world.stacks()
    assert len(before) == 50
    assert ORPHANS == 20

    # It lists first.
    listed = at.ops("sweep", "--dry-run", "--json", "--limit", "1000")
    items = json.loads(listed.stdout)["items"]
    removable = {entry["name"] for entry in items if entry["action"] == "remove"}
    orphans = {
        *pr(*CLOSED, *EMPTY),
        *map(group_of, pr(*GROUPS)),
        *map(account_of, pr(*ACCOUNTS)),
        *pr(*STATE_FILES),
        *(f"Pulumi.pr-{number}.yaml" for number in FILES),
    }
    assert removable - {f"pr-{LOCKED}"} == orphans
    others = {entry["name"]: entry for entry in items if entry["action"] != "remove"}
    assert others[f"pr-{UNKNOWN}"]["action"] == "unknown"
    assert others["rg-somebodys-own"]["action"] == "suspicious"
    assert others[group_of(f"pr-{OPEN_GROUP}")]["action"] == "keep"
    assert others[account_of(f"pr-{OPEN_ACCOUNT}")]["action"] == "keep"
    assert not {entry["stack"] for entry in items} & set(NOT_EPHEMERAL)
    assert "rg-another-project-pr-11" not in {entry["name"] for entry in items}
    assert (world.stacks(), world.live_groups()) == (before, world.groups)

    # It has a cap, and says that more is left.
    capped = at.ops("sweep", "--limit", "2", check=False)
    assert capped.returncode == 3, capped.stdout + capped.stderr
    assert len(before - world.stacks()) == 2
    assert "beyond the limit" in capped.stdout

    # It is killed in the middle.
    killed = at.spawn("sweep", "--limit", "1000")
    end = time.monotonic() + DEADLINE
    while len(before - world.stacks()) < 5:
        assert time.monotonic() < end, killed.communicate()[0]
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()

    # It is run again, and finishes; the locked one is told and left.
    summary = tmp_path / "summary.md"
    done = at.ops("sweep", "--limit", "1000", check=False, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^failed +stack +pr-{LOCKED} +stack pr-{LOCKED} is locked", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^failed", done.stdout, re.MULTILINE)) == 1, done.stdout
    assert f"| `failed` | `stack` | `pr-{LOCKED}` |" in summary.read_text()

    # Exactly those are gone.
    assert before - world.stacks() == set(pr(*CLOSED, *EMPTY))
    removed_groups = {*map(group_of, pr(*CLOSED, *GROUPS))}
    assert world.groups - world.live_groups() == removed_groups
    assert world.deleted_accounts() == {account_of(f"pr-{OPEN_ACCOUNT}")}
    assert not list(at.clone.root.glob("Pulumi.pr-50.yaml"))
    for number in (*CLOSED, *EMPTY, *STATE_FILES):
        assert at.state_files(f"pr-{number}") == []

    # Once the lock is gone there is one more, and then nothing.
    at.ops("unlock", "--stack", f"pr-{LOCKED}", "--yes")
    assert at.ops("sweep").returncode == 0
    assert f"pr-{LOCKED}" not in world.stacks()
    assert " remove " not in at.ops("sweep").stdout
