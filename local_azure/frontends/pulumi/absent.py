"""Outputs that only Azure computes: a resource input that reads one is an error that names type and output.

A program gets a text in the place of such an output, since the provider does not see what a program reads.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from local_azure.core import schema
from local_azure.core.resource import ENVELOPE, Inputs, ResourceType, to_outputs
from local_azure.core.schema import ObjectRef, Problem, Property
from local_azure.core.store import Resource

_TEXT = "[{token} has no output '{path}' on local Azure: only Azure computes it]"
_PATTERN = re.compile(re.sub(r"\\\{(\w+)\\\}", r"([\\w:.-]+)", re.escape(_TEXT)))


def outputs(kind: ResourceType, resource: Resource) -> Inputs:
    """The resource in the shape of the SDK's output type, with a text for each value that is missing."""
    own = to_outputs(kind, resource)
    return _completed(kind.pulumi_type, own, kind.schema.outputs, "") if kind.schema_only else own


def problems(inputs: Inputs) -> Iterator[Problem]:
    for path, text in _texts(inputs, ""):
        if match := _PATTERN.search(text):
            reason = f"'{path}' reads the output '{match[2]}' of {match[1]}, which only Azure computes"
            yield Problem(path, f"{reason}: local Azure does not have it")


def _completed(token: str, value: Inputs, properties: Mapping[str, Property], prefix: str) -> Inputs:
    """`value` with a text for each required scalar that it lacks, objects inside included."""
    completed = dict(value)
    for name, definition in properties.items():
        path = f"{prefix}{name}"
        if path in ENVELOPE or not (definition.required or name in value):
            continue
        match definition.kind:
            case ObjectRef():
                inner = schema.object_type(definition.kind)
                completed[name] = _completed(token, value.get(name, {}), inner, f"{path}.")
            case schema.Scalar() | schema.Choice():
                completed.setdefault(name, _TEXT.format(token=token, path=path))
            case _:
                pass
    return completed


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in cast("dict[str, Any]", value).items():
            yield from _texts(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, element in enumerate(cast("list[Any]", value)):
            yield from _texts(element, f"{path}[{number}]")
