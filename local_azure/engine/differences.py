"""What two states of a resource, or a provider's answer about them, come to: pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from local_azure.engine.events import Diff
from local_azure.engine.state import Resource
from local_azure.engine.values import Value, parse_path, path_contains, same

_INIT_ERROR_KEY = "#initerror"


def inverted(diff: Diff) -> Diff:
    detailed = (
        {path: item.inverted() for path, item in diff.detailed.items()} if diff.detailed else diff.detailed
    )
    return replace(diff, replaces=(), detailed=detailed)


def replacing_on(diff: Diff, paths: Sequence[str], unwell: bool) -> Diff:
    """`replaceOnChanges`: changes at these paths become replacements."""
    if not paths or not (diff.changes or unwell):
        return diff
    outer = [parse_path(path) for path in paths]

    def hit(path: str) -> bool:
        return any(path_contains(one, parse_path(path)) for one in outer)

    detailed = diff.detailed
    if detailed is not None:
        detailed = {path: item.replacing() if hit(path) else item for path, item in detailed.items()}
    replaces = list(dict.fromkeys([*diff.replaces, *(key for key in diff.changed if hit(key))]))
    if unwell and hit(_INIT_ERROR_KEY):
        return replace(diff, changes=True, replaces=[*replaces, _INIT_ERROR_KEY], detailed=detailed)
    return replace(diff, replaces=replaces, detailed=detailed)


_COMPARED = (
    "urn",
    "type",
    "custom",
    "custom_timeouts",
    "retain_on_delete",
    "provider",
    "parent",
    "deleted_with",
    "protect",
)


def must_write(old: Resource, new: Resource) -> bool:
    """Whether an unchanged resource differs in something that a run killed right now must have saved."""
    if any(getattr(old, name) != getattr(new, name) for name in _COMPARED):
        return True
    if sorted(old.dependencies) != sorted(new.dependencies):
        return True
    old_keys, new_keys = old.property_dependencies, new.property_dependencies
    if {key: sorted(urns) for key, urns in old_keys.items()} != {
        key: sorted(urns) for key, urns in new_keys.items()
    }:
        return True
    return not (
        same(cast(Value, old.inputs), cast(Value, new.inputs))
        and same(cast(Value, old.outputs or {}), cast(Value, new.outputs or {}))
    )
