"""The stack's settings: one frozen object, read once and checked before anything is made.

`KEYS` are the names and defaults (the same as in Pulumi.yaml; a test holds them
together), rules.py says what one value must satisfy, and `parse` adds what several must
satisfy together. Whatever is wrong comes in one error, each problem with the command
that mends it.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import yaml

from infra.package import DEFAULT_PYTHON, PROJECT_ROOT, SUPPORTED_PYTHON
from infra.settings import rules
from infra.settings.models import CHAT_MODELS, ChatModel
from infra.settings.regions import FLEX_REGIONS, MODEL_REGIONS, REGIONS, model_regions
from infra.settings.rules import Command, HttpAuthLevel, command, nearest
from infra.settings.stack_config import (
    InvalidSettingsError,
    Key,
    Problem,
    StackFile,
    read_stack_file,
    read_values,
    stack_config,
    value_of,
)
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of

T = TypeVar("T")


@dataclass(frozen=True)
class ModelSettings:
    """The chat model. `capacity` is in thousands of tokens per minute.

    A reasoning model gets neither `max_tokens` (of one reply) nor `temperature`.
    """

    location: str
    name: str
    version: str
    sku: str
    capacity: int
    is_reasoning: bool
    max_tokens: int
    temperature: str


@dataclass(frozen=True)
class HostSettings:
    """The function app. `default_instructions` is empty where the app's own hold; 0 days means for ever."""

    python_version: str
    instance_memory_mb: int
    maximum_instance_count: int
    always_ready: Mapping[str, int]
    http_concurrency: int
    http_auth_level: HttpAuthLevel
    default_instructions: str
    expose_instructions: bool
    chat_page: bool
    assistant_retention_days: int
    cors_origins: Sequence[str]


@dataclass(frozen=True)
class LogSettings:
    """Log Analytics. `daily_cap_gb` 0 means no limit."""

    retention_days: int
    daily_cap_gb: int


@dataclass(frozen=True)
class Settings:
    location: str
    model: ModelSettings
    host: HostSettings
    logs: LogSettings
    tags: Mapping[str, str]
    deletion_protection: bool
    name_suffix: str


KEYS: dict[str, Key[Any]] = {}


def _key(name: str, default: object, read: Callable[[str], T]) -> Key[T]:
    KEYS[name] = key = Key(name, default, read)
    return key


LOCATION = _key("location", "eastus2", rules.region)
OPENAI_LOCATION = _key("openaiLocation", "", rules.optional_region)
UNLISTED_REGIONS = _key("unlistedRegions", [], rules.regions)
MODEL_NAME = _key("modelName", "gpt-5.4-mini", str)
MODEL_VERSION = _key("modelVersion", "2026-03-17", str)
MODEL_SKU = _key("modelSku", "GlobalStandard", rules.one_of("GlobalStandard", "DataZoneStandard", "Standard"))
MODEL_CAPACITY = _key("modelCapacity", 50, rules.integer(1, 100_000, "thousand tokens per minute"))
MODEL_IS_REASONING = _key("modelIsReasoning", True, rules.boolean)
MODEL_MAX_TOKENS = _key("modelMaxTokens", 4096, rules.integer(1, 128_000, "tokens"))
MODEL_TEMPERATURE = _key("modelTemperature", "0.5", rules.temperature)
PYTHON_VERSION = _key("pythonVersion", DEFAULT_PYTHON, rules.one_of(*SUPPORTED_PYTHON))
INSTANCE_MEMORY = _key("instanceMemoryMB", 2048, rules.integer_of((512, 2048, 4096), "MB"))
# ARM may take less than 40 (terraform-provider-azurerm allows 1), but the service documents 40.
MAXIMUM_INSTANCES = _key("maximumInstanceCount", 100, rules.integer(40, 1000, "instances"))
ALWAYS_READY = _key("alwaysReady", {}, rules.always_ready)
# A post is two requests: its front waits for the function that has the binding. With one at a time every
# post would need a second instance.
HTTP_CONCURRENCY = _key("httpConcurrency", 16, rules.integer(2, 1000, "requests"))
HTTP_AUTH_LEVEL = _key("httpAuthLevel", "function", rules.auth_level)
DEFAULT_INSTRUCTIONS = _key("defaultInstructions", "", rules.instructions)
EXPOSE_INSTRUCTIONS = _key("exposeInstructions", True, rules.boolean)
CHAT_PAGE = _key("chatPage", True, rules.boolean)
ASSISTANT_RETENTION = _key("assistantRetentionDays", 0, rules.integer(0, 3650, "days"))
# The retentions of Application Insights, whose tables fill the workspace.
LOG_RETENTION = _key(
    "logRetentionDays", 30, rules.integer_of((30, 60, 90, 120, 180, 270, 365, 550, 730), "days")
)
LOG_DAILY_CAP = _key("logDailyCapGB", 1, rules.integer(0, 4000, "gigabytes a day"))
CORS_ORIGINS = _key("corsOrigins", [], rules.origins)
TAGS = _key("tags", {}, rules.tags)
DELETION_PROTECTION = _key("deletionProtection", False, rules.boolean)
NAME_SUFFIX = _key("nameSuffix", "", rules.suffix)

REGIONS_FILE = "infra/settings/regions.py"
REGIONAL_MEMORY_MB = 512_000
"""Memory of all Flex Consumption instances of a subscription in one region."""


def today() -> date:
    """The day on which a model must not have retired."""
    return datetime.now(UTC).date()


def read() -> Settings:
    """The settings of the stack that runs now. Raises `InvalidSettingsError`."""
    raw, secret_keys = stack_config()
    stack = pulumi.get_stack()
    path = _stack_file(stack, PROJECT_ROOT)
    file = read_stack_file(path)
    if pull_request_of(stack) is not None:
        if not path.is_file():
            raise pulumi.RunError(f"{path} is missing: get it back with `git checkout {path.name}`")
        raw |= own_keys(file, pulumi.get_project())
    return parse(raw, today=today(), stack=stack, secret_keys=secret_keys, duplicates=file.duplicates)


def _stack_file(stack: str, root: Path) -> Path:
    return root / (f"Pulumi.{stack}.yaml" if pull_request_of(stack) is None else EPHEMERAL_CONFIG)


def own_keys(file: StackFile, project: str) -> dict[str, str]:
    """What a stack's file sets, without the project's namespace.

    The committed file of all pull requests stands above a stack's own config: all that the program sees there
    are the defaults of Pulumi.yaml.
    """
    return {name.removeprefix(f"{project}:"): text for name, text in file.config.items()}


def python_version_of(stack: str, root: Path = PROJECT_ROOT) -> str:
    """The `pythonVersion` of a stack, from its file in a checkout: what a package for it is built for.

    It is not checked here: the program does that, and before it whoever builds or takes a package.
    """
    project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    config = own_keys(read_stack_file(_stack_file(stack, root)), project)
    return config.get(PYTHON_VERSION.name, DEFAULT_PYTHON)


def parse(
    raw: Mapping[str, str],
    *,
    today: date,
    stack: str = "dev",
    secret_keys: Collection[str] = (),
    duplicates: Sequence[Problem] = (),
) -> Settings:
    """Settings from the config of the project's own namespace, keys without it. Pure.

    Values are text as the engine hands them over; arrays and objects are JSON. `today`
    decides which models have retired; `duplicates` are problems of the stack's file. Raises
    `InvalidSettingsError` with every problem.
    """
    values, problems = read_values(KEYS, raw, secret_keys)
    problems += duplicates
    if {MODEL_NAME.name, MODEL_VERSION.name, MODEL_IS_REASONING.name} <= values.keys():
        problems += _model_problems(
            value_of(values, MODEL_NAME),
            value_of(values, MODEL_VERSION),
            value_of(values, MODEL_IS_REASONING),
            today,
        )
    if {LOCATION.name, UNLISTED_REGIONS.name} <= values.keys():
        problems += _location_problems(value_of(values, LOCATION), value_of(values, UNLISTED_REGIONS))
    placed = (LOCATION, OPENAI_LOCATION, UNLISTED_REGIONS, MODEL_NAME, MODEL_SKU)
    if {key.name for key in placed} <= values.keys() - {problem.key for problem in problems}:
        problems += _model_region_problems(
            value_of(values, OPENAI_LOCATION) or value_of(values, LOCATION),
            value_of(values, UNLISTED_REGIONS),
            value_of(values, MODEL_NAME),
            value_of(values, MODEL_SKU),
        )
    if {ALWAYS_READY.name, MAXIMUM_INSTANCES.name, INSTANCE_MEMORY.name} <= values.keys():
        problems += _ready_problems(
            value_of(values, ALWAYS_READY),
            value_of(values, MAXIMUM_INSTANCES),
            value_of(values, INSTANCE_MEMORY),
        )
    if problems:
        raise InvalidSettingsError(problems, stack)

    return Settings(
        location=value_of(values, LOCATION),
        model=ModelSettings(
            location=value_of(values, OPENAI_LOCATION) or value_of(values, LOCATION),
            name=value_of(values, MODEL_NAME),
            version=value_of(values, MODEL_VERSION),
            sku=value_of(values, MODEL_SKU),
            capacity=value_of(values, MODEL_CAPACITY),
            is_reasoning=value_of(values, MODEL_IS_REASONING),
            max_tokens=value_of(values, MODEL_MAX_TOKENS),
            temperature=value_of(values, MODEL_TEMPERATURE),
        ),
        host=HostSettings(
            python_version=value_of(values, PYTHON_VERSION),
            instance_memory_mb=value_of(values, INSTANCE_MEMORY),
            maximum_instance_count=value_of(values, MAXIMUM_INSTANCES),
            always_ready=value_of(values, ALWAYS_READY),
            http_concurrency=value_of(values, HTTP_CONCURRENCY),
            http_auth_level=value_of(values, HTTP_AUTH_LEVEL),
            default_instructions=value_of(values, DEFAULT_INSTRUCTIONS),
            expose_instructions=value_of(values, EXPOSE_INSTRUCTIONS),
            chat_page=value_of(values, CHAT_PAGE),
            assistant_retention_days=value_of(values, ASSISTANT_RETENTION),
            cors_origins=value_of(values, CORS_ORIGINS),
        ),
        logs=LogSettings(value_of(values, LOG_RETENTION), value_of(values, LOG_DAILY_CAP)),
        tags=value_of(values, TAGS),
        deletion_protection=value_of(values, DELETION_PROTECTION),
        name_suffix=value_of(values, NAME_SUFFIX),
    )


def _model_problems(name: str, version: str, is_reasoning: bool, today: date) -> list[Problem]:
    usable = [model for model in CHAT_MODELS if not model.deprecated and today < model.retires]
    of_name = [model for model in CHAT_MODELS if model.name == name]
    model = next((model for model in of_name if model.version == version), None)
    if not of_name:
        names = [model.name for model in usable]
        rule = f"is no model of infra/settings/models.py; usable today: {', '.join(names)}"
        return [Problem(MODEL_NAME.name, name, rule, _switch(usable, nearest(name, names), is_reasoning))]
    if model is None:
        versions = [model.version for model in of_name]
        rule = f"is no version of {name} in infra/settings/models.py; there is {', '.join(versions)}"
        return [Problem(MODEL_VERSION.name, version, rule, (command(MODEL_VERSION.name, versions[-1]),))]
    if model not in usable:
        rule = f"{version} retired on {model.retires}"
        if today < model.retires:
            rule = f"{version} is deprecated: it takes no new deployments and retires on {model.retires}"
        return [Problem(MODEL_NAME.name, name, rule, _switch(usable, MODEL_NAME.default, is_reasoning))]
    if is_reasoning is not model.is_reasoning:
        rule = f"must be false for {name}, or its answers have no token limit"
        if model.is_reasoning:
            rule = f"must be true for {name}, which refuses the max_tokens that is sent otherwise"
        mend = command(MODEL_IS_REASONING.name, json.dumps(model.is_reasoning))
        return [Problem(MODEL_IS_REASONING.name, json.dumps(is_reasoning), rule, (mend,))]
    return []


def _switch(usable: Sequence[ChatModel], name: str | None, is_reasoning: bool) -> tuple[Command, ...]:
    """Commands that turn to a usable model: the named one, else the one that retires last."""
    last_to_retire = sorted(usable, key=lambda model: (model.name == name, model.retires))[-1:]
    commands: list[Command] = []
    for model in last_to_retire:
        commands += [command(MODEL_NAME.name, model.name), command(MODEL_VERSION.name, model.version)]
        if model.is_reasoning is not is_reasoning:
            commands.append(command(MODEL_IS_REASONING.name, json.dumps(model.is_reasoning)))
    return tuple(commands)


def _location_problems(location: str, unlisted: Sequence[str]) -> list[Problem]:
    if location in FLEX_REGIONS or location in unlisted:
        return []
    rule = f"is not listed in {REGIONS_FILE} as a region with Flex Consumption. {_unlisted(location)}"
    return [Problem(LOCATION.name, location, rule, (_move(LOCATION, location, FLEX_REGIONS),))]


def _model_region_problems(region: str, unlisted: Sequence[str], model: str, sku: str) -> list[Problem]:
    regions = model_regions(model, sku)
    if region in regions or region in unlisted:
        return []
    if not regions:
        skus = sorted(MODEL_REGIONS[model])
        rule = f"is not listed in {REGIONS_FILE} for {model}, which has {', '.join(skus)}"
        return [Problem(MODEL_SKU.name, sku, rule, (command(MODEL_SKU.name, skus[-1]),))]
    rule = f"is not listed in {REGIONS_FILE} as a region with {model} as {sku}. {_unlisted(region)}"
    return [Problem(OPENAI_LOCATION.name, region, rule, (_move(OPENAI_LOCATION, region, regions),))]


def _move(key: Key[str], region: str, regions: Collection[str]) -> Command:
    """To the region that a misspelt name probably means, else to the default or the first."""
    meant = None if region in REGIONS else nearest(region, sorted(regions))
    return command(key.name, meant or (LOCATION.default if LOCATION.default in regions else min(regions)))


def _unlisted(region: str) -> str:
    return f"Where Azure has it by now, name the region in unlistedRegions: {json.dumps([region])}"


def _ready_problems(groups: Mapping[str, int], most: int, memory: int) -> list[Problem]:
    ready, shown = sum(groups.values()), json.dumps(groups)
    fewer = command(ALWAYS_READY.name, None)
    problems: list[Problem] = []
    if ready > most:
        rule = f"keeps {ready} instances ready, more than maximumInstanceCount = {most} lets run"
        mend = command(MAXIMUM_INSTANCES.name, str(ready)) if ready <= 1000 else fewer
        problems.append(Problem(ALWAYS_READY.name, shown, rule, (mend,)))
    if ready * memory > REGIONAL_MEMORY_MB:
        rule = f"keeps {ready} x {memory} MB ready, more than the {REGIONAL_MEMORY_MB} MB of a region's quota"
        smaller = next((size for size in (2048, 512) if ready * size <= REGIONAL_MEMORY_MB), None)
        mend = command(INSTANCE_MEMORY.name, str(smaller)) if smaller else fewer
        problems.append(Problem(ALWAYS_READY.name, shown, rule, (mend,)))
    return problems
