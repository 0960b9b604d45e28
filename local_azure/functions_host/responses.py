"""Converts a worker's HTTP output to an HTTP response, as the host's HttpBinding does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True)
class Response:
    """`headers` may contain Set-Cookie several times."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class BadResponseError(ValueError):
    """An invalid status or header."""


def convert(response: Mapping[str, Any] | None, content: bytes) -> Response:
    """`response` is None for a function without an HTTP output (204). Raises BadResponseError."""
    if response is None:
        return Response(204)
    if response["type"] == "string":
        return _from_text(content)
    headers = [(str(name), str(value)) for name, value in response["headers"].items()]
    headers += [("Set-Cookie", str(cookie)) for cookie in response["cookies"]]
    return Response(_status(response["status"]), _checked(headers), content)


def _from_text(content: bytes) -> Response:
    """JSON with a `body` member describes the response; anything else is the body."""
    try:
        parsed: object = json.loads(content)
    except ValueError:
        parsed = None
    members = (
        {name.lower(): value for name, value in cast("dict[str, Any]", parsed).items()}
        if isinstance(parsed, dict)
        else {}
    )
    if "body" not in members:
        return Response(200, (("Content-Type", "text/plain; charset=utf-8"),), content)
    body = members["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    headers = cast("dict[str, Any]", members.get("headers") or {})
    listed = [(name, str(value)) for name, value in headers.items()]
    if "content-type" not in {name.lower() for name in headers}:
        kind = "text/plain" if isinstance(body, str) else "application/json"
        listed.append(("Content-Type", f"{kind}; charset=utf-8"))
    status = members.get("status", members.get("statuscode", 200))
    return Response(_status(status), _checked(listed), text.encode())


def _status(value: object) -> int:
    text = str(value)
    if not text.isdigit() or not 100 <= int(text) <= 999:
        raise BadResponseError(f"status {value!r} is not an HTTP status")
    return int(text)


def _checked(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        if any(character in "\r\n\0" for character in name + value):
            raise BadResponseError(f"header {name!r} contains a line break")
        # The server sets these itself.
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            kept.append((name, value))
    return tuple(kept)
