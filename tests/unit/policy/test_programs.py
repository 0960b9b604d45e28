"""The rules hold for the resources of the programs, with every committed configuration."""

import pytest
import yaml

from local_azure.services.web.flex import REJECTED_APP_SETTINGS
from policy import data
from policy.grants import GRANTS
from policy.rules import judge
from policy.types_without_tags import listing
from tests.unit.bootstrap.recording import run_bootstrap
from tests.unit.infra.recording import ROOT, run_program
from tests.unit.policy.stacks import resources_of

STACK_FILES = sorted(path.name for path in ROOT.glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("file_name", STACK_FILES)
@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_the_program_breaks_no_rule(file_name: str, preview: bool) -> None:
    name = file_name.removeprefix("Pulumi.").removesuffix(".yaml")
    stack = "pr-7" if name == "pr" else name
    config: dict[str, object] = yaml.safe_load((ROOT / file_name).read_text())["config"]

    run = run_program(config, stack=stack, preview=preview)

    assert judge([*resources_of(run, stack).values()]) == []


def test_the_bootstrap_breaks_no_rule() -> None:
    run = run_bootstrap({"tags": {"environment": "shared"}})

    assert judge([*resources_of(run, "shared", "bootstrap").values()]) == []


def test_the_list_of_types_without_tags_is_that_of_the_sdk() -> None:
    listed = (ROOT / "policy" / "types_without_tags.txt").read_text(encoding="utf-8")
    assert listed == listing(), "run `make settings`"
    assert data.TABLE in data.TAGLESS
    assert data.STORAGE_ACCOUNT not in data.TAGLESS


def test_every_grant_is_one_that_its_program_makes() -> None:
    runs = {"assistant": run_program(), "bootstrap": run_bootstrap()}
    assert runs.keys() == GRANTS.keys()
    for project, run in runs.items():
        names = {assignment.name for assignment in run.of_type(data.ROLE_ASSIGNMENT)}
        assert [name for name in names if not any(grant.is_for(name) for grant in GRANTS[project])] == []
        assert [grant.key for grant in GRANTS[project] if not any(map(grant.is_for, names))] == []


def test_every_setting_with_a_known_good_value_is_set_by_the_program() -> None:
    assert data.KNOWN_GOOD_SETTINGS.keys() <= run_program().app_settings().keys()


def test_the_settings_that_flex_refuses_are_those_that_local_azure_refuses() -> None:
    # Local Azure accepts one for the sake of an old report; the program does not need it.
    refused = data.FLEX_REFUSES | data.FLEX_DEPRECATES
    assert refused - REJECTED_APP_SETTINGS == {"FUNCTIONS_EXTENSION_VERSION"}
    assert refused >= REJECTED_APP_SETTINGS
