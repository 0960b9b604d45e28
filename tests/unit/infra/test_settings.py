import json
import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config

from infra.settings import SETTINGS, InvalidSettingsError, Problem, Settings, parse, python_warnings, reading
from infra.settings.models import CHAT_MODELS, ChatModel
from infra.settings.regions import FLEX_REGIONS, MODEL_ACCOUNT_REGIONS, MODEL_REGIONS, REGIONS
from infra.settings.rules import OWN_TAGS
from infra.stacks import PULL_REQUEST_TAG
from local_azure.core.regions import FLEX_CONSUMPTION
from local_azure.services.cognitiveservices.models import ACCOUNT_REGIONS, offers
from tests.unit.infra.recording import ROOT, run_program

TODAY = date(2026, 11, 23)
STACK_FILES = {path.suffixes[0][1:]: path for path in ROOT.glob("Pulumi.*.yaml")}


def parsed(config: Mapping[str, object], today: date = TODAY, **arguments: Any) -> Settings:
    """`config`: values as in a stack's file."""
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return parse(raw, today=today, **arguments)


def error_of(config: Mapping[str, object], **arguments: Any) -> InvalidSettingsError:
    with pytest.raises(InvalidSettingsError) as raised:
        parsed(config, **arguments)
    return raised.value


def problem_of(config: Mapping[str, object]) -> Problem:
    (problem,) = error_of(config).problems
    return problem


def stack_config(stack: str) -> dict[str, Any]:
    return yaml.safe_load(STACK_FILES[stack].read_text())["config"]


def test_the_default_is_the_default_model_in_the_region_of_everything_else() -> None:
    settings = parsed({})
    model = settings.model
    assert (model.name, model.version, model.sku) == ("gpt-5.4-mini", "2026-03-17", "GlobalStandard")
    assert model.is_reasoning
    assert model.location == settings.location == "eastus2"
    assert settings.host.http_auth_level == "function"
    assert not settings.deletion_protection
    assert parsed({"openaiLocation": "swedencentral"}).model.location == "swedencentral"


def test_values_have_the_types_that_components_take() -> None:
    settings = parsed(
        {
            "alwaysReady": {"http": 2, "function:tidy": 1},
            "corsOrigins": ["https://a.example.com", "http://localhost:3000"],
            "tags": {"owner": "team", "costCenter": 1234},
        }
    )
    assert list(settings.host.always_ready.items()) == [("function:tidy", 1), ("http", 2)]
    assert settings.host.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert settings.tags == {"owner": "team", "costCenter": "1234"}


RANGES = {
    "modelCapacity": (1, 100_000),
    "modelMaxTokens": (1, 128_000),
    "maximumInstanceCount": (40, 1000),
    "httpConcurrency": (2, 1000),
    "assistantRetentionDays": (0, 3650),
    "maxConversationMessages": (0, 2048),
    "logDailyCapGB": (0, 4000),
}
CHOICES: dict[str, tuple[object, ...]] = {
    "instanceMemoryMB": (512, 2048, 4096),
    "pythonVersion": ("3.11", "3.14"),
    "httpAuthLevel": ("function", "anonymous"),
    "logRetentionDays": (30, 60, 90, 120, 180, 270, 365, 550, 730),
    "modelSku": ("GlobalStandard", "DataZoneStandard"),
    "modelTemperature": ("0", "0.05", "1", "1.99", "2", "2.00"),
}
GPT_4_1 = {"modelName": "gpt-4.1-mini", "modelVersion": "2025-04-14"}
ACCEPTED: list[dict[str, object]] = [
    *({key: value} for key, values in {**RANGES, **CHOICES}.items() for value in values),
    {"corsOrigins": ["*"]},
    {"defaultInstructions": "x" * 32_768},
    {"defaultInstructions": "\U0001f600" * 16_384},
    {"nameSuffix": "abcd1234"},
    {"tags": {f"tag{number}": "v" * 256 for number in range(47)}},
    {"tags": {"n" * 128: ""}},
    {"alwaysReady": {"http": 98, "blob": 1, "durable": 1}},
    {"location": "eastus99", "unlistedRegions": ["eastus99"]},
    {"openaiLocation": "eastus99", "unlistedRegions": ["eastus99"]},
    {"openaiLocation": "swedencentral", "modelSku": "GlobalStandard"},
    {**GPT_4_1, "modelIsReasoning": False},
]


@pytest.mark.parametrize("config", ACCEPTED)
def test_values_and_combinations_at_the_limits_are_valid(config: dict[str, object]) -> None:
    parsed(config)


REFUSED: list[tuple[str, str, list[object]]] = [
    *((key, f"from {low} to {high}", [low - 1, high + 1]) for key, (low, high) in RANGES.items()),
    ("location", "short name", ["East US 2", ""]),
    ("openaiLocation", "short name", ["Sweden Central"]),
    (
        "location",
        "not listed in infra/settings/regions.py as a region with Flex",
        ["eastus99", "jioindiawest"],
    ),
    ("location", 'unlistedRegions: ["switzerlandnorth"]', ["switzerlandnorth"]),
    ("openaiLocation", "as a region with gpt-5.4-mini as GlobalStandard", ["westus2", "eastus99"]),
    ("modelSku", "for gpt-5.4-mini, which has DataZoneStandard, GlobalStandard", ["Standard"]),
    ("unlistedRegions", "list of regions", ["eastus99"]),
    ("unlistedRegions", "short name", [["East US"]]),
    ("unlistedRegions", "as text", [[7]]),
    ("modelName", "not a model of infra/settings/models.py", ["gpt-5.4-mimi", "no-such-thing-at-all"]),
    ("modelVersion", "not a version of gpt-5.4-mini", ["2026-03-18"]),
    ("modelSku", "must be one of GlobalStandard", ["globalstandard"]),
    ("modelCapacity", "whole number", ["ten", 99.5]),
    (
        "modelTemperature",
        "must be a number from 0 to 2 with at most two decimals, as 0.5",
        ["2.01", "2.1", "3", "-1", "0.125", ".5", "1.", "01", "1,5", "0.5 ", "warm", ""],
    ),
    ("modelIsReasoning", "must be true for gpt-5.4-mini", [False]),
    ("modelIsReasoning", "true or false", ["yes"]),
    ("pythonVersion", "must be one of 3.11, 3.12, 3.13, 3.14", ["3.10", "3.15"]),
    ("instanceMemoryMB", "must be one of 512, 2048, 4096", [1024]),
    ("alwaysReady", "map of scale group", ["http"]),
    ("alwaysReady", "lower case", [{"HTTP": 1}]),
    ("alwaysReady", "must be http, blob, durable", [{"queue": 1}]),
    ("alwaysReady", "from 1 to 1000", [{"http": 0}, {"http": 1001}, {"http": True}, {"function:tidy": "1"}]),
    ("alwaysReady", "maximumInstanceCount = 100", [{"http": 101}]),
    ("httpAuthLevel", "function, anonymous", ["Function", "admin"]),
    ("defaultInstructions", "at most 32768 UTF-16 units, has 32769", ["x" * 32_769]),
    ("defaultInstructions", "has 32770", ["\U0001f600" * 16_385]),
    ("defaultInstructions", "only white space", [" \n"]),
    ("defaultInstructions", "NUL", ["a\0b"]),
    ("logRetentionDays", "must be one of 30, 60", [31]),
    ("corsOrigins", "list of origins", ["https://a.example.com"]),
    ("corsOrigins", "only * or only named", [["*", "https://a.example.com"]]),
    ("corsOrigins", "nothing after it", [["https://a.test/"], ["https://*.test"], ["a.example.com"], [7]]),
    ("corsOrigins", "twice", [["https://a.test", "https://a.test"]]),
    ("tags", "map of name to text", [["a"]]),
    ("tags", "at most 47", [{f"tag{number}": "" for number in range(48)}]),
    ("tags", "a name is 1 to 128 characters without < >", [{"a<b": "x"}, {"": "x"}, {"n" * 129: "x"}]),
    ("tags", "reserved", [{"Microsoft-x": "x"}]),
    ("tags", "the program sets itself", [{"Stack": "x"}, {"pullrequest": "x"}]),
    ("tags", "ignore case", [{"owner": "x", "Owner": "y"}]),
    ("tags", "must be text of at most 256", [{"owner": "v" * 257}, {"owner": None}]),
    ("deletionProtection", "true or false", ["True"]),
    ("nameSuffix", "8 lower-case", ["My-Suffix", "abcdefghi"]),
]


@pytest.mark.parametrize(
    ("key", "rule", "value"), [(key, rule, value) for key, rule, values in REFUSED for value in values]
)
def test_an_invalid_value_is_reported_with_its_rule_and_commands_that_fix_it(
    key: str, rule: str, value: object
) -> None:
    problem = problem_of({key: value})
    assert (problem.key, problem.value) == (key, value if isinstance(value, str) else json.dumps(value))
    assert rule in problem.rule
    config: dict[str, Any] = {key: value}
    for _ in range(8):  # a fix may uncover another problem of the same value
        try:
            parsed(config)
        except InvalidSettingsError as error:
            for problem in error.problems:
                assert problem.commands
                for command in problem.commands:
                    run_config_command(config, command)
        else:
            return
    pytest.fail(f"still invalid: {config}")


def run_config_command(config: dict[str, Any], command: tuple[str, ...]) -> None:
    """What `pulumi config set|rm [--path] ...` does to a stack's file."""
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
    content: object = int(value[0]) if value[0].isdigit() else value[0]
    if isinstance(parts[-1], int):  # an index just behind the end appends
        target[parts[-1] : parts[-1] + 1] = [content]
    else:
        target[parts[-1]] = content


@pytest.mark.parametrize(
    ("config", "rule", "commands"),
    [
        ({"modelTemperature": "warm"}, "must be a number", "modelTemperature=0.5"),
        ({"location": "westus2"}, "is not listed", "openaiLocation=eastus2"),
        (
            {"openaiLocation": "swedencentral", "modelSku": "DataZoneStandard"},
            "gpt-5.4-mini as DataZoneStandard",
            "openaiLocation=eastus2",
        ),
        (GPT_4_1, "must be false for gpt-4.1-mini", "modelIsReasoning=false"),
        (
            {"modelName": "gpt-4o-mini", "modelVersion": "2024-07-18", "modelIsReasoning": False},
            "2024-07-18 is deprecated: Azure refuses new deployments, and it retires on 2027-04-14",
            "modelName=gpt-5.4-mini modelVersion=2026-03-17 modelIsReasoning=true",
        ),
        (
            {"modelName": "gpt-5-nanoo"},
            "usable today: gpt-4o, gpt-4.1",
            "modelName=gpt-5-nano modelVersion=2025-08-07",
        ),
        (
            {"modelName": "no-such-thing-at-all"},
            "is not a model",
            "modelName=gpt-5.6-terra modelVersion=2026-07-09",  # retires last
        ),
        ({"modelSku": "Standard"}, "has DataZoneStandard, GlobalStandard", "modelSku=GlobalStandard"),
        ({"location": "switzerlandnorth"}, "with Flex Consumption", "location=eastus2"),
        ({"location": "swedencentrl"}, "with Flex Consumption", "location=swedencentral"),
        ({"alwaysReady": {"http": 1000}}, "keeps 1000 instances ready", "maximumInstanceCount=1000"),
    ],
)
def test_the_commands_of_a_problem_set_the_nearest_valid_value(
    config: dict[str, object], rule: str, commands: str
) -> None:
    problem = error_of(config).problems[0]
    assert problem.commands == tuple(("set", *pair.split("=")) for pair in commands.split())
    assert rule in problem.rule


def test_more_ready_instances_than_azure_has_are_removed() -> None:
    problem = problem_of({"alwaysReady": {"http": 1000, "blob": 1}, "maximumInstanceCount": 1000})
    assert problem.commands == (("rm", "alwaysReady"),)


def test_a_combination_with_an_invalid_value_is_not_checked() -> None:
    assert problem_of({"openaiLocation": "northeurope"}).key == "openaiLocation"
    assert problem_of({"openaiLocation": "northeurope", "modelSku": "Global"}).key == "modelSku"


def test_a_model_is_refused_from_the_day_on_which_it_retires() -> None:
    parsed({}, today=date(2027, 9, 20))
    for today in (date(2027, 9, 21), date(2040, 1, 1)):  # on the second, all have retired
        assert "retired on 2027-09-21" in str(error_of({}, today=today))


@pytest.mark.parametrize("model", CHAT_MODELS, ids=lambda model: f"{model.name}-{model.version}")
def test_every_model_of_the_table_needs_its_own_flag(model: ChatModel) -> None:
    config: dict[str, object] = {"modelName": model.name, "modelVersion": model.version}
    if not model.deprecated:
        assert parsed({**config, "modelIsReasoning": model.is_reasoning}).model.name == model.name
    error_of({**config, "modelIsReasoning": not model.is_reasoning})


def test_the_table_of_model_regions_has_known_models_and_regions() -> None:
    assert MODEL_REGIONS.keys() <= {model.name for model in CHAT_MODELS}
    for skus in MODEL_REGIONS.values():
        assert all(regions and regions <= REGIONS for regions in skus.values())


def test_local_azure_has_the_regions_of_the_settings() -> None:
    assert (FLEX_CONSUMPTION, ACCOUNT_REGIONS["OpenAI"]) == (FLEX_REGIONS, MODEL_ACCOUNT_REGIONS)
    for model, skus in MODEL_REGIONS.items():
        assert skus.items() <= offers(model).items()


def test_all_problems_are_in_one_message_with_commands_to_paste() -> None:
    raw = {
        "instanceMemoryMB": "1024",
        "loction": "westus",
        "httpAuthLevel": "anonymus",
        "tags": '{"a b": null}',
    }
    error = error_of(raw, stack="prod")
    assert isinstance(error, pulumi.RunError)  # the engine prints it without a traceback
    assert str(error) == "\n".join(
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
    assert f'httpAuthLevel = "{displayed}"\n' in str(error_of({"httpAuthLevel": "x" * length}))


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
def test_an_unknown_key_is_reported_with_the_nearest_known_one(key: str, nearest: str) -> None:
    assert problem_of({key: "x"}).rule == f"is not a setting; the nearest is {nearest}"


def test_a_key_like_no_other_is_reported_with_all_settings() -> None:
    problem = problem_of({"zzzzzz": "x"})
    assert all(key in problem.rule for key in SETTINGS)
    assert problem.commands == (("rm", "zzzzzz"),)


def test_a_setting_stored_as_a_secret_is_refused_and_not_displayed() -> None:
    config = {"defaultInstructions": "hidden words", "unknown": "hidden too", "locatio": "hidden region"}
    message = str(error_of(config, secret_keys={*config}))
    assert "stored as a secret" in message
    assert "hidden" not in message


def test_the_stack_files_have_valid_settings_and_only_prod_is_protected() -> None:
    assert STACK_FILES.keys() == {"dev", "local", "pr", "prod", "test"}
    for stack in STACK_FILES:
        config = stack_config(stack)
        assert config["tags"]["environment"] == stack
        assert parsed(config).deletion_protection is (stack == "prod")


def test_the_stack_of_a_pull_request_gets_its_settings_from_the_committed_file() -> None:
    defaults = {key: setting.default for key, setting in SETTINGS.items()}
    run = run_program(defaults, stack="pr-7")
    capacity = run["chat-model"].inputs["sku"]["capacity"]
    assert capacity == stack_config("pr")["modelCapacity"] != defaults["modelCapacity"]
    tags = {"project": "assistant", "stack": "pr-7", "environment": "pr", "pullRequest": "7"}
    assert run["group"].inputs["tags"] == tags


def test_no_other_stack_gets_settings_from_the_file_of_pull_requests() -> None:
    assert "environment" not in run_program(stack="pr-x")["group"].inputs["tags"]


def test_a_problem_of_a_pull_requests_stack_is_fixed_in_its_file() -> None:
    command = "> pulumi config set --stack pr-7 --config-file Pulumi.pr.yaml instanceMemoryMB 512"
    assert command in str(error_of({"instanceMemoryMB": "1"}, stack="pr-7"))


def test_pulumi_yaml_has_no_main_so_that_one_folder_has_the_virtualenv_and_the_program() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert project["name"] == "assistant"
    assert "main" not in project
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}


def test_resources_have_the_tags_of_the_settings_and_the_programs_own() -> None:
    tags = run_program({"tags": {"owner": "team"}})["storage-account"].inputs["tags"]
    assert tags == {"owner": "team", "project": "assistant", "stack": "dev"}
    assert tags.keys() - {"owner"} == set(OWN_TAGS) - {PULL_REQUEST_TAG}


def test_an_unknown_key_is_reported_although_only_the_language_host_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all_config({}, [])
    monkeypatch.setattr(pulumi, "get_project", lambda: "assistant")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    config = {"assistant:lokation": "x", "azure-native:location": "eastus2"}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    with pytest.raises(InvalidSettingsError) as raised:
        reading.read()
    assert [problem.key for problem in raised.value.problems] == ["lokation"]


@pytest.mark.parametrize(
    ("wanted", "built_for", "today", "warnings"),
    [
        ("3.13", "3.13", date(2026, 12, 1), []),
        ("3.11", "3.11", date(2026, 10, 30), []),
        ("3.11", "3.11", date(2026, 10, 31), ["3.11 ends on 2027-10-31.*pythonVersion 3.13"]),
        ("3.13", "3.12", date(2026, 12, 1), ["runs on it instead of on pythonVersion 3.13"]),
        ("3.13", "3.11", date(2026, 12, 1), ["built for Python 3.11", "support of Python 3.11"]),
    ],
)
def test_a_python_near_its_end_or_unlike_the_setting_is_a_warning(
    wanted: str, built_for: str, today: date, warnings: list[str]
) -> None:
    actual = python_warnings(wanted, built_for, today)
    assert len(actual) == len(warnings)
    assert all(re.search(pattern, text) for pattern, text in zip(warnings, actual, strict=True))
