"""What the sweep removes, and that it keeps its hands off everything else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.names import names
from ops.engine import StackSummary
from ops.teardown.leftovers import DeletedAccount, Group, Naming
from ops.teardown.sweeping import Inventory, Leftover, PullRequestStatus, age, decide, find

SUBSCRIPTION = "00000000-0000-4000-8000-000000000000"
NAMING = Naming(SUBSCRIPTION, "assistant", ("", "x"))
NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
CLOSED, MERGED, OPEN = PullRequestStatus("closed"), PullRequestStatus("merged"), PullRequestStatus("open")


def computed(stack: str, location: str = "eastus2", suffix: str = "") -> tuple[str, str]:
    name = names(SUBSCRIPTION, "assistant", stack, suffix, location)
    return name.resource_group, name.openai_account


def group_of(stack: str, suffix: str = "") -> Group:
    return Group(computed(stack, suffix=suffix)[0], stack)


def account_of(stack: str, location: str = "eastus2") -> DeletedAccount:
    group, account = computed(stack, location)
    return DeletedAccount(location, group, account, deleted=NOW - timedelta(hours=5))


def stack(name: str, resources: int | None = 28) -> StackSummary:
    return StackSummary(name, resources, NOW - timedelta(days=2))


def removed(found: list[Leftover], asked: dict[int, PullRequestStatus]) -> list[str]:
    return [decision.leftover.name for decision in decide(found, asked) if decision.action == "remove"]


def test_stacks_of_closed_and_merged_pull_requests_go_and_of_open_ones_stay() -> None:
    found = find(Inventory(stacks=[stack("pr-1"), stack("pr-2"), stack("pr-3", 0)]), NAMING)

    assert removed(found, {1: CLOSED, 2: OPEN, 3: MERGED}) == ["pr-1", "pr-3"]


@pytest.mark.parametrize(
    "name", ["dev", "prod", "pr-0", "pr-01", "pr-1x", "pr-", "PR-1", "pr--1", "pr-12345678901"]
)
def test_a_stack_that_is_no_pull_requests_is_not_even_listed(name: str) -> None:
    seen = Inventory([stack(name)], [group_of(name)], [account_of(name)], [name], [f"Pulumi.{name}.yaml"])
    without_stack = Inventory((), seen.groups, seen.accounts, seen.state_files, seen.stack_files)

    assert find(seen, NAMING) == []
    assert find(without_stack, NAMING) == []


def test_nothing_but_a_pull_requests_stack_is_removed_whoever_lists_it() -> None:
    (decision,) = decide([Leftover("stack", "prod", "prod", "")], {1: CLOSED})

    assert decision.action == "keep"


@pytest.mark.parametrize(
    "answer",
    [
        PullRequestStatus(None, "GitHub knows no pull request #1"),
        PullRequestStatus(None, "GitHub answered 500"),
    ],
)
def test_what_github_does_not_say_is_closed_stays_with_the_reason(answer: PullRequestStatus) -> None:
    (decision,) = decide(find(Inventory(stacks=[stack("pr-1")]), NAMING), {1: answer})

    assert (decision.action, decision.why) == ("unknown", answer.problem)


def test_a_pull_request_that_nobody_asked_about_is_unknown() -> None:
    (decision,) = decide(find(Inventory(stacks=[stack("pr-1")]), NAMING), {2: CLOSED})

    assert decision.action == "unknown"


def test_a_group_without_its_stack_goes_when_it_has_the_computed_name() -> None:
    groups = [group_of("pr-1"), group_of("pr-2"), group_of("pr-3", suffix="x")]

    found = find(Inventory(stacks=[stack("pr-2")], groups=groups), NAMING)

    assert removed(found, {1: CLOSED, 2: CLOSED, 3: CLOSED}) == ["pr-2", groups[0].name, groups[2].name]


def test_a_group_with_another_name_is_suspicious_whatever_its_tags_say() -> None:
    copied = replace(group_of("pr-1"), name="rg-somebodys-own")

    (decision,) = decide(find(Inventory(groups=[copied]), NAMING), {1: CLOSED})

    assert decision.action == "suspicious"
    assert group_of("pr-1").name in decision.why


def test_a_deleted_account_goes_where_the_stack_that_had_it_is_gone() -> None:
    accounts = [account_of("pr-1"), account_of("pr-2", "swedencentral"), account_of("pr-3")]

    found = find(Inventory(stacks=[stack("pr-3", 0)], accounts=accounts), NAMING)

    assert removed(found, {1: CLOSED, 2: MERGED, 3: OPEN}) == [accounts[0].name, accounts[1].name]


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
def test_an_account_with_another_name_group_or_region_is_nobodys(account: DeletedAccount) -> None:
    assert NAMING.stack_of(account) is None


def test_names_are_compared_as_azure_does() -> None:
    account = account_of("pr-1")

    assert NAMING.stack_of(replace(account, name=account.name.upper(), group=account.group.upper())) == "pr-1"


def test_a_stack_file_goes_when_its_stack_is_gone() -> None:
    files = ["Pulumi.pr-1.yaml", "Pulumi.pr-2.yaml", "Pulumi.pr.yaml"]

    found = find(Inventory(stacks=[stack("pr-2")], stack_files=files), NAMING)

    assert removed(found, {1: CLOSED, 2: OPEN}) == ["Pulumi.pr-1.yaml"]


def test_what_a_removal_that_was_cut_off_left_beside_the_state_goes() -> None:
    found = find(Inventory(stacks=[stack("pr-2")], state_files=["pr-1", "pr-2", "dev"]), NAMING)

    assert removed(found, {1: CLOSED, 2: OPEN}) == ["pr-1"]


def test_stacks_go_first_and_by_number() -> None:
    seen = Inventory([stack("pr-10"), stack("pr-9")], [group_of("pr-1")], [account_of("pr-2")])

    found = find(seen, NAMING)

    assert [one.name for one in found] == ["pr-9", "pr-10", group_of("pr-1").name, account_of("pr-2").name]


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (None, "?"),
        (NOW, "just now"),
        (NOW + timedelta(hours=1), "just now"),
        (NOW - timedelta(minutes=1), "1 minute"),
        (NOW - timedelta(hours=47), "1 day"),
        (NOW - timedelta(days=3), "3 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(since: datetime | None, shown: str) -> None:
    assert age(since, NOW) == shown


def test_names_are_computed_with_the_committed_suffix_and_without_one(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.pr.yaml").write_text("config:\n  assistant:nameSuffix: b2\n")
    assert Naming.read(SUBSCRIPTION, "assistant", tmp_path).suffixes == ("b2", "")
