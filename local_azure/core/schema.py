"""What azure-native resources take and give, read from the azure-native SDK's own classes.

Only the modules that are asked for are imported: all of the SDK is 356 MB on disk.
"""

import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, ForwardRef, cast

from local_azure.frontends.pulumi.values import UNKNOWN

PACKAGE = "azure-native"

# Inputs that the engine or the provider itself adds; no program writes them.
INTERNAL_INPUTS = frozenset({"azureApiVersion", "__createBeforeDelete", "__internal", "__defaults"})


@dataclass(frozen=True)
class Scalar:
    """`kind`: string, boolean, integer or number."""

    kind: str


@dataclass(frozen=True)
class Choice:
    """A string that is one of `values`.

    The SDK types most of these as `Union[str, Enum]`, for values that Azure adds
    later. Azure refuses any other value all the same, so a value that the SDK
    does not know is an error here.
    """

    values: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    item: "Kind"


@dataclass(frozen=True)
class MapOf:
    item: "Kind"


@dataclass(frozen=True)
class ObjectRef:
    """A nested type, by module and class name; see `object_type`."""

    module: str
    name: str


@dataclass(frozen=True)
class Anything:
    pass


Kind = Scalar | Choice | ListOf | MapOf | ObjectRef | Anything


@dataclass(frozen=True)
class Property:
    kind: Kind
    required: bool


@dataclass(frozen=True)
class Problem:
    """A CheckFailure: `path` as in `siteConfig.appSettings[0].value`."""

    path: str
    reason: str


@dataclass(frozen=True)
class ResourceSchema:
    inputs: Mapping[str, Property]
    outputs: Mapping[str, Property]


@cache
def resource_schema(token: str) -> ResourceSchema:
    """`azure-native:storage:StorageAccount` to its inputs and outputs, keyed by camelCase name.

    Raises LookupError for a token that the SDK does not have.
    """
    package, module_name, class_name = token.split(":")
    if package != PACKAGE:
        msg = f"{token} is not an {PACKAGE} type"
        raise LookupError(msg)
    try:
        module = importlib.import_module(f"pulumi_azure_native.{module_name}")
        resource: type = getattr(module, class_name)
        arguments: type = getattr(module, f"{class_name}Args")
    except (ImportError, AttributeError) as error:
        msg = f"the azure-native SDK has no type {token}"
        raise LookupError(msg) from error
    return ResourceSchema(
        inputs=_properties(arguments, f"{module.__name__}._inputs"),
        outputs=_properties(resource, f"{module.__name__}.outputs"),
    )


@cache
def object_type(ref: ObjectRef) -> Mapping[str, Property]:
    return _properties(getattr(importlib.import_module(ref.module), ref.name), ref.module)


def check(inputs: Mapping[str, Any], properties: Mapping[str, Property]) -> list[Problem]:
    """Every way in which the inputs differ from the types; unknown values pass."""
    return _check_object(inputs, properties, "", top=True)


def nearest(name: str, names: typing.Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no name is near."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{found[0]}'?" if found else ""


def _check_object(
    value: Mapping[str, Any], properties: Mapping[str, Property], path: str, *, top: bool = False
) -> list[Problem]:
    prefix = f"{path}." if path else ""
    problems = [
        Problem(f"{prefix}{name}", f"missing required property '{prefix}{name}'")
        for name, definition in properties.items()
        if definition.required and name not in value
    ]
    for name, item in value.items():
        if top and name in INTERNAL_INPUTS:
            continue
        definition = properties.get(name)
        here = f"{prefix}{name}"
        if definition is None:
            problems.append(Problem(here, f"unknown property '{here}'.{nearest(name, properties)}"))
        else:
            problems += _check_value(item, definition.kind, here)
    return problems


def _check_value(value: object, kind: Kind, path: str) -> list[Problem]:
    if value is UNKNOWN or isinstance(kind, Anything):
        return []
    wrong = [Problem(path, f"'{path}' should be of type '{_type_name(kind)}' but got {_described(value)}")]
    match kind:
        case Scalar():
            return [] if _is_scalar(value, kind.kind) else wrong
        case Choice():
            if not isinstance(value, str):
                return wrong
            if value in kind.values:
                return []
            allowed = ", ".join(repr(one) for one in kind.values)
            hint = nearest(value, kind.values)
            return [Problem(path, f"'{path}' is {value!r}; expected one of {allowed}.{hint}")]
        case ListOf():
            if not isinstance(value, list):
                return wrong
            items = enumerate(cast("list[Any]", value))
            return [problem for n, item in items for problem in _check_value(item, kind.item, f"{path}[{n}]")]
        case MapOf():
            if not isinstance(value, dict):
                return wrong
            members = cast("dict[str, Any]", value).items()
            return [p for key, item in members for p in _check_value(item, kind.item, f"{path}.{key}")]
        case ObjectRef():
            if not isinstance(value, dict):
                return wrong
            return _check_object(cast("dict[str, Any]", value), object_type(kind), path)


def _is_scalar(value: object, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _type_name(kind: Kind) -> str:
    match kind:
        case Scalar():
            return kind.kind
        case Choice():
            return "string"
        case ListOf():
            return "array"
        case _:
            return "object"


def _described(value: object) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f"the string {value!r}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "an array"
        case _:
            return "an object"


def _properties(cls: type, module: str) -> dict[str, Property]:
    """The properties of a class made by Pulumi's generator, by the name on the wire.

    `pulumi.getter(name=…)` leaves that name on the getter as `_pulumi_name`.
    """
    found: dict[str, Property] = {}
    for base in reversed(inspect.getmro(cls)):
        if not base.__module__.startswith("pulumi_azure_native"):
            continue
        for python_name, member in vars(base).items():
            if isinstance(member, property) and member.fget is not None:
                wire_name = getattr(member.fget, "_pulumi_name", python_name)
                annotation = member.fget.__annotations__.get("return")
                choices = _alternatives(annotation)
                found[wire_name] = Property(
                    kind=_kind(choices, module), required=type(None) not in choices and annotation is not None
                )
    return found


def _alternatives(annotation: object) -> list[Any]:
    """The members of a union without Pulumi's wrappers: Input, Output and Awaitable of the same."""
    if isinstance(annotation, str):
        return [ForwardRef(annotation)]
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return [one for part in typing.get_args(annotation) for one in _alternatives(part)]
    if origin is Awaitable or (
        isinstance(annotation, ForwardRef) and annotation.__forward_arg__ == "Output[T]"
    ):
        return []
    if origin is not None and getattr(origin, "__name__", "") == "Output":
        return _alternatives(typing.get_args(annotation)[0])
    return [annotation]


def _kind(alternatives: list[Any], module: str) -> Kind:
    strings = False
    for one in alternatives:
        if one is type(None):
            continue
        origin, arguments = typing.get_origin(one), typing.get_args(one)
        if origin in {Sequence, list}:
            return ListOf(_kind(_alternatives(arguments[0]), module))
        if origin in {Mapping, dict}:
            return MapOf(_kind(_alternatives(arguments[1]), module))
        if one is str:
            strings = True
        elif one in {bool, int, float}:
            return Scalar({bool: "boolean", int: "integer", float: "number"}[one])
        elif isinstance(one, ForwardRef):
            return _named(one.__forward_arg__, module)
    return Scalar("string") if strings else Anything()


def _named(name: str, module: str) -> Kind:
    """A class or enum that an annotation names: `SkuArgs`, `Kind`, `outputs.SkuResponse`."""
    name = name.rpartition(".")[2]
    package = module.rpartition(".")[0]
    try:
        enum: object = getattr(importlib.import_module(f"{package}._enums"), name, None)
    except ModuleNotFoundError:  # managedidentity has no enums
        enum = None
    if isinstance(enum, type) and issubclass(enum, Enum):
        values = [member.value for member in enum]
        return Choice(tuple(values)) if all(isinstance(one, str) for one in values) else Scalar("number")
    return ObjectRef(module, name)
