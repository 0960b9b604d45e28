"""What a state says that belongs to a stack, and what protects it. The whole is tested on an engine."""

from pathlib import Path
from typing import Any

import pytest

from ops.files import FolderFiles
from ops.teardown.leftovers import Group, Naming, state_files
from ops.teardown.teardown import (
    GROUP,
    GUARD,
    PURGED_ACCOUNT,
    ProtectedStackError,
    Traces,
    is_owned,
    refuse_protected,
    resources_outside,
    traces_of,
)

PREFIX = "/subscriptions/00000000-0000-4000-8000-000000000000"


def exported(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources)}}


def resource(name: str, kind: str = "azure-native:x:Y", **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:pr-7::assistant::{kind}::{name}", "type": kind, **more}


def test_groups_and_model_accounts_are_known_from_the_state_also_when_they_wait_for_deletion() -> None:
    place = {"location": "eastus2", "group": "RG-a", "account": "oai-a"}

    traces = traces_of(
        exported(
            resource("group", GROUP, id=f"{PREFIX}/resourceGroups/RG-a"),
            resource("group", GROUP, id=f"{PREFIX}/resourceGroups/rg-before", delete=True),
            resource("purged-account", PURGED_ACCOUNT, id="x", inputs=place),
        )
    )

    assert traces.groups == {"rg-a", "rg-before"}
    assert traces.accounts == {("eastus2", "rg-a", "oai-a")}


def test_a_group_that_the_program_only_reads_is_not_its_own() -> None:
    read = resource("prod", GROUP, id=f"{PREFIX}/resourceGroups/rg-prod", external=True)

    assert traces_of(exported(read)).groups == frozenset()
    assert resources_outside(exported(read), set()) == ["prod"]


def test_a_group_is_owned_when_its_tag_and_its_state_or_its_name_say_so() -> None:
    naming = Naming("00000000-0000-4000-8000-000000000000", "assistant", ("",))
    (computed,) = naming.group_of("pr-7")
    known = Traces(frozenset({"rg-known"}), frozenset())

    assert is_owned(Group("RG-known", "pr-7"), "pr-7", known, naming)
    assert is_owned(Group(computed, "pr-7"), "pr-7", known, naming)
    assert is_owned(Group("rg-known", "dev"), "dev", known, naming)

    assert not is_owned(Group("rg-known", "prod"), "pr-7", known, naming), "another stack's tag"
    assert not is_owned(Group("rg-other", "pr-7"), "pr-7", known, naming), "a copied tag"
    assert not is_owned(Group(naming.group_of("dev")[0], "dev"), "dev", known, naming), "only for test stacks"


@pytest.mark.parametrize("empty", [{}, {"deployment": None}, {"deployment": {}}])
def test_a_stack_that_was_never_up_has_nothing(empty: dict[str, Any]) -> None:
    assert traces_of(empty).groups == frozenset()
    refuse_protected("pr-7", empty)


def test_what_stands_outside_the_stacks_groups_is_named() -> None:
    state = exported(
        resource("group", id=f"{PREFIX}/resourceGroups/rg-a"),
        resource("inside", id=f"{PREFIX}/resourcegroups/RG-A/providers/Microsoft.Web/sites/x"),
        resource("neighbour", id=f"{PREFIX}/resourceGroups/rg-ab/providers/Microsoft.Web/sites/x"),
        resource("subscription-role", id=f"{PREFIX}/providers/Microsoft.Authorization/roleAssignments/x"),
        resource("code", id="deployed-code"),
        resource("component"),
    )

    assert resources_outside(state, {"rg-a"}) == ["neighbour", "subscription-role"]


@pytest.mark.parametrize(
    "protected",
    [
        resource("storage-account", id="x", protect=True),
        resource("deletion-guard", GUARD, id="x", outputs={"protected": True}),
    ],
)
def test_a_protected_stack_is_refused_with_what_is_protected_and_both_commands(
    protected: dict[str, Any],
) -> None:
    name = protected["urn"].rpartition("::")[2]

    with pytest.raises(ProtectedStackError) as refused:
        refuse_protected("prod", exported(resource("other", id="x"), protected))

    for told in (
        name,
        "pulumi config set deletionProtection false --stack prod",
        "pulumi up --stack prod",
    ):
        assert told in str(refused.value)
    assert "other" not in str(refused.value)


def test_a_guard_that_allows_deletion_protects_nothing() -> None:
    refuse_protected("dev", exported(resource("deletion-guard", GUARD, id="x", outputs={"protected": False})))


def test_files_beside_the_state_are_told_by_their_stack(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    kept = [
        ".pulumi/history/assistant/pr-7/pr-7-1.history.json",
        ".pulumi/backups/assistant/pr-7/pr-7.1.json",
        ".ops/claims/assistant/pr-7/x.json",
        ".pulumi/stacks/assistant/pr-7.json.bak",
    ]
    others = [
        ".pulumi/stacks/assistant/pr-7.json",
        ".pulumi/locks/organization/assistant/pr-7/x.json",
        ".pulumi/history/another/pr-7/pr-7-1.history.json",
        ".pulumi/meta.yaml",
    ]
    for name in (*kept, *others, ".pulumi/history/assistant/dev/dev-1.history.json"):
        files.write(name, b"")

    found = state_files(files, "assistant")

    assert set(found) == {"pr-7", "dev"}
    assert sorted(found["pr-7"]) == sorted(kept)
