"""Input and output schemas of azure-native resources, read from the classes of the azure-native SDK.

A module of the SDK is imported when its schema is needed: the whole SDK is 356 MB on disk.
"""

import difflib
import importlib
import inspect
import re
import types
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, ForwardRef, cast

from pulumi import CustomResource

# Inputs that the engine or the provider adds; no program writes them.
INTERNAL_INPUTS = frozenset({"azureApiVersion", "__createBeforeDelete", "__internal", "__defaults"})


class Unknown:
    """A value that is not known yet; its only instance is `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()

_SCALARS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


@dataclass(frozen=True)
class Scalar:
    """`kind`: string, boolean, integer or number."""

    kind: str


@dataclass(frozen=True)
class Choice:
    """A string that is one of `values`.

    The SDK types most of these as `Union[str, Enum]`, for values that Azure adds later. Azure refuses
    unknown values, so a value that the SDK does not know is an error here.
    """

    values: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    element: "Kind"


@dataclass(frozen=True)
class MapOf:
    element: "Kind"


@dataclass(frozen=True)
class ObjectRef:
    """A nested type, by module and class name; see `object_type`."""

    module: str
    name: str


@dataclass(frozen=True)
class Anything:
    pass


@dataclass(frozen=True)
class OneOf:
    """One of several nested types; each has a member with a fixed value that tells which one it is."""

    types: tuple[ObjectRef, ...]


Kind = OneOf | Scalar | Choice | ListOf | MapOf | ObjectRef | Anything


@dataclass(frozen=True)
class Property:
    """`description`: what the SDK says of it; may be empty."""

    kind: Kind
    required: bool
    description: str


@dataclass(frozen=True)
class Problem:
    """A CheckFailure: `path` as in `siteConfig.appSettings[0].value`."""

    path: str
    reason: str


@dataclass(frozen=True)
class ResourceSchema:
    api_version: str
    inputs: Mapping[str, Property]
    outputs: Mapping[str, Property]


@cache
def resource_schema(token: str) -> ResourceSchema:
    """The inputs and outputs of `azure-native:storage:StorageAccount` and the like, by camelCase name.

    Raises LookupError for a token that the SDK does not have.
    """
    _, module_name, class_name = token.split(":")
    if class_name not in resource_classes(module_name):
        near = nearest(
            token, [f"azure-native:{module_name}:{name}" for name in resource_classes(module_name)]
        )
        raise LookupError(f"the azure-native SDK has no resource type {token}.{near}")
    module = importlib.import_module(f"pulumi_azure_native.{module_name}")
    resource: type = getattr(module, class_name)
    # `VirtualNetworkArgs` is a nested type, which some resource has as an input; the resource's own inputs
    # have another name then.
    arguments = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")
    documented = " ".join(overload.__doc__ or "" for overload in typing.get_overloads(resource.__init__))
    version = re.search(r"API version ([\w-]+)", documented)
    return ResourceSchema(
        api_version=version[1] if version else "",
        inputs=_properties(arguments, f"{module.__name__}._inputs"),
        outputs=_properties(resource, f"{module.__name__}.outputs"),
    )


@cache
def resource_classes(module_name: str) -> frozenset[str]:
    """The resource types of a module of the SDK (`storage`) by name; none for a module that it lacks."""
    try:
        module = importlib.import_module(f"pulumi_azure_native.{module_name}")
    except ImportError:
        return frozenset()
    hasattr(module, "Any")  # the SDK loads a module when its first attribute is read; `dir` reads none
    members = {name: getattr(module, name) for name in dir(module)}
    return frozenset(
        name
        for name, member in members.items()
        if isinstance(member, type) and issubclass(member, CustomResource)
    )


@cache
def object_type(ref: ObjectRef) -> Mapping[str, Property]:
    return _properties(getattr(importlib.import_module(ref.module), ref.name), ref.module)


def check(inputs: Mapping[str, Any], properties: Mapping[str, Property]) -> Iterator[Problem]:
    """Every difference between the inputs and their types; unknown values pass."""
    written = {name: value for name, value in inputs.items() if name not in INTERNAL_INPUTS}
    return _check_object(written, properties, "")


def nearest(name: str, names: typing.Iterable[str]) -> str:
    """` Did you mean 'x'?`, or an empty text where no name is similar."""
    matches = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def _check_object(
    value: Mapping[str, Any], properties: Mapping[str, Property], prefix: str
) -> Iterator[Problem]:
    for name, definition in properties.items():
        if definition.required and name not in value:
            yield Problem(f"{prefix}{name}", f"missing required property '{prefix}{name}'")
    for name, member in value.items():
        path, definition = f"{prefix}{name}", properties.get(name)
        if definition is None:
            yield Problem(path, f"unknown property '{path}'.{nearest(name, properties)}")
        else:
            yield from _check_value(member, definition.kind, path)


def _check_value(value: object, kind: Kind, path: str) -> Iterator[Problem]:
    if value is UNKNOWN:
        return
    match kind:
        case Anything():
            pass
        case Scalar() if _is_scalar(value, kind.kind):
            pass
        case Choice() if isinstance(value, str):
            if value not in kind.values:
                hint = f"expected one of {', '.join(map(repr, kind.values))}.{nearest(value, kind.values)}"
                yield Problem(path, f"'{path}' is {value!r}; {hint}")
        case ListOf() if isinstance(value, list):
            for number, element in enumerate(cast("list[Any]", value)):
                yield from _check_value(element, kind.element, f"{path}[{number}]")
        case MapOf() if isinstance(value, dict):
            for key, element in cast("dict[str, Any]", value).items():
                yield from _check_value(element, kind.element, f"{path}.{key}")
        case ObjectRef() if isinstance(value, dict):
            yield from _check_object(cast("dict[str, Any]", value), object_type(kind), f"{path}.")
        case OneOf() if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            fixed = {ref: _fixed_members(ref) for ref in kind.types}
            for ref, values in fixed.items():
                if all(members.get(name) in {text, UNKNOWN} for name, text in values.items()):
                    yield from _check_object(members, object_type(ref), f"{path}.")
                    return
            allowed = " or ".join(str(values) for values in fixed.values())
            yield Problem(path, f"'{path}' has none of the types that are possible: {allowed}")
        case _:
            reason = f"'{path}' should be of type '{_type_name(kind)}' but got {_described(value)}"
            yield Problem(path, reason)


def _fixed_members(ref: ObjectRef) -> dict[str, str]:
    kinds = {name: definition.kind for name, definition in object_type(ref).items()}
    return {
        name: kind.values[0]
        for name, kind in kinds.items()
        if isinstance(kind, Choice) and len(kind.values) == 1
    }


def _is_scalar(value: object, kind: str) -> bool:
    return isinstance(value, _SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _type_name(kind: Kind) -> str:
    if isinstance(kind, Scalar | Choice):
        return kind.kind if isinstance(kind, Scalar) else "string"
    return "array" if isinstance(kind, ListOf) else "object"


def _described(value: object) -> str:
    for name in ("boolean", "string", "number"):
        if _is_scalar(value, name):
            return f"the {name} {str(value).lower() if name == 'boolean' else repr(value)}"
    return "an array" if isinstance(value, list) else "an object"


def _properties(cls: type, module: str) -> dict[str, Property]:
    """The properties of a generated SDK class by camelCase name, which `pulumi.getter` keeps."""
    properties: dict[str, Property] = {}
    for base in reversed(inspect.getmro(cls)):
        if not base.__module__.startswith("pulumi_azure_native"):
            continue
        for python_name, member in vars(base).items():
            if isinstance(member, property) and member.fget is not None:
                wire_name = getattr(member.fget, "_pulumi_name", python_name)
                annotation = member.fget.__annotations__.get("return")
                choices = _alternatives(annotation)
                description = member.fget.__doc__ or ""
                fixed = re.search(r"Expected value is '([^']+)'", description)
                properties[wire_name] = Property(
                    kind=Choice((fixed[1],)) if fixed else _kind(choices, module),
                    required=type(None) not in choices and annotation is not None,
                    description=description,
                )
    return properties


def _alternatives(annotation: object) -> list[Any]:
    """The members of a union, without the Input, Output and Awaitable that Pulumi wraps around them."""
    if isinstance(annotation, str):
        return [ForwardRef(annotation)]
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return [inner for part in typing.get_args(annotation) for inner in _alternatives(part)]
    if origin is Awaitable or (
        isinstance(annotation, ForwardRef) and annotation.__forward_arg__ == "Output[T]"
    ):
        return []
    if origin is not None and getattr(origin, "__name__", "") == "Output":
        return _alternatives(typing.get_args(annotation)[0])
    return [annotation]


def _kind(alternatives: list[Any], module: str) -> Kind:
    strings = False
    references: list[ObjectRef] = []
    for alternative in alternatives:
        if alternative is type(None):
            continue
        origin, arguments = typing.get_origin(alternative), typing.get_args(alternative)
        if origin in {Sequence, list}:
            return ListOf(_kind(_alternatives(arguments[0]), module))
        if origin in {Mapping, dict}:
            return MapOf(_kind(_alternatives(arguments[1]), module))
        if alternative is str:
            strings = True
        elif alternative in {bool, int, float}:
            return Scalar({bool: "boolean", int: "integer", float: "number"}[alternative])
        elif isinstance(alternative, ForwardRef):
            named = _named(alternative.__forward_arg__, module)
            if not isinstance(named, ObjectRef):
                return named
            references.append(named)
    if references:
        return references[0] if len(references) == 1 else OneOf(tuple(references))
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
        return Choice(tuple(values)) if all(isinstance(value, str) for value in values) else Scalar("number")
    return ObjectRef(module, name)
