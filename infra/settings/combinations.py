"""Checks of combinations of settings. Pure."""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import date

from infra.settings.declarations import SETTINGS, Settings
from infra.settings.models import CHAT_MODELS, ChatModel
from infra.settings.regions import FLEX_REGIONS, MODEL_REGIONS, REGIONS, model_regions
from infra.settings.rules import Command, command, nearest
from infra.settings.schema import Problem

MODELS_FILE, REGIONS_FILE = "infra/settings/models.py", "infra/settings/regions.py"


def combined_problems(settings: Settings, today: date, invalid_keys: Collection[str]) -> list[Problem]:
    """Problems of combinations, without those of `invalid_keys` and of settings that have a problem already.

    `today` decides which models have retired.
    """
    problems: list[Problem] = []
    for keys, check in _CHECKS:
        if not {*invalid_keys, *(problem.key for problem in problems)} & {*keys}:
            problems += check(settings, today)
    return problems


def _model_problems(settings: Settings, today: date) -> list[Problem]:
    name, version, is_reasoning = settings.model.name, settings.model.version, settings.model.is_reasoning
    usable = [model for model in CHAT_MODELS if not model.deprecated and today < model.retires]
    of_name = [model for model in CHAT_MODELS if model.name == name]
    model = next((model for model in of_name if model.version == version), None)
    if not of_name:
        names = [model.name for model in usable]
        rule = f"is not a model of {MODELS_FILE}; usable today: {', '.join(names)}"
        return [Problem("modelName", name, rule, _switch_model(usable, nearest(name, names), is_reasoning))]
    if model is None:
        versions = [model.version for model in of_name]
        rule = f"is not a version of {name} in {MODELS_FILE}; there is {', '.join(versions)}"
        return [Problem("modelVersion", version, rule, (command("modelVersion", versions[-1]),))]
    if model not in usable:
        rule = f"{version} retired on {model.retires}"
        if today < model.retires:
            rule = (
                f"{version} is deprecated: Azure refuses new deployments, and it retires on {model.retires}"
            )
        fixes = _switch_model(usable, SETTINGS["modelName"].default, is_reasoning)
        return [Problem("modelName", name, rule, fixes)]
    if is_reasoning is not model.is_reasoning:
        rule = f"must be false for {name}, or its replies have no token limit"
        if model.is_reasoning:
            rule = f"must be true for {name}, which refuses the max_tokens that is sent otherwise"
        fix = command("modelIsReasoning", json.dumps(model.is_reasoning))
        return [Problem("modelIsReasoning", json.dumps(is_reasoning), rule, (fix,))]
    return []


def _switch_model(usable: Sequence[ChatModel], name: str | None, is_reasoning: bool) -> tuple[Command, ...]:
    """Commands that set a usable model: the named one, else the one that retires last."""
    last_to_retire = sorted(usable, key=lambda model: (model.name == name, model.retires))[-1:]
    commands: list[Command] = []
    for model in last_to_retire:
        commands += [command("modelName", model.name), command("modelVersion", model.version)]
        if model.is_reasoning is not is_reasoning:
            commands.append(command("modelIsReasoning", json.dumps(model.is_reasoning)))
    return tuple(commands)


def _location_problems(settings: Settings, _today: date) -> list[Problem]:
    location = settings.location
    if location in FLEX_REGIONS or location in settings.unlisted_regions:
        return []
    rule = f"is not listed in {REGIONS_FILE} as a region with Flex Consumption. {_unlisted(location)}"
    return [Problem("location", location, rule, (_move("location", location, FLEX_REGIONS),))]


def _model_region_problems(settings: Settings, _today: date) -> list[Problem]:
    region, model, sku = settings.model.location, settings.model.name, settings.model.sku
    regions = model_regions(model, sku)
    if region in regions or region in settings.unlisted_regions:
        return []
    if not regions:
        skus = sorted(MODEL_REGIONS[model])
        rule = f"is not listed in {REGIONS_FILE} for {model}, which has {', '.join(skus)}"
        return [Problem("modelSku", sku, rule, (command("modelSku", skus[-1]),))]
    rule = f"is not listed in {REGIONS_FILE} as a region with {model} as {sku}. {_unlisted(region)}"
    return [Problem("openaiLocation", region, rule, (_move("openaiLocation", region, regions),))]


def _move(key: str, region: str, regions: Collection[str]) -> Command:
    """To the region that a misspelt name probably means, else to the default or the first."""
    default = SETTINGS["location"].default
    meant = None if region in REGIONS else nearest(region, sorted(regions))
    return command(key, meant or (default if default in regions else min(regions)))


def _unlisted(region: str) -> str:
    return f"If Azure has it by now, name the region in unlistedRegions: {json.dumps([region])}"


def _ready_problems(settings: Settings, _today: date) -> list[Problem]:
    groups, maximum = settings.host.always_ready, settings.host.maximum_instance_count
    ready = sum(groups.values())
    if ready <= maximum:
        return []
    rule = f"keeps {ready} instances ready, more than maximumInstanceCount = {maximum}"
    fix = command("maximumInstanceCount", str(ready)) if ready <= 1000 else command("alwaysReady", None)
    return [Problem("alwaysReady", json.dumps(groups), rule, (fix,))]


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Settings, date], list[Problem]]], ...] = (
    (("modelName", "modelVersion", "modelIsReasoning"), _model_problems),
    (("location", "unlistedRegions"), _location_problems),
    (("location", "openaiLocation", "unlistedRegions", "modelName", "modelSku"), _model_region_problems),
    (("alwaysReady", "maximumInstanceCount"), _ready_problems),
)
"""Keys of a combination, and its check."""
