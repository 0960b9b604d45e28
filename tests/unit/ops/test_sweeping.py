"""What the sweep removes, and what it keeps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.names import names
from ops.engine import StackSummary
from ops.output import OpsError
from ops.teardown.leftovers import DeletedAccount, Group, Naming
from ops.teardown.sweeping import (
    Leftover,
    Status,
    age,
    decide,
    ends_at,
    find,
    is_last_night,
)
from ops.teardown.sweeping import (
    test_stack_hours as hours_of,
)
from tests.unit.ops.world import SUBSCRIPTION

NAMING = Naming(SUBSCRIPTION, "assistant", ("", "x"))
NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)


def computed(stack: str, location: str = "eastus2", suffix: str = "") -> tuple[str, str]:
    name = names(SUBSCRIPTION, "assistant", stack, suffix, location)
    return name.resource_group, name.openai_account


def group_of(stack: str, suffix: str = "") -> Group:
    return Group(computed(stack, suffix=suffix)[0], stack)


def account_of(stack: str, location: str = "eastus2") -> DeletedAccount:
    return DeletedAccount(location, *computed(stack, location), deleted=NOW - timedelta(hours=5))


def stack(name: str, resources: int | None = 28) -> StackSummary:
    return StackSummary(name, resources, NOW - timedelta(days=2))


def test_each_kind_is_removed_when_its_stack_is_gone_and_stacks_are_first_by_number() -> None:
    leftovers = find(
        NAMING,
        stacks=[stack("pr-10"), stack("pr-9", 0)],
        groups=[group_of("pr-9"), group_of("pr-1"), group_of("pr-3", suffix="x")],
        accounts=[account_of("pr-9"), account_of("pr-2", "swedencentral")],
        state_files=["pr-10", "pr-4"],
        stack_files=["Pulumi.pr-9.yaml", "Pulumi.pr-5.yaml", "Pulumi.pr.yaml"],
    )

    assert [(leftover.kind, leftover.name, leftover.what) for leftover in leftovers] == [
        ("stack", "pr-9", "empty"),
        ("stack", "pr-10", "28 resources"),
        ("resource group", group_of("pr-1").name, "tagged pr-1"),
        ("resource group", group_of("pr-3", suffix="x").name, "tagged pr-3"),
        ("deleted model account", account_of("pr-2", "swedencentral").name, "soft-deleted in swedencentral"),
        ("state files", "pr-4", "history, backups or claims"),
        ("stack file", "Pulumi.pr-5.yaml", "in this folder"),
    ]
    for state, action in (("closed", "remove"), ("merged", "remove"), ("open", "keep"), ("error", "unknown")):
        assert {decide(leftover, Status(state), NOW).action for leftover in leftovers} == {action}
    assert decide(leftovers[2], Status("merged"), NOW).why == "pull request #1 is merged"
    assert decide(leftovers[2], Status("open"), NOW).why == "pull request #1 is open"
    assert decide(leftovers[2], Status("error"), NOW).why == "error"
    assert decide(Leftover("stack", "prod", "prod", ""), Status("closed"), NOW).action == "keep"


@pytest.mark.parametrize(
    "name", ["dev", "prod", "pr-0", "pr-01", "pr-1x", "pr-", "PR-1", "pr--1", "pr-12345678901"]
)
def test_a_stack_that_is_no_pull_requests_is_not_even_listed(name: str) -> None:
    for stacks in ([stack(name)], []):
        assert not find(
            NAMING,
            stacks=stacks,
            groups=[group_of(name)],
            accounts=[account_of(name)],
            state_files=[name],
            stack_files=[f"Pulumi.{name}.yaml"],
        )


@pytest.mark.parametrize(
    ("hours_ago", "hours", "labels", "action", "why", "announced"),
    [
        (1, 72, [], "keep", "2 days left", False),
        (46, 72, [], "keep", "1 day left", False),
        (48, 72, [], "keep", "1 day left", True),
        (71, 72, [], "keep", "1 hour left", True),
        (72, 72, [], "remove", "its time ended at 2026-11-25 03:00 UTC", False),
        (75, 72, [], "remove", "its time ended at 2026-11-25 00:00 UTC", False),
        (75, 72, ["keep"], "keep", "it has the label `keep`", False),
        (75, 0, [], "keep", "testStackHours is 0", False),
        (None, 72, [], "keep", "no `up` is in its history", False),
    ],
)
def test_the_stack_of_an_open_pull_request_ends_hours_after_its_last_up(
    *, hours_ago: int | None, hours: int, labels: list[str], action: str, why: str, announced: bool
) -> None:
    last_up = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    status = Status("open", *ends_at(last_up, hours, labels))

    decision = decide(Leftover("stack", "pr-1", "pr-1", ""), status, NOW)

    assert decision.action == action
    assert decision.why.endswith(why)
    assert is_last_night(decision, NOW) is announced
    closed = replace(status, state="closed")
    assert decide(Leftover("stack", "pr-1", "pr-1", ""), closed, NOW).action == "remove"
    assert decide(Leftover("resource group", "rg", "pr-1", ""), status, NOW).action == "keep"


def test_a_group_with_another_name_is_suspicious_whatever_its_tags_say() -> None:
    (copied,) = find(NAMING, groups=[replace(group_of("pr-1"), name="rg-somebodys-own")])

    decision = decide(copied, Status("closed"), NOW)

    assert decision.action == "suspicious"
    assert group_of("pr-1").name in decision.why


@pytest.mark.parametrize(
    "account",
    [
        replace(account_of("pr-1"), group="rg-other"),
        replace(account_of("pr-1"), name="oai-assistant-pr-1-aaaaaaaa"),
        replace(account_of("pr-1"), location="westus"),
        DeletedAccount("eastus2", *computed("dev"), stack="pr-1"),
        DeletedAccount("eastus2", "rg-other-project-pr-1", "pr-1", stack="pr-1"),
    ],
    ids=["group", "name", "region", "of dev, tagged pr-1", "of another project"],
)
def test_an_account_with_another_name_group_or_region_belongs_to_no_stack(account: DeletedAccount) -> None:
    assert NAMING.stack_of(account) is None
    own = account_of("pr-1")
    assert NAMING.stack_of(replace(own, name=own.name.upper(), group=own.group.upper())) == "pr-1"


@pytest.mark.parametrize(
    ("since", "text"),
    [
        (None, "?"),
        (NOW, "just now"),
        (NOW + timedelta(hours=1), "just now"),
        (NOW - timedelta(minutes=1), "1 minute"),
        (NOW - timedelta(hours=1), "1 hour"),
        (NOW - timedelta(hours=47), "1 day"),
        (NOW - timedelta(days=3), "3 days"),
    ],
)
def test_an_age_is_written_in_its_largest_unit(since: datetime | None, text: str) -> None:
    assert age(since, NOW) == text


def test_names_and_hours_are_those_of_the_committed_settings(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.pr.yaml"
    file.write_text("config:\n  assistant:nameSuffix: b2\n")
    assert Naming.read(SUBSCRIPTION, "assistant", tmp_path).suffixes == ("b2", "")
    assert hours_of(tmp_path, "assistant") == 72
    file.write_text("config: {assistant:testStackHours: 24}\n")
    assert hours_of(tmp_path, "assistant") == 24
    file.write_text("config: {testStackHours: soon}\n")
    with pytest.raises(OpsError, match=r"testStackHours is 'soon', and must be"):
        hours_of(tmp_path, "assistant")
