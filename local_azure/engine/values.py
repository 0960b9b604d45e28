"""Property values and their encodings: the one place that knows Pulumi's signatures.

A property value is plain JSON data. What JSON has no word for is a dict with the
signature key (`SIG`), in the form that travels on the wire; an unknown is the
sentinel string `UNKNOWN`. Numbers are ints where they are whole.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeGuard, cast

from local_azure.engine.errors import EngineError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Properties: TypeAlias = dict[str, Value]

SIG = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the signature of secrets, itself none
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# An SDK may say of what type the unknown is; the engine's decisions never depend on it.
TYPED_UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class UnsupportedValueError(EngineError):
    """A value that the embedded engine cannot carry; the message says what to do."""


def is_object(value: Value) -> TypeGuard[Properties]:
    """A plain object: not a secret, asset, archive or resource reference."""
    return isinstance(value, dict) and SIG not in value


def is_secret(value: Value) -> TypeGuard[Properties]:
    return isinstance(value, dict) and value.get(SIG) == SECRET


def secret(value: Value) -> Value:
    return value if is_secret(value) else {SIG: SECRET, "value": value}


def reveal(value: Value) -> Value:
    """The value without any secret marks, at every depth."""
    if isinstance(value, list):
        return [reveal(item) for item in value]
    if isinstance(value, dict):
        if is_secret(value):
            return reveal(value.get("value"))
        return {key: reveal(item) for key, item in value.items()}
    return value


def _parts(value: Value) -> Iterator[Value]:
    yield value
    for part in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from _parts(part)


def has_unknown(value: Value) -> bool:
    return any(part == UNKNOWN for part in _parts(value))


def has_secret(value: Value) -> bool:
    return any(is_secret(part) for part in _parts(value))


def same(left: Value, right: Value) -> bool:
    """Equality of JSON values: unlike Python's, `true` is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def mark_secrets(outs: Properties | None, ins: Properties | None) -> None:
    """Carries the secret marks of `ins` to properties of `outs` with the same name, in place.

    For providers that do not take secrets: what went in as a secret is one when it comes back.
    """
    if not outs or not ins:
        return
    for key, given in ins.items():
        if key not in outs:
            continue
        value = outs[key]
        if is_object(value) and is_object(given):
            mark_secrets(value, given)
        elif has_secret(given):
            outs[key] = secret(value)


# --- assets -----------------------------------------------------------------


def hash_assets(value: Value, folder: Path) -> Value:
    """The value with the content hash of each asset filled in, as the engine stores it.

    Raises UnsupportedValueError for archives: what their hash covers is the CLI's secret, and a wrong one
    would be a difference when the CLI goes on with the stack.
    """
    if isinstance(value, list):
        return [hash_assets(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(SIG)
    if kind == ARCHIVE and not value.get("hash"):
        raise UnsupportedValueError(
            "the embedded engine does not take archives (FileArchive, AssetArchive): install the Pulumi CLI"
        )
    if kind == ASSET and not value.get("hash"):
        text, path = value.get("text"), value.get("path")
        if isinstance(path, str) and path:
            content = (folder / path).read_bytes()
        elif isinstance(text, str):
            content = text.encode()
        else:
            raise UnsupportedValueError(
                "the embedded engine takes assets from text and files only: install the Pulumi CLI"
            )
        return {**value, "hash": hashlib.sha256(content).hexdigest()}
    return {key: hash_assets(item, folder) for key, item in value.items()}


# --- differences ------------------------------------------------------------


def changed_keys(old: Mapping[str, Value], new: Mapping[str, Value]) -> list[str]:
    """Top-level keys whose values differ, secret marks aside."""
    return [
        key
        for key in sorted({*old, *new})
        if (key in old) != (key in new) or not same(reveal(old.get(key)), reveal(new.get(key)))
    ]


@dataclass(frozen=True)
class Change:
    """One differing leaf. `kind` is `add`, `delete` or `update`; secret and unknown values stay marked."""

    path: str
    kind: str
    old: Value = None
    new: Value = None


def changes(old: Value, new: Value, path: str = "") -> list[Change]:
    """Every differing leaf below two values, in a stable order."""
    if same(old, new):
        return []
    if is_object(old) and is_object(new):
        found: list[Change] = []
        for key in sorted({*old, *new}):
            at = join_path(path, key)
            if key not in old:
                found.append(Change(at, "add", None, new[key]))
            elif key not in new:
                found.append(Change(at, "delete", old[key], None))
            else:
                found += changes(old[key], new[key], at)
        return found
    if isinstance(old, list) and isinstance(new, list):
        found = []
        for index in range(max(len(old), len(new))):
            at = f"{path}[{index}]"
            if index >= len(old):
                found.append(Change(at, "add", None, new[index]))
            elif index >= len(new):
                found.append(Change(at, "delete", old[index], None))
            else:
                found += changes(old[index], new[index], at)
        return found
    if is_secret(old) and is_secret(new) and same(reveal(old), reveal(new)):
        return []
    return [Change(path, "update", old, new)]


# --- property paths (`a.b[0]["c.d"]`) ---------------------------------------

PropertyPath: TypeAlias = tuple[str | int, ...]


def join_path(path: str, key: str) -> str:
    plain = key.replace("_", "a").replace("-", "a").isalnum()
    if not plain:
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def parse_path(text: str) -> PropertyPath:
    """Raises ValueError for a text that is no property path."""
    parts: list[str | int] = []
    rest = text
    while rest:
        if rest.startswith("["):
            if rest.startswith('["'):
                try:
                    key, end = json.JSONDecoder().raw_decode(rest, 1)
                except ValueError:
                    raise ValueError(f"unterminated index in property path {text!r}") from None
                if not rest.startswith("]", end):
                    raise ValueError(f"unterminated index in property path {text!r}")
                parts.append(str(key))
                rest = rest[end + 1 :]
            else:
                inside, closed, rest = rest[1:].partition("]")
                if not closed or not (inside == "*" or inside.isdigit()):
                    raise ValueError(f"bad index in property path {text!r}")
                parts.append("*" if inside == "*" else int(inside))
        else:
            rest = rest.removeprefix(".")
            end = min((at for at in (rest.find("."), rest.find("[")) if at >= 0), default=len(rest))
            if not end:
                raise ValueError(f"empty name in property path {text!r}")
            parts.append(rest[:end])
            rest = rest[end:]
    return tuple(parts)


def path_contains(outer: PropertyPath, inner: PropertyPath) -> bool:
    """Whether `inner` is `outer` or lies below it; `*` in `outer` stands for any key or index."""
    return len(outer) <= len(inner) and all(
        part in ("*", there) for part, there in zip(outer, inner, strict=False)
    )


_ABSENT = object()


def _child(value: Value, part: str | int) -> object:
    if isinstance(value, dict):
        if is_secret(value):
            return _child(value.get("value"), part)
        return value.get(str(part), _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT


def _keep(old: Value, new: Value, path: PropertyPath) -> Value:
    """`new` with what stands at `path` taken from `old`."""
    part, rest = path[0], path[1:]
    if is_secret(new):
        return secret(_keep(old["value"] if is_secret(old) else old, new.get("value"), path))
    if is_secret(old):
        old = old.get("value")
    if part == "*":
        if isinstance(new, dict):
            keys: Iterable[str | int] = (
                {*new, *(old if isinstance(old, dict) else ())} if not rest else list(new)
            )
        else:
            keys = range(len(new)) if isinstance(new, list) else ()
        for key in sorted(keys, key=str):
            new = _keep(old, new, (key, *rest))
        return new
    before = _child(old, part)
    if isinstance(new, dict):
        key = str(part)
        if rest:
            if key not in new:
                return new
            return {**new, key: _keep(None if before is _ABSENT else cast(Value, before), new[key], rest)}
        if before is _ABSENT:
            return {name: item for name, item in new.items() if name != key}
        return {**new, key: cast(Value, before)}
    if isinstance(new, list) and isinstance(part, int) and part < len(new) and before is not _ABSENT:
        item = _keep(cast(Value, before), new[part], rest) if rest else cast(Value, before)
        return [*new[:part], item, *new[part + 1 :]]
    return new


def keep_old(old: Properties, new: Properties, paths: Iterable[str]) -> Properties:
    """`ignoreChanges`: the new inputs with the old values at these paths; bad paths are passed over."""
    kept: Value = new
    for text in paths:
        try:
            path = parse_path(text)
        except ValueError:
            continue
        if path:
            kept = _keep(old, kept, path)
    return cast(Properties, kept)
