"""Compares what local Azure did with a recording, which is masked and shortened."""

import hashlib
import re
from typing import Any, TypeGuard

Record = dict[str, Any]

SHORTENED = re.compile(r"(.*?)…<(\d+) characters, sha256 (\w+)>…(.*)", re.DOTALL)
_HEAD, _TAIL = 80, 40
_MASKS = (
    (re.compile(r'("(?:createdAt|lastUpdatedAt)":)"(?!0001)[^"]*"'), r'\1"<now>"'),
    (re.compile(r'("exists":true,.*?"totalMessages":)\d+(,"totalTokens":)\d+'), r"\1<n>\2<n>"),
)
_MESSAGES = re.compile(r'"recentMessages":\[\{"content":"Be brief.*\]')
_UNRECORDED_POSTS = re.compile(r'"recentMessages":\[\{"content":"Be brief.*"evil".*\]')


def differences(path: str, recorded: Any, local: Any) -> list[str]:
    """A line for each place where the two differ."""
    lines: list[str] = []
    if _is_object(recorded) and _is_object(local):
        for name in dict.fromkeys([*recorded, *local]):
            members = (side.get(name, "(absent)") for side in (recorded, local))
            lines += differences(f"{path}.{name}", *members)
    elif _is_list(recorded) and _is_list(local) and len(recorded) == len(local):
        for at, elements in enumerate(zip(recorded, local, strict=True)):
            lines += differences(f"{path}[{at}]", *elements)
    elif recorded != local and recorded != (shown := _as_recorded(recorded, local)):
        lines.append(f"{path}: {recorded!r}\n  here {shown!r}")
    return lines


def _is_object(value: object) -> TypeGuard[Record]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _as_recorded(recorded: object, local: object) -> object:
    """A text with the masks and, if that of the recording is, shortened.

    Where cases that were not recorded wrote to a conversation, its messages are those of the recording.
    """
    if not isinstance(recorded, str) or not isinstance(local, str):
        return local
    for pattern, replacement in _MASKS:
        local = pattern.sub(replacement, local)
    if seen := _UNRECORDED_POSTS.search(recorded):
        local = _MESSAGES.sub(lambda _: seen[0], local)
    if (length := SHORTENED.fullmatch(recorded)) is not None and len(local) > _HEAD + _TAIL:
        digest = hashlib.sha256(local.encode()).hexdigest()[: len(length[3])]
        return f"{local[:_HEAD]}…<{len(local)} characters, sha256 {digest}>…{local[-_TAIL:]}"
    return local
