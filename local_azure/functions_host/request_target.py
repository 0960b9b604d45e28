"""Decodes the path and the query of a request target as the host does."""

import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_CHARACTERS = "%!$&'()*+,;=:@/"
"""Characters that `PathString.ToUriComponent` does not encode, besides letters, digits and `-._~`."""


class BadTargetError(ValueError):
    """A target that the server rejects with 400 before routing."""


def split(target: str) -> tuple[str, str]:
    """(raw path, raw query) of a request target, without the scheme and host of an absolute one."""
    if "#" in target:
        raise BadTargetError("the target contains a fragment")
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    path, _, query = target.partition("?")
    return path, query


def decode_path(raw: str) -> str:
    """The path decoded once as UTF-8; bytes that are not UTF-8 stay escaped.

    `%2F` becomes a separator, as the front end of a deployed app decodes it
    (Azure/azure-functions-host #9290); Core Tools keep it escaped.
    """
    decoded = _ESCAPES.sub(_decode, raw)
    if "\0" in decoded:
        raise BadTargetError("the path contains a null character")
    return _without_dots(decoded)


def encode_path(path: str) -> str:
    """Encodes a decoded path for the URL that the function gets."""
    return quote(_BARE_PERCENT.sub("%25", path), safe=_PATH_CHARACTERS)


def _decode(escapes: re.Match[str]) -> str:
    """Bytes that are not UTF-8 keep their escapes, in their original case."""
    text, at = escapes.group(), 0
    parts: list[str] = []
    for character in bytes.fromhex(text.replace("%", "")).decode("utf-8", "surrogateescape"):
        end = at + 3 * len(character.encode("utf-8", "surrogateescape"))
        parts.append(text[at:end] if "\udc80" <= character <= "\udcff" else character)
        at = end
    return "".join(parts)


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]  # not the empty segment before the first slash
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def query_pairs(raw: str) -> list[tuple[str, str]]:
    """Names and values, decoded as in a path; `+` is a space."""
    pairs = (pair.replace("+", " ").partition("=") for pair in raw.split("&") if pair)
    return [(_ESCAPES.sub(_decode, name), _ESCAPES.sub(_decode, value)) for name, _, value in pairs]


def query_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """`req.params`: names ignore case, several values are joined, empty values are left out."""
    values: dict[str, tuple[str, list[str]]] = {}
    for name, value in pairs:
        values.setdefault(name.lower(), (name, []))[1].append(value)
    return {name: joined for name, given in values.values() if (joined := joined_values(given))}


def joined_values(values: Iterable[str]) -> str:
    """`StringValues.ToString`: the value of a query parameter or header that was sent several times."""
    return ",".join(value for value in values if value)


def first_value(pairs: list[tuple[str, str]], name: str) -> str | None:
    return next((value for given, value in pairs if given.lower() == name), None)
