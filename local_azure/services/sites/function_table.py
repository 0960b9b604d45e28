"""What the host makes of indexed functions: those that serve, their routes, and those that are in error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_azure.services.sites import routes
from local_azure.services.sites.bindings import assistant_create
from local_azure.services.sites.bundle import BUILT_IN_TYPES, Bundle
from local_azure.services.sites.configuration import Configuration, MissingSettingError
from local_azure.services.sites.worker_process import IndexedFunction

_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"[a-z$][a-z0-9_$]*", re.IGNORECASE)
_PERFORMED = BUILT_IN_TYPES | {assistant_create.BINDING_TYPE}


@dataclass(frozen=True)
class Function:
    name: str
    auth_level: str
    """`anonymous`, `function` or `admin`."""
    outputs: Mapping[str, str]
    """Binding type, in lower case, by name; without HTTP outputs."""


@dataclass(frozen=True)
class FunctionTable:
    functions: Mapping[str, Function]
    routes: tuple[routes.Route, ...]
    errors: tuple[str, ...]


class _FunctionError(ValueError):
    pass


def build(
    indexed: Sequence[IndexedFunction], prefix: str, bundle: Bundle | None, configuration: Configuration
) -> FunctionTable:
    functions: dict[str, Function] = {}
    found: list[routes.Route] = []
    errors: list[str] = []
    types = bundle.types if bundle else BUILT_IN_TYPES
    for one in indexed:
        try:
            function, route = _function(one, prefix, types, configuration)
        except (_FunctionError, routes.TemplateError, MissingSettingError) as error:
            errors.append(f"The '{one.name}' function is in error: {error}")
        else:
            functions[function.name] = function
            found.append(route)
    return FunctionTable(functions, tuple(found), tuple(errors))


def _function(
    indexed: IndexedFunction, prefix: str, types: frozenset[str], configuration: Configuration
) -> tuple[Function, routes.Route]:
    _check_names(indexed)
    _check_types(indexed, types)
    for binding in indexed.bindings:
        for value in binding.values():
            # The host resolves %NAME% in every binding before the function starts.
            if isinstance(value, str):
                configuration.resolve(value)
    trigger = next(one for one in indexed.bindings if one["type"].lower() == "httptrigger")
    route = str(trigger.get("route") or indexed.name)
    if route.strip("/").lower().startswith("admin"):
        raise _FunctionError("The specified route conflicts with one or more built in routes.")
    template = routes.parse(routes.compose(prefix, route) if not route.startswith("/") else route)
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    outputs = {
        str(one["name"]): str(one["type"]).lower()
        for one in indexed.bindings
        if _direction(one) == "OUT" and str(one["type"]).lower() != "http"
    }
    auth_level = str(trigger.get("authLevel") or "function").lower()
    return Function(indexed.name, auth_level, outputs), routes.Route(indexed.name, template, methods)


def _direction(binding: Mapping[str, Any]) -> str:
    return str(binding.get("direction", "IN")).upper()


def _check_names(indexed: IndexedFunction) -> None:
    if not _FUNCTION_NAME.fullmatch(indexed.name) or indexed.name.lower() == "host":
        raise _FunctionError(f"'{indexed.name}' is not a valid function name.")
    for binding in indexed.bindings:
        name = str(binding["name"])
        if name != "$return" and (not _BINDING_NAME.fullmatch(name) or "__" in name):
            raise _FunctionError(
                f"The binding name {name} is invalid. Please assign a valid name to the binding "
                f"(letters, digits and single underscores; Azure/azure-functions-host #10764)."
            )


def _check_types(indexed: IndexedFunction, types: frozenset[str]) -> None:
    used = [str(binding["type"]) for binding in indexed.bindings]
    unknown = [kind for kind in used if kind.lower() not in types]
    if unknown:
        raise _FunctionError(
            f"The binding type(s) '{', '.join(unknown)}' are not registered. Please ensure the type "
            f"is correct and the binding extension is installed. (The OpenAI bindings are in "
            f"Microsoft.Azure.Functions.ExtensionBundle.Preview only.)"
        )
    missing = [kind for kind in used if kind.lower() not in _PERFORMED]
    if missing:
        raise _FunctionError(
            f"Local Azure does not perform the binding type(s) '{', '.join(missing)}'; Azure does."
        )
    if "httptrigger" not in (kind.lower() for kind in used):
        raise _FunctionError("Local Azure runs functions with an HTTP trigger only.")
