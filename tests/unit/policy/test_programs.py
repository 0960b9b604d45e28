"""The rules hold for what the programs ask for, with every committed configuration."""

import re
from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any, cast

import pytest
import yaml

from policy import data
from policy.grants import GRANTS
from policy.model import UNKNOWN, Resource, Violation
from policy.rules import judge
from tests.unit.bootstrap import test_program as bootstrap
from tests.unit.infra.conftest import RunStack
from tests.unit.infra.recording import ARM, ROOT, Run
from tests.unit.policy.stacks import urn

STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))
# What the mocks' ids stand for.
ARM_TYPES = {
    data.STORAGE_ACCOUNT: "Microsoft.Storage/storageAccounts/{}",
    data.MODEL_ACCOUNT: "Microsoft.CognitiveServices/accounts/it",
    data.APP_INSIGHTS: "Microsoft.Insights/components/it",
    data.BLOB_CONTAINER: "Microsoft.Storage/storageAccounts/it/blobServices/default/containers/it",
    "azure-native:keyvault:Key": "Microsoft.KeyVault/vaults/it/keys/it",
}


def stack_name(file_name: str) -> str:
    name = file_name.removeprefix("Pulumi.").removesuffix(".yaml")
    return "pr-7" if name == "pr" else name


def config_of(file_name: str) -> dict[str, object]:
    content: dict[str, Any] = yaml.safe_load((ROOT / file_name).read_text())
    return content["config"]


def resources_of(run: Run, stack: str, project: str = "assistant") -> list[Resource]:
    """What was recorded, as the engine has it; the mocks' ids as ARM's."""
    ids = {
        f"{ARM}/id-of-azure/{one.name}": f"{ARM}/resourceGroups/rg/providers/"
        + ARM_TYPES[one.type].format(one.inputs.get("accountName"))
        for one in run.resources.values()
        if one.type in ARM_TYPES
    }

    def real(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: real(item) for key, item in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list):
            return [real(item) for item in cast("list[Any]", value)]
        if value == "connection-string-of-azure":
            return UNKNOWN
        return ids.get(value, value) if isinstance(value, str) else value

    return [
        Resource(one.type, one.name, urn(one.name, one.type, stack, project), real(one.inputs), one.protect)
        for one in run.resources.values()
    ]


def told(violations: list[Violation]) -> list[str]:
    return [f"{violation.rule}: {violation}" for violation in violations]


@pytest.mark.parametrize("file_name", [path.name for path in STACK_FILES])
@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_the_program_breaks_no_rule(run_stack: RunStack, file_name: str, preview: bool) -> None:
    stack = stack_name(file_name)
    run = run_stack(config_of(file_name), stack=stack, preview=preview)

    assert told(judge(resources_of(run, stack))) == []


def test_the_bootstrap_breaks_no_rule() -> None:
    run = bootstrap.run({"tags": {"environment": "shared"}})

    assert told(judge(resources_of(run, "shared", "bootstrap"))) == []


def test_production_without_protection_is_found(run_stack: RunStack) -> None:
    run = run_stack({"tags": {"environment": "prod"}, "deletionProtection": False}, stack="prod")

    violations = judge(resources_of(run, "prod"))

    assert {one.resource for one in violations} == {
        "group",
        "storage-account",
        "chat-state",
        "todos",
        "leases",
        "openai-account",
    }
    assert {one.rule for one in violations} == {"protected-production"}


@pytest.mark.parametrize("project", ["assistant", "bootstrap"])
def test_every_type_that_takes_tags_is_asked_for_them(run_stack: RunStack, project: str) -> None:
    run = run_stack({"deletionProtection": True}) if project == "assistant" else bootstrap.run()
    parts = {"azure-native:cognitiveservices:Deployment"}
    checked = 0
    for type_ in {one.type for one in run.resources.values() if one.type.startswith("azure-native:")}:
        module, name = re.fullmatch(r"azure-native:(\w+):(\w+)", type_).groups()  # type: ignore[union-attr]
        arguments = getattr(import_module(f"pulumi_azure_native.{module}"), f"{name}Args")
        takes_tags = "tags" in signature(arguments.__init__).parameters
        assert takes_tags is (type_ not in data.TAGLESS or type_ in parts), type_
        checked += 1
    assert checked > 8


def test_every_grant_is_one_that_its_program_makes(run_stack: RunStack) -> None:
    made = {"assistant": run_stack(), "bootstrap": bootstrap.run()}
    assert made.keys() == GRANTS.keys()
    for project, run in made.items():
        names = {one.name for one in run.of_type(data.ROLE_ASSIGNMENT)}
        assert [name for name in names if not any(grant.is_for(name) for grant in GRANTS[project])] == []
        assert [grant.key for grant in GRANTS[project] if not any(map(grant.is_for, names))] == []


def test_no_setting_is_excused_that_the_program_does_not_make(run_stack: RunStack) -> None:
    assert data.KNOWN_GOOD_SETTINGS.keys() <= run_stack().app_settings().keys()


def test_the_settings_that_flex_refuses_are_those_that_local_azure_refuses() -> None:
    from local_azure.services.web.flex import REJECTED_APP_SETTINGS

    assert data.FLEX_REFUSES | data.FLEX_DEPRECATES >= REJECTED_APP_SETTINGS
    # Local Azure lets it pass for the sake of an old report; the program has no need of it.
    assert {"FUNCTIONS_EXTENSION_VERSION"} == (
        data.FLEX_REFUSES | data.FLEX_DEPRECATES
    ) - REJECTED_APP_SETTINGS
