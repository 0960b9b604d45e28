"""What belongs to a stack, and what protects it."""

from pathlib import Path
from typing import Any

from ops.files import FolderFiles
from ops.state import GROUP, PURGED_ACCOUNT
from ops.teardown.leftovers import Group, Naming, state_files
from ops.teardown.teardown import (
    Traces,
    is_owned,
    resources_outside,
    traces_of,
)
from tests.unit.ops.world import STATE_FILES, SUBSCRIPTION, exported, resource

PREFIX = f"/subscriptions/{SUBSCRIPTION}"


def group(name: str, **more: Any) -> dict[str, Any]:
    return resource("group", GROUP, id=f"{PREFIX}/resourceGroups/{name}", **more)


def test_groups_and_accounts_in_the_state_include_those_that_are_pending_deletion() -> None:
    place = {"location": "eastus2", "group": "RG-a", "account": "oai-a"}
    purged = resource("purged-account", PURGED_ACCOUNT, id="x", inputs=place)

    traces = traces_of(exported(group("RG-a"), group("rg-before", delete=True), purged))

    assert traces == Traces(frozenset({"rg-a", "rg-before"}), frozenset({("eastus2", "rg-a", "oai-a")}))


def test_a_group_that_the_program_only_reads_does_not_belong_to_the_stack() -> None:
    read = exported(group("rg-prod", external=True))

    assert traces_of(read).groups == frozenset()
    assert resources_outside(read, set()) == ["group"]


def test_a_group_is_owned_by_its_tag_and_either_the_state_or_its_name() -> None:
    naming = Naming(SUBSCRIPTION, "assistant", ("",))
    (computed,) = naming.group_of("pr-7")
    known = Traces(frozenset({"rg-known"}), frozenset())

    assert is_owned(Group("RG-known", "pr-7"), "pr-7", known, naming)
    assert is_owned(Group(computed, "pr-7"), "pr-7", known, naming)
    assert is_owned(Group("rg-known", "dev"), "dev", known, naming)

    assert not is_owned(Group("rg-known", "prod"), "pr-7", known, naming), "another stack's tag"
    assert not is_owned(Group("rg-other", "pr-7"), "pr-7", known, naming), "a copied tag"
    assert not is_owned(Group(naming.group_of("dev")[0], "dev"), "dev", known, naming), "only for test stacks"


def test_resources_outside_the_groups_of_the_stack_are_named() -> None:
    state = exported(
        group("rg-a"),
        resource("inside", id=f"{PREFIX}/resourcegroups/RG-A/providers/Microsoft.Web/sites/x"),
        resource("neighbour", id=f"{PREFIX}/resourceGroups/rg-ab/providers/Microsoft.Web/sites/x"),
        resource("subscription-role", id=f"{PREFIX}/providers/Microsoft.Authorization/roleAssignments/x"),
        resource("code", id="deployed-code"),
        resource("component"),
    )

    assert resources_outside(state, {"rg-a"}) == ["neighbour", "subscription-role"]


def test_files_next_to_the_state_are_listed_by_stack(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    others = [
        ".pulumi/stacks/assistant/pr-7.json",
        ".pulumi/locks/organization/assistant/pr-7/x.json",
        ".pulumi/history/another/pr-7/pr-7-1.history.json",
        ".pulumi/meta.yaml",
    ]
    for name in (*STATE_FILES, *others, ".pulumi/history/assistant/dev/dev-1.history.json"):
        files.write(name, b"")

    files_by_stack = state_files(files, "assistant")

    assert set(files_by_stack) == {"pr-7", "dev"}
    assert sorted(files_by_stack["pr-7"]) == STATE_FILES
