import json
from typing import Any

import pytest
import yaml

from bootstrap.settings import SETTINGS, Operator, Repository, parse
from infra.settings import InvalidSettingsError, Problem
from tests.unit.infra.recording import ROOT

FOLDER = ROOT / "bootstrap"
STACK_FILES = sorted(path.name for path in FOLDER.glob("Pulumi.*.yaml"))
SOMEBODY = "6F1A9C1E-6a0e-4b7e-9b1e-0d6e0c5a7d11"
OTHERS = "6f1a9c1e-6a0e-4b7e-9b1e-0d6e0c5a7d12"


def problems_of(**config: object) -> dict[str, Problem]:
    text = {key: one if isinstance(one, str) else json.dumps(one) for key, one in config.items()}
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"repository": "octo/assistants", **text})
    return {problem.key: problem for problem in caught.value.problems}


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_has_known_keys_only(name: str) -> None:
    config: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())["config"]
    assert {key.removeprefix("bootstrap:") for key in config} <= SETTINGS.keys()


def test_the_repository_is_all_that_has_to_be_set() -> None:
    found = parse({"repository": "octo-org/My.assistants"})
    assert found.repository == Repository("octo-org", "My.assistants")
    assert found.purge_protection
    assert found.deletion_protection
    assert found.operators == ()


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ("", "owner/name"),
        ("OWNER/REPOSITORY", "owner/name"),
        ("assistants", "owner/name"),
        ("https://github.com/octo/assistants.git", "octo/assistants"),
        ("git@github.com:octo/assistants.git", "octo/assistants"),
        ("octo/assistants.git", "octo/assistants"),
        ("octo/..", "owner/name"),
        ("octo/a b", "owner/name"),
        ("octo/a:ref", "owner/name"),
    ],
)
def test_a_repository_that_is_none_is_told_how_it_looks(given: str, fix: str) -> None:
    problem = problems_of(repository=given)["repository"]
    assert problem.commands == (("set", "repository", fix),)


def test_a_key_that_is_twice_in_the_stacks_file_is_refused() -> None:
    duplicate = Problem("location", "eastus2", "is twice", ())
    with pytest.raises(InvalidSettingsError, match="is twice"):
        parse({"repository": "octo/assistants"}, duplicates=[duplicate])


def test_one_id_without_the_other_names_the_other() -> None:
    assert "gh api" in problems_of(repositoryOwnerId="12")["repositoryId"].rule
    assert ".owner.id" in problems_of(repositoryId="12")["repositoryOwnerId"].rule


@pytest.mark.parametrize("given", ["012", "-1", "1.0", "abc", "1" * 21])
def test_an_id_is_a_number(given: str) -> None:
    assert "number" in problems_of(repositoryId=given, repositoryOwnerId="1")["repositoryId"].rule


def test_operators_are_people_unless_it_says_what_they_are() -> None:
    config = {"repository": "octo/assistants", "operators": json.dumps([SOMEBODY, f"group:{OTHERS}"])}
    assert parse(config).operators == (Operator(SOMEBODY.lower(), "User"), Operator(OTHERS, "Group"))


def test_operators_are_object_ids_each_once() -> None:
    assert "twice" in problems_of(operators=[SOMEBODY, SOMEBODY.lower()])["operators"].rule
    for wrong in ("me@example.com", f"team:{SOMEBODY}", "group:"):
        assert "az ad signed-in-user" in problems_of(operators=[wrong])["operators"].rule
    assert problems_of(operators=[7])["operators"].commands == (("rm", "--path", "operators[0]"),)


def test_all_problems_come_in_one_message_with_commands_that_reach_the_bootstrap() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"repositry": "octo/assistants", "nameSuffix": "Not Good"}, stack="shared")
    told = str(caught.value)
    for expected in (
        "stack shared has 3 settings",
        "the nearest is repository",
        "> .venv/bin/python -m bootstrap pulumi config set --stack shared nameSuffix notgood",
        "> .venv/bin/python -m bootstrap pulumi config set --stack shared repository owner/name",
    ):
        assert expected in told
