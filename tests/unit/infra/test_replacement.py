"""A change that would replace what holds data is refused, unless this very replacement is allowed."""

import re
from typing import Any

import pytest

from infra.dynamic.replacement_guard import REPLACE_VARIABLE, ReplacementGuardProvider, guarded, refusal
from infra.names import names
from tests.unit.infra.conftest import RunStack
from tests.unit.infra.recording import ROOT, SUBSCRIPTION_ID


def inputs(
    location: str = "eastus2", openai: str = "eastus2", suffix: str = "", *, protected: bool = False
) -> dict[str, Any]:
    name = names(SUBSCRIPTION_ID, "assistant", "dev", suffix, openai)
    return {**guarded(name, location, openai), "protected": protected, "stack": "dev"}


GROUP, MODEL = inputs()["resource_group"], inputs()["model_account"]


def test_a_new_stack_and_an_unchanged_one_are_not_refused() -> None:
    assert refusal({}, inputs(), "") == ""
    assert refusal(inputs(), inputs(), "") == ""


@pytest.mark.parametrize(
    "changed",
    [inputs("westus3", "westus3"), inputs("westus3"), inputs(suffix="b2"), inputs("westus3", suffix="b2")],
    ids=["location", "location-beside-openaiLocation", "nameSuffix", "both"],
)
def test_what_replaces_the_group_is_refused_with_what_is_lost_and_the_command_that_allows_it(
    changed: dict[str, Any],
) -> None:
    message = refusal(inputs(), changed, "")

    for lost in ("conversations", "host name", "quota"):
        assert lost in message
    command = message.splitlines()[-1].strip()
    assert command == f"{REPLACE_VARIABLE}={GROUP} pulumi up --stack dev"
    assert refusal(inputs(), changed, GROUP) == ""


def test_another_region_of_the_model_loses_no_conversation_and_needs_only_the_account() -> None:
    message = refusal(inputs(), inputs(openai="westus3"), "")

    assert "host name" in message
    assert "quota" in message
    assert "not the conversations" in message
    assert f"{REPLACE_VARIABLE}={MODEL} " in message
    assert refusal(inputs(), inputs(openai="westus3"), f"{GROUP},{MODEL}") == ""


@pytest.mark.parametrize("allowed", ["1", "true", MODEL, inputs("westus3")["resource_group"], f"{GROUP}x"])
def test_the_variable_allows_only_what_it_names(allowed: str) -> None:
    assert refusal(inputs(), inputs("westus3"), allowed)


def test_what_was_allowed_once_does_not_allow_the_next_replacement() -> None:
    assert refusal(inputs("westus3"), inputs("swedencentral"), GROUP)


def test_a_protected_stack_is_refused_even_so_with_the_commands_that_take_the_protection_off() -> None:
    message = refusal(inputs(protected=True), inputs("westus3"), GROUP)

    assert "pulumi config set deletionProtection false --stack dev\n" in message
    assert message.index("deletionProtection false") < message.index(REPLACE_VARIABLE)


def test_taking_the_protection_off_in_the_same_run_is_too_late() -> None:
    """The lock on the storage account would still stand when the group is deleted."""
    assert refusal(inputs(protected=True), inputs("westus3", protected=False), GROUP)


def test_the_provider_reads_the_variable_in_check(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = ReplacementGuardProvider()
    monkeypatch.delenv(REPLACE_VARIABLE, raising=False)
    (failure,) = guard.check(inputs(), inputs("westus3")).failures
    assert GROUP in failure.reason

    monkeypatch.setenv(REPLACE_VARIABLE, GROUP)
    assert guard.check(inputs(), inputs("westus3")).failures == []


def test_everything_in_azure_stands_behind_the_guard(run_stack: RunStack) -> None:
    run = run_stack()
    in_azure = {name for name, resource in run.resources.items() if resource.type.startswith("azure-native")}
    for name in in_azure - {"group"}:
        assert "group" in run.before(name)
    assert "replacement-guard" in run.before("group")


@pytest.mark.parametrize("resource", ["group", "storage-account", "openai-account"])
def test_what_targets_cannot_leave_out_is_a_direct_dependency_with_another_name_after_a_change(
    run_stack: RunStack, resource: str
) -> None:
    def guards(config: dict[str, object]) -> set[str]:
        dependencies = run_stack(config)[resource].dependencies
        return {name for name in dependencies if name.startswith("replacement-guard-")}

    assert guards({}) == guards({"modelCapacity": 7}) != guards({"location": "westus3"})
    assert len(guards({})) == 1


def test_every_resource_that_is_deleted_first_is_in_the_table_of_the_documentation(
    run_stack: RunStack,
) -> None:
    run = run_stack({"deletionProtection": True})
    deleted_first = {
        resource.type.rpartition(":")[2]
        for resource in run.resources.values()
        if resource.delete_before_replace
    }
    table = (ROOT / "docs" / "replacement.md").read_text().partition("|---|")[2]
    listed = {
        name
        for row in re.findall(r"^\| ([A-Z]\w+(?:, \w+)*) \|", table, re.MULTILINE)
        for name in row.split(", ")
    }
    assert listed == deleted_first
