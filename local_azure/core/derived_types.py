"""Paths of resource types that have no row, by rule from what the SDK says of their inputs.

`azure-native:servicebus:Queue`, which has the inputs `namespaceName` and `queueName`, gets
`…/Microsoft.Servicebus/namespaces/{namespaceName}/queues/{queueName}`.
"""

from functools import cache
from itertools import takewhile

from local_azure.core import schema
from local_azure.core.known_types import KNOWN
from local_azure.core.resource import IN_GROUP, SCOPES, ResourceType

_REGION = "locationName"
_OUTSIDE = frozenset({"resourceGroupName", _REGION, *SCOPES})
"""Inputs in a path that name no resource of the type's own module."""


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
    if token in KNOWN:
        return KNOWN[token].path
    class_name, names, own = _class_name(token), _names(token), _own_name(token)
    if own and not _is_own(token, own) and (parent := _parent(token, names)):
        other, name = parent
        if name == _own_name(other):  # all names are its parent's
            return f"{_parent_path(token, names)}/{_plural(class_name)}/default"
    path = _parent_path(token, names - {own})
    if own is None:
        return f"{path}/{_plural(class_name)}/default"
    stem = "" if own in {"name", "resourceName"} else _stem(own)
    segment = class_name if class_name.lower().endswith(stem.lower()) else stem
    return f"{path}/{_plural(segment)}/{{{own}}}"


def _parent_path(token: str, names: frozenset[str]) -> str:
    """The path of the type that has these names; a name that no type has becomes a segment of its own."""
    if not names:
        return _start(token)
    if parent := _parent(token, names):
        other, name = parent
        return _path(other).replace(f"{{{_own_name(other)}}}", f"{{{name}}}")
    in_order = sorted(names)
    last = next((name for name in in_order if _parent(token, names - {name})), in_order[-1])
    return f"{_parent_path(token, names - {last})}/{_plural(_stem(last))}/{{{last}}}"


def _start(token: str) -> str:
    """The path up to the namespace, or to the region where the path has one."""
    module, inputs = token.split(":")[1], _path_inputs(token)
    namespaces = [kind.arm_type.partition("/")[0] for kind in KNOWN.values() if kind.module == module]
    scope = next((f"{{{name}}}/providers/" for name in inputs if name in SCOPES), None)
    region = f"/locations/{{{_REGION}}}" if _REGION in inputs else ""
    in_subscription = (
        IN_GROUP if "resourceGroupName" in inputs else "/subscriptions/{subscriptionId}/providers/"
    )
    return (scope or in_subscription) + (*namespaces, f"Microsoft.{module.capitalize()}")[0] + region


@cache
def _parent(token: str, names: frozenset[str]) -> tuple[str, str] | None:
    """The type whose path has these names, and the one of them that is its own.

    That one may have another name there: a `vmName` is the `name` of a VirtualMachine. Then the name or its
    description ("The name of the managed cluster resource.") has to contain the name of the type. The same
    decides where several types fit, and at last the beginning that the names of the types have in common.
    """
    _, module, class_name = token.split(":")
    others = {f"azure-native:{module}:{name}" for name in schema.resource_classes(module)} - {token}
    fits: list[tuple[tuple[object, ...], str, str]] = []
    for other in others:
        own = _own_name(other)
        if own is None or not _is_own(other, own):
            continue
        rest = names - (_names(other) - {own})
        if len(rest) != 1 or len(_names(other)) != len(names):
            continue
        [name] = rest
        other_class = _class_name(other)
        described = other_class.lower() in _description(token, name)
        same, ends = name == own, other_class.lower().endswith(_stem(name).lower())
        if same or described or ends:
            shared = len(
                list(takewhile(lambda pair: pair[0] == pair[1], zip(class_name, other_class, strict=False)))
            )
            begins = class_name.startswith(other_class)
            score = (same, begins, described and len(other_class), ends, shared, -len(other_class), other)
            fits.append((score, other, name))
    return max(fits)[1:] if fits else None


@cache
def _path_inputs(token: str) -> frozenset[str]:
    """Inputs that are names in the path: those that Azure does not return as a property."""
    if token in KNOWN:
        return frozenset(KNOWN[token].path_inputs)
    resource, class_name = schema.resource_schema(token), _class_name(token).lower()

    def is_name(name: str, definition: schema.Property) -> bool:
        by_id = name.endswith("Id") and (definition.required or class_name.endswith(name[:-2].lower()))
        return name not in resource.outputs and (name.endswith("Name") or by_id)

    scalars = {name: p for name, p in resource.inputs.items() if isinstance(p.kind, schema.Scalar)}
    names = {name for name, definition in scalars.items() if name in SCOPES or is_name(name, definition)}
    # Beside another name that the provider can make, `name` is its parent's or a property of the body.
    has_own = any(not scalars[name].required for name in names - SCOPES)
    of_parent = (
        "name" in scalars and scalars["name"].required and class_name not in _description(token, "name")
    )
    return frozenset(names | {"name"} if "name" in scalars and (of_parent or not has_own) else names)


def _names(token: str) -> frozenset[str]:
    return _path_inputs(token) - _OUTSIDE


@cache
def _own_name(token: str) -> str | None:
    """The name that the provider can make, else the one that the type's name ends with, else the last one."""
    if token in KNOWN:
        return KNOWN[token].name_input
    inputs, class_name = schema.resource_schema(token).inputs, _class_name(token).lower()
    return max(
        (name for name in inputs if name in _names(token)),
        key=lambda name: (
            not inputs[name].required,
            class_name.endswith(_stem(name).lower()),
            name == "name",
            list(inputs).index(name),
        ),
        default=None,
    )


def _is_own(token: str, name: str) -> bool:
    """Whether the name is the type's own: the provider can make it, or the type's name ends with it."""
    if token in KNOWN:
        return KNOWN[token].path.endswith("}")
    required = schema.resource_schema(token).inputs[name].required
    return not required or _class_name(token).lower().endswith(_stem(name).lower())


def _description(token: str, name: str) -> str:
    """What the SDK says of the input, in lower case and without blanks."""
    return "".join(schema.resource_schema(token).inputs[name].description.lower().split())


def _class_name(token: str) -> str:
    return token.rpartition(":")[2]


def _stem(name: str) -> str:
    return name.removesuffix("Name").removesuffix("Id")


def _plural(word: str) -> str:
    word = word[0].lower() + word[1:]
    if word.endswith("s"):
        return word
    if word.endswith(("x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeiou" else f"{word}s"
