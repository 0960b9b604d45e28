import json
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config

from infra.settings import SETTINGS, InvalidSettingsError, Problem, parse, python_version_of, reading
from infra.settings.models import CHAT_MODELS
from infra.settings.regions import MODEL_REGIONS, REGIONS
from infra.settings.rules import OWN_TAGS
from infra.stacks import PULL_REQUEST_TAG
from tests.unit.infra.conftest import RunStack
from tests.unit.infra.recording import ROOT

TODAY = date(2026, 11, 23)
STACK_FILES = sorted(path.name for path in ROOT.glob("Pulumi.*.yaml"))


def text(value: object) -> str:
    """A value of a stack file as the engine hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def problems_of(config: dict[str, object], **arguments: Any) -> dict[str, Problem]:
    with pytest.raises(InvalidSettingsError) as caught:
        parse({key: text(value) for key, value in config.items()}, today=TODAY, **arguments)
    return {problem.key: problem for problem in caught.value.problems}


def stack_config(name: str) -> dict[str, object]:
    content = yaml.safe_load((ROOT / name).read_text())
    return content["config"]


def test_nothing_set_means_the_default_model_in_the_region_of_everything_else() -> None:
    found = parse({}, today=TODAY)
    assert (found.model.name, found.model.version, found.model.sku) == (
        "gpt-5.4-mini",
        "2026-03-17",
        "GlobalStandard",
    )
    assert found.model.is_reasoning
    assert found.model.location == found.location
    assert found.host.http_auth_level == "function"
    assert not found.deletion_protection


def test_the_model_can_have_a_region_of_its_own() -> None:
    found = parse({"openaiLocation": "swedencentral"}, today=TODAY)
    assert (found.model.location, found.location) == ("swedencentral", "eastus2")


@pytest.mark.parametrize("key", ["location", "openaiLocation"])
def test_a_region_that_is_not_listed_is_taken_where_a_setting_names_it(key: str) -> None:
    settings = parse({key: "eastus99", "unlistedRegions": '["eastus99"]'}, today=TODAY)
    assert settings.model.location == "eastus99"


def test_a_region_without_the_model_is_refused_under_the_key_that_places_the_model() -> None:
    (problem,) = problems_of({"location": "westus2"}).values()
    assert (problem.key, problem.value) == ("openaiLocation", "westus2")
    assert problem.commands == (("set", "openaiLocation", "eastus2"),)


def test_a_model_of_one_region_only_by_its_sku_is_refused_elsewhere() -> None:
    europe: dict[str, object] = {"openaiLocation": "swedencentral", "modelSku": "DataZoneStandard"}
    assert "gpt-5.4-mini as DataZoneStandard" in problems_of(europe)["openaiLocation"].rule
    parse({"openaiLocation": "swedencentral", "modelSku": "GlobalStandard"}, today=TODAY)


def test_the_model_regions_are_regions_of_the_table_and_the_models_are_known() -> None:
    assert MODEL_REGIONS.keys() <= {model.name for model in CHAT_MODELS}
    for skus in MODEL_REGIONS.values():
        assert all(regions and regions <= REGIONS.keys() for regions in skus.values())


def test_values_arrive_as_the_types_that_components_take() -> None:
    found = parse(
        {
            "instanceMemoryMB": "4096",
            "alwaysReady": '{"http": 2, "function:tidy": 1}',
            "corsOrigins": '["https://a.example.com", "http://localhost:3000"]',
            "tags": '{"owner": "team", "costCenter": 1234}',
            "deletionProtection": "true",
            "logDailyCapGB": "0",
            "nameSuffix": "b2",
        },
        today=TODAY,
    )
    assert found.host.instance_memory_mb == 4096
    assert list(found.host.always_ready.items()) == [("function:tidy", 1), ("http", 2)]
    assert found.host.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert found.tags == {"owner": "team", "costCenter": "1234"}
    assert found.deletion_protection
    assert found.logs.daily_cap_gb == 0
    assert found.name_suffix == "b2"


ACCEPTED: list[tuple[str, object]] = [
    *[("instanceMemoryMB", value) for value in (512, 2048, 4096)],
    *[("maximumInstanceCount", value) for value in (40, 1000)],
    *[("httpConcurrency", value) for value in (2, 1000)],
    *[("pythonVersion", value) for value in ("3.11", "3.12")],
    *[("httpAuthLevel", value) for value in ("function", "anonymous")],
    *[("logRetentionDays", value) for value in (30, 60, 90, 120, 180, 270, 365, 550, 730)],
    *[("modelSku", value) for value in ("GlobalStandard", "DataZoneStandard")],
    *[("modelCapacity", value) for value in (1, 100_000)],
    *[("modelMaxTokens", value) for value in (1, 128_000)],
    *[("modelTemperature", value) for value in ("0", "0.05", "1.99", "2", "2.00")],
    *[("assistantRetentionDays", value) for value in (0, 3650)],
    *[("logDailyCapGB", value) for value in (0, 4000)],
    ("corsOrigins", ["*"]),
    ("defaultInstructions", "x" * 32_768),
    ("defaultInstructions", "\U0001f600" * 16_384),
    ("nameSuffix", "abcd1234"),
    ("tags", {f"tag{number}": "v" * 256 for number in range(47)}),
    ("tags", {"n" * 128: ""}),
    ("alwaysReady", {"http": 40, "blob": 1, "durable": 1}),
]


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_values_at_the_edge_are_taken(key: str, value: object) -> None:
    parse({key: text(value)}, today=TODAY)


REFUSED: list[tuple[str, object, str]] = [
    ("location", "East US 2", "short name"),
    ("location", "", "short name"),
    ("openaiLocation", "Sweden Central", "short name"),
    ("location", "eastus99", "not listed in infra/settings/regions.py as a region with Flex Consumption"),
    ("location", "jioindiawest", "not listed in infra/settings/regions.py as a region with Flex Consumption"),
    ("location", "switzerlandnorth", 'unlistedRegions: ["switzerlandnorth"]'),
    ("openaiLocation", "westus2", "as a region with gpt-5.4-mini as GlobalStandard"),
    ("openaiLocation", "eastus99", "as a region with gpt-5.4-mini as GlobalStandard"),
    ("modelSku", "Standard", "for gpt-5.4-mini, which has DataZoneStandard, GlobalStandard"),
    ("unlistedRegions", "eastus99", "list of regions"),
    ("unlistedRegions", ["East US"], "short name"),
    ("unlistedRegions", [7], "as text"),
    ("modelName", "gpt-5.4-mimi", "not a model of infra/settings/models.py"),
    ("modelName", "no-such-thing-at-all", "not a model of infra/settings/models.py"),
    ("modelVersion", "2026-03-18", "not a version of gpt-5.4-mini"),
    ("modelSku", "globalstandard", "must be one of GlobalStandard"),
    ("modelCapacity", 0, "from 1 to 100000"),
    ("modelCapacity", 100_001, "from 1 to 100000"),
    ("modelCapacity", "ten", "whole number"),
    ("modelMaxTokens", 0, "from 1 to 128000"),
    ("modelMaxTokens", 128_001, "from 1 to 128000"),
    *[
        ("modelTemperature", value, "must be a number from 0 to 2 with at most two decimals")
        for value in ("2.01", "2.1", "3", "-1", "0.125", ".5", "1.", "01", "1,5", "0.5 ", "warm", "")
    ],
    ("modelIsReasoning", False, "must be true for gpt-5.4-mini"),
    ("modelIsReasoning", "yes", "true or false"),
    ("pythonVersion", "3.10", "must be one of 3.11, 3.12"),
    ("pythonVersion", "3.13", "must be one of 3.11, 3.12"),
    ("instanceMemoryMB", 1024, "must be one of 512, 2048, 4096"),
    ("maximumInstanceCount", 39, "from 40 to 1000"),
    ("maximumInstanceCount", 1001, "from 40 to 1000"),
    ("maximumInstanceCount", 99.5, "whole number"),
    ("alwaysReady", "http", "map of scale group"),
    ("alwaysReady", {"HTTP": 1}, "lower case"),
    ("alwaysReady", {"queue": 1}, "must be http, blob, durable"),
    ("alwaysReady", {"http": 0}, "from 1 to 1000"),
    ("alwaysReady", {"http": 1001}, "from 1 to 1000"),
    ("alwaysReady", {"http": True}, "from 1 to 1000"),
    ("alwaysReady", {"function:tidy": "1"}, "from 1 to 1000"),
    ("alwaysReady", {"http": 101}, "maximumInstanceCount = 100"),
    ("httpConcurrency", 1, "from 2 to 1000"),
    ("httpConcurrency", 1001, "from 2 to 1000"),
    ("httpAuthLevel", "Function", "function, anonymous"),
    ("httpAuthLevel", "admin", "function, anonymous"),
    ("defaultInstructions", "x" * 32_769, "at most 32768 UTF-16 units, has 32769"),
    ("defaultInstructions", "\U0001f600" * 16_385, "has 32770"),
    ("defaultInstructions", " \n", "only white space"),
    ("defaultInstructions", "a\0b", "NUL"),
    ("logRetentionDays", 31, "must be one of 30, 60"),
    ("assistantRetentionDays", -1, "from 0 to 3650"),
    ("assistantRetentionDays", 3651, "from 0 to 3650"),
    ("logDailyCapGB", -1, "from 0 to 4000"),
    ("logDailyCapGB", 4001, "from 0 to 4000"),
    ("corsOrigins", "https://a.example.com", "list of origins"),
    ("corsOrigins", ["*", "https://a.example.com"], "only * or only named"),
    ("corsOrigins", ["https://a.example.com/"], "nothing after it"),
    ("corsOrigins", ["https://*.example.com"], "nothing after it"),
    ("corsOrigins", ["a.example.com"], "nothing after it"),
    ("corsOrigins", ["https://a.test", "https://a.test"], "twice"),
    ("corsOrigins", [7], "nothing after it"),
    ("tags", ["a"], "map of name to text"),
    ("tags", {f"tag{number}": "" for number in range(48)}, "at most 47"),
    ("tags", {"a<b": "x"}, "without < >"),
    ("tags", {"": "x"}, "1 to 128"),
    ("tags", {"n" * 129: "x"}, "1 to 128"),
    ("tags", {"Microsoft-x": "x"}, "reserved"),
    ("tags", {"Stack": "x"}, "the program sets itself"),
    ("tags", {"pullrequest": "x"}, "the program sets itself"),
    ("tags", {"owner": "x", "Owner": "y"}, "ignore case"),
    ("tags", {"owner": "v" * 257}, "at most 256"),
    ("tags", {"owner": None}, "must be text"),
    ("deletionProtection", "True", "true or false"),
    ("nameSuffix", "My-Suffix", "8 lower-case"),
    ("nameSuffix", "abcdefghi", "8 lower-case"),
]


@pytest.mark.parametrize(("key", "value", "rule"), REFUSED)
def test_a_refusal_names_the_key_the_value_and_the_rule(key: str, value: object, rule: str) -> None:
    found = problems_of({key: value})
    assert list(found) == [key]
    assert rule in found[key].rule
    assert found[key].value == text(value)


@pytest.mark.parametrize(("key", "value", "_rule"), REFUSED)
def test_the_commands_of_a_refusal_fix_it(key: str, value: object, _rule: str) -> None:
    config: dict[str, Any] = {key: value}
    for _ in range(8):  # a fix may uncover another problem of the same value
        try:
            parse({name: text(content) for name, content in config.items()}, today=TODAY)
        except InvalidSettingsError as error:
            for problem in error.problems:
                assert problem.commands
                for command in problem.commands:
                    run_config_command(config, command)
        else:
            return
    pytest.fail(f"still refused: {config}")


def run_config_command(config: dict[str, Any], command: tuple[str, ...]) -> None:
    """What `pulumi config set|rm [--path] ...` does to a stack file."""
    verb, *arguments = command
    if "--path" not in arguments:
        if verb == "set":
            config[arguments[0]] = arguments[1]
        else:
            config.pop(arguments[0], None)
        return
    _, path, *value = arguments
    parts: list[Any] = [
        int(index) if index else json.loads(quoted) if quoted else bare
        for bare, index, quoted in re.findall(r'([A-Za-z_]\w*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]', path)
    ]
    target: Any = config
    for part, following in pairwise(parts):
        if part not in target and not isinstance(part, int):
            target[part] = [] if isinstance(following, int) else {}
        target = target[part]
    if verb == "rm":
        del target[parts[-1]]
        return
    item: object = int(value[0]) if value[0].isdigit() else value[0]
    if isinstance(parts[-1], int):  # an index just behind the end appends
        target[parts[-1] : parts[-1] + 1] = [item]
    else:
        target[parts[-1]] = item


def test_a_non_reasoning_model_needs_the_flag_off() -> None:
    config: dict[str, object] = {"modelName": "gpt-4.1-mini", "modelVersion": "2025-04-14"}
    (problem,) = problems_of(config).values()
    assert problem.key == "modelIsReasoning"
    assert problem.commands == (("set", "modelIsReasoning", "false"),)
    parse({**{key: text(value) for key, value in config.items()}, "modelIsReasoning": "false"}, today=TODAY)


def test_a_deprecated_model_is_refused_with_a_usable_one() -> None:
    (problem,) = problems_of(
        {"modelName": "gpt-4o-mini", "modelVersion": "2024-07-18", "modelIsReasoning": False}
    ).values()
    assert "deprecated" in problem.rule
    assert ("set", "modelName", "gpt-5.4-mini") in problem.commands
    assert ("set", "modelIsReasoning", "true") in problem.commands


@pytest.mark.parametrize(("day", "usable"), [(date(2027, 9, 20), True), (date(2027, 9, 21), False)])
def test_a_model_is_refused_from_the_day_it_retires(day: date, usable: bool) -> None:
    if usable:
        parse({}, today=day)
        return
    with pytest.raises(InvalidSettingsError, match="retired on 2027-09-21"):
        parse({}, today=day)


def test_when_every_model_has_retired_the_refusal_still_comes() -> None:
    with pytest.raises(InvalidSettingsError, match="retired"):
        parse({}, today=date(2040, 1, 1))


@pytest.mark.parametrize("model", CHAT_MODELS, ids=lambda model: f"{model.name}-{model.version}")
def test_every_listed_model_is_usable_with_its_own_flag_alone(model: Any) -> None:
    raw = {
        "modelName": model.name,
        "modelVersion": model.version,
        "modelIsReasoning": json.dumps(model.is_reasoning),
    }
    if model.deprecated:
        with pytest.raises(InvalidSettingsError):
            parse(raw, today=TODAY)
        return
    assert parse(raw, today=TODAY).model.name == model.name
    raw["modelIsReasoning"] = json.dumps(not model.is_reasoning)
    with pytest.raises(InvalidSettingsError):
        parse(raw, today=TODAY)


def test_a_combination_that_includes_an_invalid_value_is_not_checked() -> None:
    assert list(problems_of({"openaiLocation": "northeurope"})) == ["openaiLocation"]
    assert list(problems_of({"openaiLocation": "northeurope", "modelSku": "Global"})) == ["modelSku"]


@pytest.mark.parametrize(("count", "memory"), [(125, 4096), (1000, 512)])
def test_ready_instances_may_fill_the_memory_of_a_region(count: int, memory: int) -> None:
    config = {"alwaysReady": {"http": count}, "maximumInstanceCount": count, "instanceMemoryMB": memory}
    parse({key: text(value) for key, value in config.items()}, today=TODAY)


def test_ready_instances_must_fit_the_memory_of_a_region() -> None:
    found = problems_of({"alwaysReady": {"http": 126}, "maximumInstanceCount": 200, "instanceMemoryMB": 4096})
    assert "512000 MB" in found["alwaysReady"].rule
    assert found["alwaysReady"].commands == (("set", "instanceMemoryMB", "2048"),)


@pytest.mark.parametrize(
    ("groups", "count", "memory", "command"),
    [
        ({"http": 250}, 250, 4096, ("set", "instanceMemoryMB", "2048")),
        ({"http": 1000}, 40, 512, ("set", "maximumInstanceCount", "1000")),
        ({"http": 999, "blob": 1, "durable": 1}, 1000, 512, ("rm", "alwaysReady")),
    ],
)
def test_too_many_ready_instances_are_refused_with_the_largest_value_that_fits(
    groups: dict[str, int], count: int, memory: int, command: tuple[str, ...]
) -> None:
    config: dict[str, object] = {
        "alwaysReady": groups,
        "maximumInstanceCount": count,
        "instanceMemoryMB": memory,
    }
    assert problems_of(config)["alwaysReady"].commands == (command,)


def test_all_problems_come_in_one_error_in_words_to_paste() -> None:
    raw = {
        "instanceMemoryMB": "1024",
        "loction": "westus",
        "httpAuthLevel": "anonymus",
        "tags": '{"a b": null}',
    }
    with pytest.raises(pulumi.RunError) as caught:
        parse(raw, today=TODAY, stack="prod")
    assert str(caught.value) == "\n".join(
        [
            "stack prod has 4 settings that cannot be used:",
            "",
            '  loction = "westus"',
            "    is not a setting; the nearest is location",
            "    > pulumi config rm --stack prod loction",
            "    > pulumi config set --stack prod location westus",
            "",
            '  instanceMemoryMB = "1024"',
            "    must be one of 512, 2048, 4096 (MB)",
            "    > pulumi config set --stack prod instanceMemoryMB 512",
            "",
            '  httpAuthLevel = "anonymus"',
            "    must be one of function, anonymous",
            "    > pulumi config set --stack prod httpAuthLevel anonymous",
            "",
            '  tags = "{\\"a b\\": null}"',
            "    has null for a b: must be text of at most 256 characters",
            "    > pulumi config rm --stack prod --path 'tags[\"a b\"]'",
        ]
    )


@pytest.mark.parametrize(("length", "displayed"), [(80, "x" * 80), (81, "x" * 77 + "...")])
def test_a_long_value_is_truncated_in_the_message(length: int, displayed: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"httpAuthLevel": "x" * length}, today=TODAY)
    assert f'httpAuthLevel = "{displayed}"\n' in str(caught.value)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("Location", "location"),
        ("instanceMemoryMb", "instanceMemoryMB"),
        ("modelversion", "modelVersion"),
        ("corsOrigin", "corsOrigins"),
        ("tags.owner", "tags.owner"),
        ("alwaysReady.http", "alwaysReady.http"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key: str, nearest: str) -> None:
    (problem,) = problems_of({key: "x"}).values()
    assert problem.rule == f"is not a setting; the nearest is {nearest}"


def test_a_key_like_no_other_is_refused_with_all_there_are() -> None:
    (problem,) = problems_of({"zzzzzz": "x"}).values()
    assert all(key in problem.rule for key in SETTINGS)
    assert problem.commands == (("rm", "zzzzzz"),)


def test_a_setting_stored_as_a_secret_is_refused_and_not_shown() -> None:
    raw = {"defaultInstructions": "hidden words", "unheard": "hidden too"}
    with pytest.raises(InvalidSettingsError) as caught:
        parse(raw, today=TODAY, secret_keys={"defaultInstructions", "unheard"})
    assert "stored as a secret" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_sets_known_keys_to_values_that_can_be_used(name: str) -> None:
    config = stack_config(name)
    assert config.keys() <= SETTINGS.keys()
    parse({key: text(value) for key, value in config.items()}, today=TODAY)


def test_there_are_these_stacks_and_only_prod_is_protected() -> None:
    protected = {
        name.removeprefix("Pulumi.").removesuffix(".yaml"): stack_config(name).get(
            "deletionProtection", False
        )
        for name in STACK_FILES
    }
    assert protected == {"dev": False, "local": False, "pr": False, "prod": True, "test": False}


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_says_which_environment_it_is(name: str) -> None:
    tags = cast("dict[str, str]", stack_config(name)["tags"])
    assert tags["environment"] == name.removeprefix("Pulumi.").removesuffix(".yaml")


def test_the_stack_of_a_pull_request_takes_its_settings_from_the_committed_file(run_stack: RunStack) -> None:
    defaults = {name: key.default for name, key in SETTINGS.items()}
    stack = run_stack(defaults, stack="pr-7")

    capacity = stack["chat-model"].inputs["sku"]["capacity"]
    assert capacity == stack_config("Pulumi.pr.yaml")["modelCapacity"] != defaults["modelCapacity"]
    assert stack["group"].inputs["tags"] == {
        "project": "assistant",
        "stack": "pr-7",
        "environment": "pr",
        "pullRequest": "7",
    }


def test_no_other_stack_takes_settings_from_the_pull_requests_file(run_stack: RunStack) -> None:
    assert "environment" not in run_stack(stack="pr-x")["group"].inputs["tags"]


@pytest.mark.parametrize(
    ("stack", "file", "content", "version"),
    [
        ("dev", "Pulumi.dev.yaml", 'config:\n  assistant:pythonVersion: "3.11"\n', "3.11"),
        ("dev", "Pulumi.dev.yaml", "config:\n  assistant:pythonVersion: 3.11\n", "3.11"),
        ("pr-7", "Pulumi.pr.yaml", 'config:\n  assistant:pythonVersion: "3.11"\n', "3.11"),
        ("pr-7", "Pulumi.pr-7.yaml", 'config:\n  assistant:pythonVersion: "3.11"\n', "3.12"),
        ("dev", "Pulumi.dev.yaml", "config:\n  assistant:location: eastus2\n", "3.12"),
        ("dev", "Pulumi.dev.yaml", "encryptionsalt: v1:x\n", "3.12"),
        ("dev", "Pulumi.dev.yaml", "", "3.12"),
        ("dev", "Pulumi.prod.yaml", 'config:\n  assistant:pythonVersion: "3.11"\n', "3.12"),
    ],
)
def test_a_package_is_built_for_the_python_of_the_stacks_file(
    tmp_path: Path, stack: str, file: str, content: str, version: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: assistant\n")
    (tmp_path / file).write_text(content)

    assert python_version_of(stack, tmp_path) == version


def test_what_is_wrong_in_the_pull_requests_file_is_fixed_there() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        parse({"instanceMemoryMB": "1"}, today=TODAY, stack="pr-7")
    assert "> pulumi config set --stack pr-7 --config-file Pulumi.pr.yaml instanceMemoryMB 512" in str(
        caught.value
    )


def test_pulumi_yaml_has_no_main_so_that_one_folder_holds_the_virtualenv_and_the_program() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert project["name"] == "assistant"
    assert "main" not in project
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}


def test_own_tags_are_on_the_resources_beside_those_of_the_settings(run_stack: RunStack) -> None:
    tags = run_stack({"tags": {"owner": "team"}})["storage-account"].inputs["tags"]
    assert tags == {"owner": "team", "project": "assistant", "stack": "dev"}
    assert tags.keys() - {"owner"} == set(OWN_TAGS) - {PULL_REQUEST_TAG}


@pytest.mark.parametrize("stack", ["dev", "pr-7"])
def test_an_unknown_key_stops_the_program_before_anything_is_made(run_stack: RunStack, stack: str) -> None:
    with pytest.raises(InvalidSettingsError, match="nearest is location"):
        run_stack({"lokation": "eastus2"}, stack=stack)


def test_an_unknown_key_is_seen_where_only_the_language_host_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all_config({}, [])
    monkeypatch.setattr(pulumi, "get_project", lambda: "assistant")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    monkeypatch.setenv(
        "PULUMI_CONFIG", json.dumps({"assistant:lokation": "x", "azure-native:location": "eastus2"})
    )
    with pytest.raises(InvalidSettingsError) as caught:
        reading.read()
    assert [problem.key for problem in caught.value.problems] == ["lokation"]
