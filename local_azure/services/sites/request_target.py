"""What the host makes of a request's target: decoded path and query, in pure functions."""

import re
from urllib.parse import unquote_plus, urlsplit

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


class BadTargetError(ValueError):
    """A target that the server refuses with 400 before any routing."""


def split(target: str) -> tuple[str, str]:
    """(raw path, raw query) of a request line's target; an absolute one loses scheme and host."""
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    path, _, query = target.partition("#")[0].partition("?")
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


def _decode(found: re.Match[str]) -> str:
    text = found.group()
    data = bytes.fromhex(text.replace("%", ""))
    # Only the bytes that are no UTF-8 keep their escapes.
    return data.decode("utf-8", "surrogateescape").translate(
        {0xDC00 + byte: f"%{byte:02X}" for byte in range(0x80, 0x100)}
    )


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
    return [
        (unquote_plus(name), unquote_plus(value))
        for name, _, value in (pair.partition("=") for pair in raw.split("&") if pair)
    ]


def query_values(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """`req.params`: names without regard to case, the last duplicate wins, empty values are missing."""
    values: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        first = values.get(name.lower(), (name, ""))[0]
        values[name.lower()] = (first, value)
    return {name: value for name, value in values.values() if value}


def first_value(pairs: list[tuple[str, str]], name: str) -> str | None:
    return next((value for found, value in pairs if found.lower() == name), None)
