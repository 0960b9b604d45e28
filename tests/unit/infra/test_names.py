import re
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.names import CHAT_STATE_TABLE, DEPLOYMENT_CONTAINER, HOST_ID_LENGTH, LEASE_TABLE, TODO_TABLE, names

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
PARTS = (SUBSCRIPTION, "assistant", "dev", "", "eastus2")
EXPECTED = {
    "resource_group": "rg-assistant-dev-jm6bcxsh",
    "identity": "id-assistant-dev-jm6bcxsh",
    "storage_account": "stassistantdevjm6bcxsh",
    "log_workspace": "log-assistant-dev-jm6bcxsh",
    "app_insights": "appi-assistant-dev-jm6bcxsh",
    "openai_account": "oai-assistant-dev-a4s4qyf6",
    "plan": "plan-assistant-dev-jm6bcxsh",
    "function_app": "func-assistant-dev-jm6bcxsh",
}
ALPHABETS = {
    "resource_group": r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]",
    "identity": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "storage_account": r"[a-z0-9]{3,24}",
    "log_workspace": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "app_insights": r"[A-Za-z0-9_().-]{0,254}[A-Za-z0-9_()-]",
    "openai_account": r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]",
    "plan": r"[A-Za-z0-9-]{1,60}",
    # The Functions host takes its id from the first 32 characters: a longer name would lose its hash there.
    "function_app": rf"[a-z0-9][a-z0-9-]{{0,{HOST_ID_LENGTH - 2}}}[a-z0-9]",
}


def test_names_are_readable_and_never_change() -> None:
    assert asdict(names(*PARTS)) == EXPECTED
    assert names(SUBSCRIPTION.upper(), *PARTS[1:]) == names(*PARTS)


@example(project=".", stack="_", suffix="")
@given(
    project=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    stack=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    suffix=st.from_regex(r"[a-z0-9]{0,8}", fullmatch=True),
)
def test_every_name_is_valid_for_its_service(project: str, stack: str, suffix: str) -> None:
    for kind, name in asdict(names(SUBSCRIPTION, project, stack, suffix, "eastus2")).items():
        assert re.fullmatch(ALPHABETS[kind], name), f"{kind}: {name}"
        assert "--" not in name


LONG = "a-very-long-name-of-a-feature-branch-number-"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (PARTS, ("99999999-2222-4333-8444-555555555555", *PARTS[1:])),
        (PARTS, (SUBSCRIPTION, "assistant2", "dev", "", "eastus2")),
        (PARTS, (SUBSCRIPTION, "assistant", "Dev", "", "eastus2")),
        (PARTS, (SUBSCRIPTION, "assistant", "dev", "b", "eastus2")),
        (PARTS, (SUBSCRIPTION, "assistant", "dev2", "", "eastus2")),
        # The parts are separate, and a truncated middle does not matter.
        ((SUBSCRIPTION, "a-b", "c", "", "eastus2"), (SUBSCRIPTION, "a", "b-c", "", "eastus2")),
        ((SUBSCRIPTION, "a", "b", "c", "eastus2"), (SUBSCRIPTION, "a", "bc", "", "eastus2")),
        ((*PARTS[:2], f"{LONG}1", "", "eastus2"), (*PARTS[:2], f"{LONG}2", "", "eastus2")),
    ],
)
def test_another_subscription_project_stack_or_suffix_has_other_names(
    first: tuple[str, str, str, str, str], second: tuple[str, str, str, str, str]
) -> None:
    assert not {*asdict(names(*first)).values()} & {*asdict(names(*second)).values()}


@pytest.mark.parametrize(
    ("index", "part"), [(0, "subscription id"), (1, "project"), (2, "stack"), (4, "OpenAI region")]
)
def test_an_empty_part_is_refused(index: int, part: str) -> None:
    parts = [*PARTS]
    parts[index] = ""
    with pytest.raises(ValueError, match=f"no {part} to make names from"):
        names(*parts)


def test_only_the_openai_account_has_another_name_in_another_region() -> None:
    """To move it is to delete it, and a deleted account's name is blocked for 48 hours."""
    moved = asdict(names(*PARTS[:4], "swedencentral"))
    assert {kind for kind in moved if moved[kind] != EXPECTED[kind]} == {"openai_account"}


def test_the_names_of_tables_and_the_container_are_valid() -> None:
    for table in (CHAT_STATE_TABLE, LEASE_TABLE, TODO_TABLE):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,62}", table)
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9]){2,62}", DEPLOYMENT_CONTAINER)
