"""Compares what the bindings of local Azure did in a step with what the extension did."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from local_azure.functions_host.bindings import dotnet

_NOW = re.compile(r"<now(\d+)( 7)?Z>")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,7}))?Z")
_STORED_DIGITS = 7
_WAITED = re.compile(r"([\d.]+)-([\d.]+) s")
_UNNOTED_WAIT = 0.4
_LONG, _HEAD, _TAIL = 400, 80, 40
_ABSENT: object = object()


class Instants:
    """The instants of a scenario's run: their order has to be that of the recording."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, str]] = []

    def add(self, rank: int, instant: str) -> None:
        self._pairs.append((rank, instant))

    def disorder(self) -> list[str]:
        latest = ""
        for rank in sorted({rank for rank, _ in self._pairs}):
            instants = [instant for other, instant in self._pairs if other == rank]
            if min(instants) < latest:
                return [f"<now{rank} Z> is {min(instants)}, before an instant of a lower rank, {latest}"]
            latest = max(instants)
        return []


def abbreviated(value: object) -> object:
    """The value with each text of more than 400 UTF-16 units as its head, length, hash and tail."""
    if isinstance(value, dict):
        return {name: abbreviated(member) for name, member in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [abbreviated(element) for element in cast("list[object]", value)]
    if not isinstance(value, str):
        return value
    units = value.encode("utf-16-le", "surrogatepass")
    length = len(units) // 2
    if length <= _LONG:
        return value
    head, tail = (part.decode("utf-16-le", "replace") for part in (units[: 2 * _HEAD], units[-2 * _TAIL :]))
    return f"{head}…<{length} UTF-16 units, sha256 {hashlib.sha256(units).hexdigest()[:16]}>…{tail}"


def differences(recorded: object, local: object, path: str, instants: Instants) -> Iterable[str]:
    """A line for each place where the two differ; the members of an object have an order in `result`."""
    match recorded, local:
        case dict(), dict():
            expected, actual = cast("dict[str, object]", recorded), cast("dict[str, object]", local)
            if path.endswith("result") and list(expected) != list(actual):
                yield f"{path}: members {list(expected)} here {list(actual)}"
            for name in expected | actual:
                yield from _member(expected, actual, name, f"{path}.{name}", instants)
        case list(), list():
            expected_list, actual_list = cast("list[object]", recorded), cast("list[object]", local)
            if len(expected_list) != len(actual_list):
                yield f"{path}: {len(expected_list)} elements, here {len(actual_list)}"
            for index, (left, right) in enumerate(zip(expected_list, actual_list, strict=False)):
                yield from differences(left, right, f"{path}[{index}]", instants)
        case str(), str() if (rank := _NOW.fullmatch(recorded)) is not None:
            instant = _INSTANT.fullmatch(local)
            if instant is None or (rank[2] and len(instant[1] or "") != _STORED_DIGITS):
                yield f"{path}: an instant of the run, here {local!r}"
            else:
                instants.add(int(rank[1]), dotnet.instant(local))
        case _ if type(recorded) is not type(local) or recorded != local:
            yield f"{path}: {recorded!r}\n    here {local!r}"
        case _:
            pass


def _member(
    recorded: dict[str, object], local: dict[str, object], name: str, path: str, instants: Instants
) -> Iterable[str]:
    expected, actual = recorded.get(name, _ABSENT), local.get(name, _ABSENT)
    if name == "waited":
        seconds = float(cast("float", actual))
        limits = _WAITED.fullmatch(str(expected))
        low, high = (float(limits[1]), float(limits[2])) if limits else (0.0, _UNNOTED_WAIT)
        if not low <= seconds <= high:
            yield f"{path}: {low} to {high} s, here {seconds} s"
    elif expected is _ABSENT or actual is _ABSENT:
        present, side = (actual, "here only") if expected is _ABSENT else (expected, "missing here")
        yield f"{path}: {side}: {present!r}"
    else:
        yield from differences(expected, actual, path, instants)


def counted_messages(requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Requests to the model in which what the one before had, too, is only mentioned."""
    counted: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for request in requests:
        body: dict[str, Any] = dict(request["body"])
        messages: list[Any] = body["messages"]
        known: list[Any] = before.get("messages", [])
        if known and messages[: len(known)] == known:
            body["messages"] = [f"<the {len(known)} of the request before>", *messages[len(known) :]]
        if "tools" in body and body["tools"] == before.get("tools"):
            body["tools"] = "<as in the request before>"
        before = request["body"]
        counted.append({**request, "body": body})
    return counted
