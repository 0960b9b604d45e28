"""What `deploy` and `rollback` decide before they begin."""

from typing import Any

import pytest

from ops.archive import Release
from ops.commands.rollback import target_of
from ops.output import OpsError
from ops.pulumi_stack import changes, data_lost
from ops.releasing import commit_of, refuse_data_loss

A, B, C = "a" * 64, "b" * 64, "c" * 64


def release(package_hash: str, result: Any = "good", commit: str = "") -> Release:
    return Release(package_hash, commit, "2026-11-25T01:00:00+00:00", result)


def step(op: str, kind: str, name: str) -> dict[str, str]:
    return {"op": op, "urn": f"urn:pulumi:prod::assistant::assistant:storage:ChatStorage${kind}::{name}"}


def test_a_rollback_goes_to_the_good_release_before_the_package_that_runs() -> None:
    history = [release(C, "failed"), release(B), release(A)]

    assert target_of(history, None, B, "prod") == release(A)
    assert target_of(history, None, C, "prod") == release(B)


def test_an_app_that_answers_nothing_is_rolled_back_from_the_newest_good_release() -> None:
    assert target_of([release(B), release(A)], None, "", "prod") == release(A)


def test_a_package_that_nobody_listed_is_rolled_back_to_the_newest_good_release() -> None:
    assert target_of([release(B), release(A)], None, "d" * 64, "prod") == release(B)


def test_without_an_earlier_good_release_a_rollback_says_so() -> None:
    with pytest.raises(OpsError, match="no good release before"):
        target_of([release(B), release(A, "failed")], None, B, "prod")


@pytest.mark.parametrize("result", ["good", "rolled back"])
def test_any_package_that_was_good_can_be_named(result: str) -> None:
    assert target_of([release(B), release(A, result)], A, B, "prod").package_hash == A


@pytest.mark.parametrize("history", [[], [release(A, "failed")], [release(A, "unfinished")]])
def test_a_package_that_was_never_good_is_refused_with_the_command_that_deploys_it(
    history: list[Release],
) -> None:
    with pytest.raises(OpsError, match=f"ops deploy --stack prod --hash {A}"):
        target_of(history, A, B, "prod")


def test_a_packages_commit_is_the_one_of_its_first_deployment_or_the_workflows() -> None:
    history = [release(A, commit="first"), release(B, commit="")]

    assert commit_of(history, A, {"GITHUB_SHA": "now"}) == "first"
    assert commit_of(history, B, {"GITHUB_SHA": "now"}) == "now"


def test_what_keeps_data_and_would_go_is_named_once() -> None:
    preview = {
        "steps": [
            step("same", "azure-native:storage:StorageAccount", "kept"),
            step("update", "azure-native:storage:Table", "updated"),
            step("delete-replaced", "azure-native:storage:StorageAccount", "storage-account"),
            step("replace", "azure-native:storage:StorageAccount", "storage-account"),
            step("delete", "azure-native:storage:Table", "chat-state"),
            step("replace", "azure-native:web:WebApp", "function-app"),
        ]
    }

    assert data_lost(preview) == ["storage-account", "chat-state"]
    assert "kept (same)" not in changes(preview)


def test_data_goes_only_where_each_name_is_allowed() -> None:
    with pytest.raises(OpsError, match=r"DATA WOULD BE LOST with chat-state.*--allow-data-loss chat-state"):
        refuse_data_loss(["storage-account", "chat-state"], frozenset({"storage-account"}))

    refuse_data_loss(["chat-state"], frozenset({"chat-state"}))
