"""What the host makes of a request's target: decoded path and query, in pure functions."""

import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_CHARACTERS = "%!$&'()*+,;=:@/"
"""What `PathString.ToUriComponent` leaves as it is, beside letters, digits and `-._~`."""


class BadTargetError(ValueError):
    """A target that the server refuses with 400 before any routing."""


def split(target: str) -> tuple[str, str]:
    """(raw path, raw query) of a request line's target; an absolute one loses scheme and host."""
    if "#" in target:
        msg = "the target holds a fragment"
        raise BadTargetError(msg)
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    path, _, query = target.partition("?")
    return path, query


def decode_path(raw: str) -> str:
    """The path decoded once as UTF-8; what is no UTF-8 stays as it was written, and so does `+`.

    `%2F` becomes a separator: that is what reaches a deployed app, whose front
    end decodes it (facts of Azure/azure-functions-host #9290); Core Tools keep it.
    """
    decoded = _ESCAPES.sub(_decode, raw)
    if "\0" in decoded:
        msg = "the path holds a null character"
        raise BadTargetError(msg)
    return _without_dots(decoded)


def encode_path(path: str) -> str:
    """The path of the URL that the function sees: the decoded one, encoded again."""
    return quote(_BARE_PERCENT.sub("%25", path), safe=_PATH_CHARACTERS)


def _decode(escapes: re.Match[str]) -> str:
    """Only the bytes that are no UTF-8 keep their escapes, in the case in which they were written."""
    text, at = escapes.group(), 0
    parts: list[str] = []
    for character in bytes.fromhex(text.replace("%", "")).decode("utf-8", "surrogateescape"):
        end = at + 3 * len(character.encode("utf-8", "surrogateescape"))
        parts.append(text[at:end] if "\udc80" <= character <= "\udcff" else character)
        at = end
    return "".join(parts)


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/".join(kept) or "/"


def query_pairs(raw: str) -> list[tuple[str, str]]:
    """Names and values, decoded as the path is, with `+` for a space."""
    pairs = (pair.replace("+", " ").partition("=") for pair in raw.split("&") if pair)
    return [(_ESCAPES.sub(_decode, name), _ESCAPES.sub(_decode, value)) for name, _, value in pairs]


def query_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """`req.params`: names without regard to case, several values joined, empty ones left out."""
    values: dict[str, tuple[str, list[str]]] = {}
    for name, value in pairs:
        values.setdefault(name.lower(), (name, []))[1].append(value)
    return {name: joined for name, given in values.values() if (joined := joined_values(given))}


def joined_values(values: Iterable[str]) -> str:
    """`StringValues.ToString`: what the function gets of a parameter or header that was sent twice."""
    return ",".join(value for value in values if value)


def first_value(pairs: list[tuple[str, str]], name: str) -> str | None:
    return next((value for given, value in pairs if given.lower() == name), None)
