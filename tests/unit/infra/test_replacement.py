"""A change that would replace what holds data is refused, unless this very replacement is allowed."""

import re
from typing import Any

import pytest

from infra.dynamic.replacement_guard import (
    REPLACE_VARIABLE,
    ReplacementGuardProvider,
    allowing,
    guarded,
    recorded_names,
    refusal,
)
from infra.names import names
from tests.unit.infra.recording import ROOT, SUBSCRIPTION_ID, run_program


def inputs(
    location: str = "eastus2", openai: str = "eastus2", suffix: str = "", *, protected: bool = False
) -> dict[str, Any]:
    stack_names = names(SUBSCRIPTION_ID, "assistant", "dev", suffix, openai)
    return {**guarded(stack_names, location, openai), "protected": protected, "stack": "dev"}


GROUP, MODEL = inputs()["resource_group"], inputs()["model_account"]


@pytest.mark.parametrize("olds", [{}, inputs()])
def test_a_new_or_unchanged_stack_is_not_refused(olds: dict[str, Any]) -> None:
    assert refusal(olds, inputs(), "") == ""


@pytest.mark.parametrize(
    ("changed", "lost", "needed"),
    [
        *(
            (changed, ["all conversations", "host name", "quota"], GROUP)
            for changed in (
                inputs("westus3", "westus3"),
                inputs("westus3"),
                inputs(suffix="b2"),
                inputs("westus3", suffix="b2"),
            )
        ),
        (inputs(openai="westus3"), ["host name", "quota", "not the conversations"], MODEL),
    ],
)
def test_a_replacement_is_refused_with_what_is_lost_and_the_command_that_allows_it(
    changed: dict[str, Any], lost: list[str], needed: str
) -> None:
    message = refusal(inputs(), changed, "")
    assert all(loss in message for loss in lost)
    assert message.endswith(f"\n  {REPLACE_VARIABLE}={needed} pulumi up --stack dev")
    for allowed in (needed, f"other@eastus2,{needed}"):
        assert refusal(inputs(), changed, allowed) == ""
    for other in ("1", "true", changed["resource_group"], changed["model_account"], f"{needed}x"):
        assert refusal(inputs(), changed, other) == message


def test_a_variable_that_allowed_one_replacement_does_not_allow_the_next() -> None:
    assert refusal(inputs("westus3"), inputs("swedencentral"), GROUP)


def test_a_protected_stack_is_refused_with_the_commands_that_end_the_protection_first() -> None:
    message = refusal(inputs(protected=True), inputs("westus3"), GROUP)
    assert "pulumi config set deletionProtection false --stack dev\n" in message
    assert message.index("deletionProtection false") < message.index(REPLACE_VARIABLE)
    # In the same run, the lock on the storage account would still exist when the group is deleted.
    assert refusal(inputs(protected=True), inputs("westus3", protected=False), GROUP) == message


@pytest.mark.parametrize(
    ("message", "value", "lost"),
    [
        (refusal(inputs(), inputs(suffix="b2"), ""), GROUP, ["resource group"]),
        (refusal(inputs(), inputs(openai="westus3"), ""), MODEL, ["model account"]),
        (refusal(inputs(protected=True), inputs("westus3"), ""), "", []),
        ("error: the model has no quota", "", []),
    ],
)
def test_a_refusal_says_what_allows_the_replacement(message: str, value: str, lost: list[str]) -> None:
    allowed, listed = allowing(f"up\n{message}\n")
    assert (allowed, [text.partition(" (")[0] for text in listed]) == (value, lost)


def test_all_that_a_guard_records_is_allowed_by_its_names() -> None:
    allowed = ",".join(recorded_names(inputs()))
    assert refusal(inputs(), inputs("westus3", "westus3", "b2"), allowed) == ""


def test_the_provider_reads_the_variable_in_check(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = ReplacementGuardProvider()
    monkeypatch.delenv(REPLACE_VARIABLE, raising=False)
    (failure,) = guard.check(inputs(), inputs("westus3")).failures
    assert GROUP in failure.reason
    monkeypatch.setenv(REPLACE_VARIABLE, GROUP)
    allowed = guard.check(inputs(), inputs("westus3"))
    assert (allowed.failures, allowed.inputs) == ([], inputs("westus3"))


def test_the_provider_records_the_guarded_resources() -> None:
    guard = ReplacementGuardProvider()
    given = {**inputs(), "__provider": "pickle"}
    created = guard.create(given)
    assert (created.id, created.outs) == ("replacement-guard", inputs())
    assert guard.update("id", {}, given).outs == inputs()
    assert not guard.diff("id", inputs(), given).changes
    assert guard.diff("id", inputs(), inputs(protected=True)).changes


def test_everything_in_azure_depends_on_the_guard() -> None:
    run = run_program()
    in_azure = {name for name, resource in run.resources.items() if resource.type.startswith("azure-native")}
    for name in in_azure - {"group"}:
        assert "group" in run.before(name)
    assert "replacement-guard" in run.before("group")


def test_what_holds_data_depends_directly_on_a_guard_with_another_name_after_a_change() -> None:
    """`--target` and `--exclude` cannot leave it out."""
    runs = [run_program(config) for config in ({}, {"modelCapacity": 7}, {"location": "westus3"})]
    for resource in ("group", "storage-account", "openai-account"):
        guards = [
            {name for name in run[resource].dependencies if name.startswith("replacement-guard-")}
            for run in runs
        ]
        assert len(guards[0]) == 1
        assert guards[0] == guards[1] != guards[2]


def test_the_documentation_lists_every_resource_that_is_deleted_first() -> None:
    run = run_program({"deletionProtection": True})
    deleted_first = {
        resource.type.rpartition(":")[2]
        for resource in run.resources.values()
        if resource.delete_before_replace
    }
    table = (ROOT / "docs" / "replacement.md").read_text().partition("|---|")[2]
    rows = re.findall(r"^\| ([A-Z]\w+(?:, \w+)*) \|", table, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == deleted_first
