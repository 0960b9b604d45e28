"""The functions of an indexed package: their triggers and bindings, and those that are in error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_azure.functions_host import input_binding, ncrontab, routes, skills, timers
from local_azure.functions_host.binding_template import TemplateFormatError
from local_azure.functions_host.bindings import assistant_create
from local_azure.functions_host.bundle import BUILT_IN_TYPES, Bundle
from local_azure.functions_host.configuration import Configuration, MissingSettingError
from local_azure.functions_host.input_binding import InputBinding, PropertyError
from local_azure.functions_host.ncrontab import ScheduleError
from local_azure.functions_host.routes import Route
from local_azure.functions_host.skills import SkillTrigger
from local_azure.functions_host.timers import TimerTrigger
from local_azure.functions_host.worker_process import FunctionMetadata

_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"[a-z$][a-z0-9_$]*", re.IGNORECASE)
_HTTP = "httptrigger"
_TRIGGERS = (_HTTP, skills.TRIGGER_TYPE, timers.TRIGGER_TYPE)
_EMULATED_TYPES = BUILT_IN_TYPES | input_binding.TYPES | {assistant_create.BINDING_TYPE, skills.TRIGGER_TYPE}


@dataclass(frozen=True)
class HttpTrigger:
    auth_level: str
    """`anonymous`, `function` or `admin`."""
    route: Route


@dataclass(frozen=True)
class Function:
    name: str
    trigger: HttpTrigger | SkillTrigger | TimerTrigger
    outputs: Mapping[str, str]
    """Binding types in lower case by binding name, without HTTP outputs."""
    inputs: tuple[InputBinding, ...] = ()


@dataclass(frozen=True)
class FunctionTable:
    functions: Mapping[str, Function]
    errors: tuple[str, ...]

    @property
    def routes(self) -> tuple[Route, ...]:
        """In the order of the functions: the first that matches serves a request."""
        triggers = (function.trigger for function in self.functions.values())
        return tuple(trigger.route for trigger in triggers if isinstance(trigger, HttpTrigger))

    def timers(self, configuration: Configuration) -> tuple[tuple[str, TimerTrigger], ...]:
        """Function name and trigger of each timer that is not disabled."""
        return tuple(
            (name, function.trigger)
            for name, function in self.functions.items()
            if isinstance(function.trigger, TimerTrigger) and not configuration.is_disabled(name)
        )

    def skills(self, configuration: Configuration) -> tuple[tuple[str, SkillTrigger], ...]:
        """Function name and trigger of each skill that is not disabled."""
        return tuple(
            (name, function.trigger)
            for name, function in self.functions.items()
            if isinstance(function.trigger, SkillTrigger) and not configuration.is_disabled(name)
        )


class _FunctionError(ValueError):
    pass


def build(
    indexed: Sequence[FunctionMetadata], prefix: str, bundle: Bundle | None, configuration: Configuration
) -> FunctionTable:
    functions: dict[str, Function] = {}
    errors: list[str] = []
    types = bundle.types if bundle else BUILT_IN_TYPES
    for metadata in indexed:
        try:
            function = _function(metadata, prefix, types, configuration)
            _check_skill(function, functions, configuration)
        except (
            _FunctionError,
            routes.TemplateError,
            MissingSettingError,
            TemplateFormatError,
            PropertyError,
            ScheduleError,
        ) as error:
            errors.append(f"The '{metadata.name}' function is in error: {error}")
        else:
            functions[function.name] = function
    return FunctionTable(functions, tuple(errors))


def _function(
    indexed: FunctionMetadata, prefix: str, types: frozenset[str], configuration: Configuration
) -> Function:
    _check_names(indexed)
    _check_types(indexed, types)
    bindings = [_resolve_settings(binding, configuration) for binding in indexed.bindings]
    trigger = next(binding for binding in bindings if _type(binding) in _TRIGGERS)
    outputs = {
        str(binding["name"]): _type(binding)
        for binding in bindings
        if str(binding.get("direction", "IN")).upper() == "OUT" and _type(binding) != "http"
    }
    inputs = tuple(
        input_binding.parse(binding) for binding in bindings if _type(binding) in input_binding.TYPES
    )
    if _type(trigger) == _HTTP:
        return Function(indexed.name, _http_trigger(indexed.name, trigger, prefix), outputs, inputs)
    made = (
        _timer_trigger(trigger)
        if _type(trigger) == timers.TRIGGER_TYPE
        else _skill_trigger(indexed.name, trigger)
    )
    return Function(indexed.name, made, outputs, inputs)


def _http_trigger(function: str, trigger: Mapping[str, Any], prefix: str) -> HttpTrigger:
    route = str(trigger.get("route") or function)
    if route.strip("/").lower().startswith("admin"):
        raise _FunctionError("The specified route conflicts with one or more built in routes.")
    template = routes.parse(routes.compose(prefix, route) if not route.startswith("/") else route)
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    auth_level = str(trigger.get("authLevel") or "function").lower()
    return HttpTrigger(auth_level, Route(function, template, methods))


def _skill_trigger(function: str, trigger: Mapping[str, Any]) -> SkillTrigger:
    description = trigger.get("functionDescription")
    if description is None:
        raise _FunctionError("Value cannot be null. (Parameter 'functionDescription')")
    name, schema = trigger.get("functionName"), trigger.get("parameterDescriptionJson")
    return SkillTrigger(
        parameter=str(trigger["name"]),
        skill=function if name is None else str(name),
        description=str(description),
        parameters_json=None if schema is None else str(schema),
    )


def _timer_trigger(trigger: Mapping[str, Any]) -> TimerTrigger:
    schedule = ncrontab.parse(str(trigger.get("schedule") or ""))
    return TimerTrigger(
        parameter=str(trigger["name"]),
        schedule=schedule,
        run_on_startup=trigger.get("runOnStartup") is True,
        # As in the extension, the status of a schedule within a minute is not stored.
        use_monitor=trigger.get("useMonitor") is not False and not schedule.is_within_a_minute(),
    )


def _check_skill(new: Function, functions: Mapping[str, Function], configuration: Configuration) -> None:
    trigger = new.trigger
    if not isinstance(trigger, SkillTrigger) or configuration.is_disabled(new.name):
        return
    for other in functions.values():
        if (
            isinstance(other.trigger, SkillTrigger)
            and other.trigger.skill.lower() == trigger.skill.lower()
            and not configuration.is_disabled(other.name)
        ):
            raise _FunctionError(
                f"The listener for function 'Functions.{new.name}' was unable to start. An item with the "
                f"same key has already been added. Key: {trigger.skill} "
                f"(the skill of function '{other.name}')."
            )


def _resolve_settings(binding: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Replaces %NAME% in every property, as the host does before the function starts."""
    return {
        name: configuration.resolve(value) if isinstance(value, str) else value
        for name, value in binding.items()
    }


def _type(binding: Mapping[str, Any]) -> str:
    return str(binding["type"]).lower()


def _check_names(indexed: FunctionMetadata) -> None:
    if not _FUNCTION_NAME.fullmatch(indexed.name) or indexed.name.lower() == "host":
        raise _FunctionError(f"'{indexed.name}' is not a valid function name.")
    for binding in indexed.bindings:
        name = str(binding["name"])
        if name != "$return" and (not _BINDING_NAME.fullmatch(name) or "__" in name):
            raise _FunctionError(
                f"The binding name {name} is invalid. Please assign a valid name to the binding "
                f"(letters, digits and single underscores; Azure/azure-functions-host #10764)."
            )


def _check_types(indexed: FunctionMetadata, types: frozenset[str]) -> None:
    used = [str(binding["type"]) for binding in indexed.bindings]
    unknown = [kind for kind in used if kind.lower() not in types]
    if unknown:
        raise _FunctionError(
            f"The binding type(s) '{', '.join(unknown)}' are not registered. Please ensure the type "
            f"is correct and the binding extension is installed. (The OpenAI bindings are in "
            f"Microsoft.Azure.Functions.ExtensionBundle.Preview only.)"
        )
    missing = [kind for kind in used if kind.lower() not in _EMULATED_TYPES]
    if missing:
        raise _FunctionError(
            f"Local Azure does not support the binding type(s) '{', '.join(missing)}'; Azure does."
        )
    if not any(kind.lower() in _TRIGGERS for kind in used):
        raise _FunctionError(f"The function has no trigger that local Azure runs: {', '.join(_TRIGGERS)}.")
