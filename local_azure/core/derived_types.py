"""Paths of resource types that have no row, by rule from the names of the SDK's inputs.

`azure-native:servicebus:Queue`, which has the inputs `namespaceName` and `queueName`, gets
`…/Microsoft.Servicebus/namespaces/{namespaceName}/queues/{queueName}`.
"""

from functools import cache

from local_azure.core import schema
from local_azure.core.known_types import ROWS, known
from local_azure.core.resource import IN_GROUP, SCOPES, ResourceType

_NO_NAMES = frozenset({"resourceGroupName", *SCOPES})


@cache
def derived(token: str) -> ResourceType:
    """Raises LookupError for a token that the SDK does not have."""
    return ResourceType(pulumi_type=token, path=_path(token), schema_only=True, by_rule=True)


@cache
def types_of(module: str) -> dict[str, str]:
    """The tokens of the resource types of an SDK module, by ARM type in lower case."""
    tokens = (f"azure-native:{module}:{name}" for name in sorted(schema.resource_classes(module)))
    return {derived(token).arm_type.lower(): token for token in tokens}


@cache
def _path(token: str) -> str:
    _, module, class_name = token.split(":")
    names, own = _names(token), _own_name(token)
    if own and not _is_own(token, own) and (parent := _parent_path(token, frozenset(names) - _NO_NAMES)):
        return f"{parent}/{_plural(class_name)}/default"  # it has its parent's name, and none of its own
    parents = [name for name in names if name not in {*_NO_NAMES, own}]
    path = _parent_path(token, frozenset(parents)) or "/".join(
        (_start(module, names), *(f"{_plural(_stem(name))}/{{{name}}}" for name in parents))
    )
    stem = _stem(own) if own and own not in {"name", "resourceName"} else ""
    segment = class_name if class_name.lower().endswith(stem.lower()) else stem
    return f"{path}/{_plural(segment)}/{{{own}}}" if own else f"{path}/{_plural(segment)}/default"


def _start(module: str, names: tuple[str, ...]) -> str:
    """The path up to the namespace."""
    rows = [known(row.token) for row in ROWS if row.token.startswith(f"{module}:")]
    namespace = rows[0].arm_type.partition("/")[0] if rows else f"Microsoft.{module.capitalize()}"
    scope = next((f"{{{name}}}/providers/" for name in names if name in SCOPES), None)
    in_group = "resourceGroupName" in names
    return (scope or (IN_GROUP if in_group else "/subscriptions/{subscriptionId}/providers/")) + namespace


@cache
def _parent_path(token: str, parents: frozenset[str]) -> str | None:
    """The path of the type that has these names; the one that the type's name begins with is preferred."""
    if not parents:
        return None
    _, module, class_name = token.split(":")
    rows = {row.token.partition(":")[2] for row in ROWS if row.token.startswith(f"{module}:")}
    others = (schema.resource_classes(module) | rows) - {class_name}
    by_fit = sorted(
        others, key=lambda name: (not class_name.startswith(name), name not in rows, len(name), name)
    )
    candidates = [
        name
        for name in by_fit
        if (other := f"azure-native:{module}:{name}")
        and frozenset(_names(other)) - _NO_NAMES == parents
        and (name in rows or ((own := _own_name(other)) and _is_own(other, own)))
    ]
    if not candidates:
        return None
    name = candidates[0]
    path = known(f"{module}:{name}").path if name in rows else _path(f"azure-native:{module}:{name}")
    return path if path.endswith("}") else None


@cache
def _names(token: str) -> tuple[str, ...]:
    """Inputs that are names in the path: those that Azure does not return as a property."""
    if row := next((row for row in ROWS if token == f"azure-native:{row.token}"), None):
        return known(row.token).path_inputs
    resource, class_name = schema.resource_schema(token), token.rpartition(":")[2].lower()
    return tuple(
        name
        for name, definition in resource.inputs.items()
        if isinstance(definition.kind, schema.Scalar)
        and (
            name in {"name", *SCOPES}
            or (
                name not in resource.outputs
                and (
                    name.endswith("Name")
                    or (
                        name.endswith("Id")
                        and (definition.required or class_name.endswith(name[:-2].lower()))
                    )
                )
            )
        )
    )


@cache
def _own_name(token: str) -> str | None:
    """The name that the provider can make, else the one that the type's name ends with, else the last one."""
    class_name = token.rpartition(":")[2].lower()
    candidates = [name for name in _names(token) if name not in _NO_NAMES]
    candidates.sort(
        key=lambda name: (
            not _is_required(token, name),
            class_name.endswith(_stem(name).lower()),
            name == "name",
        )
    )
    return candidates[-1] if candidates else None


def _is_own(token: str, name: str) -> bool:
    """Whether the name is the type's own: the provider can make it, or the type's name ends with it."""
    class_name = token.rpartition(":")[2].lower()
    return not _is_required(token, name) or class_name.endswith(_stem(name).lower())


def _is_required(token: str, name: str) -> bool:
    return schema.resource_schema(token).inputs[name].required


def _stem(name: str) -> str:
    return name.removesuffix("Name").removesuffix("Id")


def _plural(word: str) -> str:
    word = word[0].lower() + word[1:]
    if word.endswith("s"):
        return word
    if word.endswith(("x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeiou" else f"{word}s"
