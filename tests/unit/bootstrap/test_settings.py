import json
from typing import Any

import pytest
import yaml

from bootstrap.settings import SETTINGS, Operator, Repository, parse
from infra.settings import InvalidSettingsError, Problem
from tests.unit.infra.recording import ROOT

FOLDER = ROOT / "bootstrap"
STACK_FILES = sorted(path.name for path in FOLDER.glob("Pulumi.*.yaml"))
PERSON = "6F1A9C1E-6a0e-4b7e-9b1e-0d6e0c5a7d11"
GROUP = "6f1a9c1e-6a0e-4b7e-9b1e-0d6e0c5a7d12"


def problem_of(key: str, **config: object) -> Problem:
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in config.items()}
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"repository": "octo/assistants", **text})
    return next(problem for problem in caught.value.problems if problem.key == key)


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_has_known_keys_only(name: str) -> None:
    config: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())["config"]
    assert {key.removeprefix("bootstrap:") for key in config} <= SETTINGS.keys()


def test_only_the_repository_is_required() -> None:
    settings = parse({"repository": "octo-org/My.assistants"})
    assert settings.repository == Repository("octo-org", "My.assistants")
    assert settings.purge_protection
    assert settings.deletion_protection
    assert settings.operators == ()


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
def test_an_invalid_repository_is_refused_with_the_command_that_fixes_it(given: str, fix: str) -> None:
    assert problem_of("repository", repository=given).commands == (("set", "repository", fix),)


def test_an_id_needs_the_other_one() -> None:
    assert "gh api" in problem_of("repositoryId", repositoryOwnerId="12").rule
    assert ".owner.id" in problem_of("repositoryOwnerId", repositoryId="12").rule


@pytest.mark.parametrize("given", ["012", "-1", "1.0", "abc", "1" * 21])
def test_an_id_is_a_number(given: str) -> None:
    assert "number" in problem_of("repositoryId", repositoryId=given, repositoryOwnerId="1").rule


def test_an_operator_is_a_person_unless_a_prefix_says_otherwise() -> None:
    config = {"repository": "octo/assistants", "operators": json.dumps([PERSON, f"group:{GROUP}"])}
    assert parse(config).operators == (Operator(PERSON.lower(), "User"), Operator(GROUP, "Group"))


@pytest.mark.parametrize("operator", ["me@example.com", f"team:{PERSON}", "group:"])
def test_an_operator_is_an_object_id(operator: str) -> None:
    assert "az ad signed-in-user" in problem_of("operators", operators=[operator]).rule


def test_an_operator_is_a_text_and_listed_once() -> None:
    assert "twice" in problem_of("operators", operators=[PERSON, PERSON.lower()]).rule
    assert problem_of("operators", operators=[7]).commands == (("rm", "--path", "operators[0]"),)


def test_one_message_names_all_problems_with_commands_for_the_bootstrap() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"repositry": "octo/assistants", "nameSuffix": "Not Good"}, stack="shared")
    message = str(caught.value)
    for expected in (
        "stack shared has 3 settings",
        "the nearest is repository",
        "> .venv/bin/python -m bootstrap pulumi config set --stack shared nameSuffix notgood",
        "> .venv/bin/python -m bootstrap pulumi config set --stack shared repository owner/name",
    ):
        assert expected in message
