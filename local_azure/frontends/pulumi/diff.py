"""The changed properties between two sets of inputs, and which of them replace the resource."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from local_azure.core.regions import normal_location

# A list in azure-native and a map in Azure: order has no meaning, and ids are compared without case.
_ID_SETS = frozenset({"userAssignedIdentities"})


def differences(old: Mapping[str, Any], new: Mapping[str, Any], replace_on: Sequence[str]) -> dict[str, str]:
    """Changed paths, as in `siteConfig.appSettings[0].value`, with their `PropertyDiff.Kind`.

    `replace_on` holds paths without indices (`properties.customSubDomainName`); a path below one of them
    replaces, too. An unknown new value is a change.
    """
    changes = _object_changes(old, new, "")
    return {path: f"{kind}_REPLACE" if _replaces(path, replace_on) else kind for path, kind in changes}


def _replaces(path: str, replace_on: Sequence[str]) -> bool:
    plain = re.sub(r"\[\d+\]", "", path)
    return any(plain == key or plain.startswith(f"{key}.") for key in replace_on)


def _object_changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    changes: list[tuple[str, str]] = []
    for name in dict.fromkeys((*old, *new)):
        path = f"{prefix}{name}"
        if name not in new:
            changes.append((path, "DELETE"))
        elif name not in old:
            changes.append((path, "ADD"))
        elif not _same(name, old[name], new[name]):
            changes += _value_changes(old[name], new[name], path)
    return changes


def _same(name: str, old: Any, new: Any) -> bool:
    if name == "location" and isinstance(old, str) and isinstance(new, str):
        return normal_location(old) == normal_location(new)
    if name in _ID_SETS and isinstance(old, list) and isinstance(new, list):
        return _as_set(cast("list[Any]", old)) == _as_set(cast("list[Any]", new))
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)  # 1 == True in Python


def _as_set(ids: list[Any]) -> set[object]:
    return {element.lower() if isinstance(element, str) else repr(element) for element in ids}


def _value_changes(old: object, new: object, path: str) -> list[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return _object_changes(cast("dict[str, Any]", old), cast("dict[str, Any]", new), f"{path}.")
    if isinstance(old, list) and isinstance(new, list):
        before, after = cast("list[Any]", old), cast("list[Any]", new)
        common = min(len(before), len(after))
        changes = [
            change
            for n in range(common)
            if before[n] != after[n]
            for change in _value_changes(before[n], after[n], f"{path}[{n}]")
        ]
        changes += [(f"{path}[{n}]", "DELETE") for n in range(common, len(before))]
        changes += [(f"{path}[{n}]", "ADD") for n in range(common, len(after))]
        return changes
    return [(path, "UPDATE")]
