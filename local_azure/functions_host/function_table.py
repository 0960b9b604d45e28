"""The functions of an indexed package: their triggers and bindings, and those that are in error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from local_azure.functions_host import input_binding, ncrontab, routes, skills, timers
from local_azure.functions_host.bindings import assistant_create
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.input_binding import InputBinding
from local_azure.functions_host.routes import Route
from local_azure.functions_host.skills import SkillTrigger
from local_azure.functions_host.timers import TimerTrigger
from local_azure.functions_host.worker_process import FunctionMetadata

T = TypeVar("T", SkillTrigger, TimerTrigger)

_FUNCTION_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"\$return|(?!.*__)[a-z$][a-z0-9_$]*", re.IGNORECASE)
_TRIGGERS = ("httptrigger", skills.TRIGGER_TYPE, timers.TRIGGER_TYPE)
_BUILT_IN_TYPES = {"httptrigger", "http", timers.TRIGGER_TYPE}
_OPENAI_TYPES = {*input_binding.TYPES, assistant_create.BINDING_TYPE, skills.TRIGGER_TYPE}


@dataclass(frozen=True)
class Function:
    name: str
    trigger: Route | SkillTrigger | TimerTrigger
    response: str = "$return"
    """Name of the HTTP output."""
    outputs: tuple[str, ...] = ()
    """Names of the `assistantCreate` outputs."""
    inputs: tuple[InputBinding, ...] = ()


@dataclass(frozen=True)
class FunctionTable:
    functions: Mapping[str, Function]
    errors: tuple[str, ...]

    @property
    def routes(self) -> tuple[Route, ...]:
        """In the order of the functions: the first that matches serves a request."""
        triggers = (function.trigger for function in self.functions.values())
        return tuple(trigger for trigger in triggers if isinstance(trigger, Route))

    def enabled(self, trigger_type: type[T], configuration: Configuration) -> dict[str, T]:
        """The triggers of a type by the name of their function, without disabled functions."""
        return {
            name: function.trigger
            for name, function in self.functions.items()
            if isinstance(function.trigger, trigger_type) and not configuration.is_disabled(name)
        }


def build(
    indexed: Sequence[FunctionMetadata], prefix: str, *, has_openai: bool, configuration: Configuration
) -> FunctionTable:
    """`has_openai`: whether the extension bundle contains the OpenAI extension."""
    functions: dict[str, Function] = {}
    errors: list[str] = []
    types = _BUILT_IN_TYPES | _OPENAI_TYPES if has_openai else _BUILT_IN_TYPES
    for metadata in indexed:
        try:
            function = _function(metadata, prefix, types, configuration)
            _check_skill_name(function, functions, configuration)
        except ValueError as error:
            errors.append(f"The '{metadata.name}' function is in error: {error}")
        else:
            functions[function.name] = function
    return FunctionTable(functions, tuple(errors))


def _function(
    indexed: FunctionMetadata, prefix: str, types: set[str], configuration: Configuration
) -> Function:
    _check_names(indexed)
    _check_types(indexed, types)
    bindings = [_resolve_settings(binding, configuration) for binding in indexed.bindings]
    trigger = next(binding for binding in bindings if _type(binding) in _TRIGGERS)
    match _type(trigger):
        case timers.TRIGGER_TYPE:
            parsed = _timer_trigger(trigger)
        case skills.TRIGGER_TYPE:
            parsed = _skill_trigger(indexed.name, trigger)
        case _:
            parsed = _http_trigger(indexed.name, trigger, prefix)
    return Function(
        indexed.name,
        parsed,
        response=next((str(binding["name"]) for binding in bindings if _type(binding) == "http"), "$return"),
        outputs=tuple(
            str(binding["name"]) for binding in bindings if _type(binding) == assistant_create.BINDING_TYPE
        ),
        inputs=tuple(
            input_binding.parse(binding) for binding in bindings if _type(binding) in input_binding.TYPES
        ),
    )


def _http_trigger(function: str, trigger: Mapping[str, Any], prefix: str) -> Route:
    route = str(trigger.get("route") or function)
    if route.strip("/").lower().startswith("admin"):
        raise ValueError("The specified route conflicts with one or more built in routes.")
    # A route that begins with a slash is refused.
    template = routes.parse(f"{prefix.strip('/')}/{route}".lstrip("/") if route[0] != "/" else route)
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    auth_level = str(trigger.get("authLevel") or "function").lower()
    return Route(function, template, methods, auth_level, str(trigger["name"]))


def _skill_trigger(function: str, trigger: Mapping[str, Any]) -> SkillTrigger:
    if trigger.get("functionDescription") is None:
        raise ValueError("Value cannot be null. (Parameter 'functionDescription')")
    name, schema = trigger.get("functionName"), trigger.get("parameterDescriptionJson")
    return SkillTrigger(
        parameter=str(trigger["name"]),
        skill=function if name is None else str(name),
        description=str(trigger["functionDescription"]),
        parameters_json=None if schema is None else str(schema),
    )


def _timer_trigger(trigger: Mapping[str, Any]) -> TimerTrigger:
    return TimerTrigger(
        str(trigger["name"]),
        ncrontab.parse(str(trigger.get("schedule") or "")),
        run_on_startup=trigger.get("runOnStartup") is True,
        use_monitor=trigger.get("useMonitor") is not False,
    )


def _check_skill_name(
    function: Function, functions: Mapping[str, Function], configuration: Configuration
) -> None:
    trigger = function.trigger
    if not isinstance(trigger, SkillTrigger) or configuration.is_disabled(function.name):
        return
    for name, other in FunctionTable(functions, ()).enabled(SkillTrigger, configuration).items():
        if other.skill.lower() == trigger.skill.lower():
            raise ValueError(
                f"The listener for function 'Functions.{function.name}' was unable to start. An item with "
                f"the same key has already been added. Key: {trigger.skill} (the skill of function '{name}')."
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
    if not _FUNCTION_NAME.fullmatch(indexed.name):
        raise ValueError(f"'{indexed.name}' is not a valid function name.")
    for name in (str(binding["name"]) for binding in indexed.bindings):
        if not _BINDING_NAME.fullmatch(name):
            raise ValueError(
                f"The binding name {name} is invalid. Please assign a valid name to the binding "
                f"(letters, digits and single underscores; Azure/azure-functions-host #10764)."
            )


def _check_types(indexed: FunctionMetadata, types: set[str]) -> None:
    unknown = [str(binding["type"]) for binding in indexed.bindings if _type(binding) not in types]
    if unknown:
        raise ValueError(
            f"The binding type(s) '{', '.join(unknown)}' are not registered. Please ensure the type "
            f"is correct and the binding extension is installed. (The OpenAI bindings are in "
            f"Microsoft.Azure.Functions.ExtensionBundle.Preview only; local Azure has those of assistants.)"
        )
    if not any(_type(binding) in _TRIGGERS for binding in indexed.bindings):
        raise ValueError(f"The function has no trigger that local Azure runs: {', '.join(_TRIGGERS)}.")
