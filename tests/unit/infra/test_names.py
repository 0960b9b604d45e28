import re
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.names import CHAT_STATE_TABLE, DEPLOYMENT_CONTAINER, HOST_ID_LENGTH, names

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
REGION = "eastus2"

ALPHABETS = {
    "resource_group": r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]",
    "identity": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "storage_account": r"[a-z0-9]{3,24}",
    "log_workspace": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "app_insights": r"[A-Za-z0-9_().-]{0,254}[A-Za-z0-9_()-]",
    "openai_account": r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]",
    "plan": r"[A-Za-z0-9-]{1,60}",
    "function_app": r"[a-z0-9][a-z0-9-]{0,58}[a-z0-9]",
}

TABLE = [
    (
        ("assistant", "dev", ""),
        {
            "resource_group": "rg-assistant-dev-jm6bcxsh",
            "identity": "id-assistant-dev-jm6bcxsh",
            "storage_account": "stassistantdevjm6bcxsh",
            "log_workspace": "log-assistant-dev-jm6bcxsh",
            "app_insights": "appi-assistant-dev-jm6bcxsh",
            "openai_account": "oai-assistant-dev-a4s4qyf6",
            "plan": "plan-assistant-dev-jm6bcxsh",
            "function_app": "func-assistant-dev-jm6bcxsh",
        },
    ),
]


@pytest.mark.parametrize(("inputs", "expected"), TABLE)
def test_names_are_readable_and_never_change(inputs: tuple[str, str, str], expected: dict[str, str]) -> None:
    assert asdict(names(SUBSCRIPTION, *inputs, REGION)) == expected


@example(project=".", stack="_", suffix="")
@given(
    project=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    stack=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    suffix=st.from_regex(r"[a-z0-9]{0,8}", fullmatch=True),
)
def test_every_name_keeps_to_its_service(project: str, stack: str, suffix: str) -> None:
    for kind, name in asdict(names(SUBSCRIPTION, project, stack, suffix, REGION)).items():
        assert re.fullmatch(ALPHABETS[kind], name), f"{kind}: {name}"
        assert "--" not in name


@pytest.mark.parametrize(
    "other",
    [
        ("99999999-2222-4333-8444-555555555555", "assistant", "dev", ""),
        (SUBSCRIPTION, "assistant2", "dev", ""),
        (SUBSCRIPTION, "assistant", "Dev", ""),
        (SUBSCRIPTION, "assistant", "dev", "b"),
        (SUBSCRIPTION, "assistant-dev", "dev", ""),
        (SUBSCRIPTION, "assistant", "dev2", ""),
    ],
)
def test_another_subscription_project_stack_or_suffix_has_other_names(
    other: tuple[str, str, str, str],
) -> None:
    first, second = asdict(names(SUBSCRIPTION, "assistant", "dev", "", REGION)), asdict(names(*other, REGION))
    assert not set(first.values()) & set(second.values())


def test_parts_cannot_run_into_each_other() -> None:
    assert names(SUBSCRIPTION, "a-b", "c", "", REGION) != names(SUBSCRIPTION, "a", "b-c", "", REGION)
    assert names(SUBSCRIPTION, "a", "b", "c", REGION) != names(SUBSCRIPTION, "a", "bc", "", REGION)


def test_names_that_are_cut_still_differ() -> None:
    long = "a-very-long-name-of-a-feature-branch-number-"
    assert names(SUBSCRIPTION, "assistant", long + "1", "", REGION) != names(
        SUBSCRIPTION, "assistant", long + "2", "", REGION
    )


def test_the_spelling_of_a_subscription_does_not_matter() -> None:
    assert names(SUBSCRIPTION.upper(), "assistant", "dev", "", REGION) == names(
        SUBSCRIPTION, "assistant", "dev", "", REGION
    )


@given(stack=st.from_regex(r"[a-z0-9-]{1,100}", fullmatch=True))
def test_apps_that_share_storage_have_host_ids_of_their_own(stack: str) -> None:
    """The host takes its id from the first 32 characters: a longer name would lose its hash there."""
    assert len(names(SUBSCRIPTION, "assistant", stack, "", REGION).function_app) <= HOST_ID_LENGTH


@pytest.mark.parametrize(
    "empty",
    [
        ("", "assistant", "dev", "", REGION),
        (SUBSCRIPTION, "", "dev", "", REGION),
        (SUBSCRIPTION, "assistant", "", "", REGION),
        (SUBSCRIPTION, "assistant", "dev", "", ""),
    ],
)
def test_an_empty_part_is_refused(empty: tuple[str, str, str, str, str]) -> None:
    with pytest.raises(ValueError, match="to make names from"):
        names(*empty)


def test_only_the_openai_account_has_another_name_in_another_region() -> None:
    """To move it is to delete it, and a deleted account's name is blocked for 48 hours."""
    here = asdict(names(SUBSCRIPTION, "assistant", "dev", "", REGION))
    there = asdict(names(SUBSCRIPTION, "assistant", "dev", "", "swedencentral"))
    assert {kind for kind in here if here[kind] != there[kind]} == {"openai_account"}


def test_table_and_container_keep_to_storage() -> None:
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,62}", CHAT_STATE_TABLE)
    assert re.fullmatch(r"[a-z0-9](-?[a-z0-9]){2,62}", DEPLOYMENT_CONTAINER)
