"""Converts a worker's HTTP output to an HTTP response, as the host's HttpBinding does."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_INTEGER = re.compile(r"\s*[+-]?\d{1,9}\s*", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True)
class Response:
    """`headers` may contain Set-Cookie several times."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class BadResponseError(ValueError):
    """An invalid status or header."""


_KESTREL = """
    Accept-Ranges Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods
    Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age Age Allow Alt-Svc
    Cache-Control Content-Encoding Content-Language Content-Location Content-MD5 Content-Range Content-Type
    Date ETag Expires Last-Modified Location Pragma Proxy-Authenticate Retry-After Server Set-Cookie Trailer
    Transfer-Encoding Upgrade Vary Via Warning WWW-Authenticate
"""
_KNOWN = {name.lower(): name for name in _KESTREL.split()}
"""Kestrel writes these names so, however the function wrote them; azure-functions 2 writes lower case."""


def convert(response: Mapping[str, Any] | None, content: bytes) -> Response:
    """`response` is None for a function without an HTTP output (204). Raises BadResponseError."""
    if response is None:
        return Response(204)
    if response["type"] == "string":
        return _from_text(content)
    headers = [(str(name), str(value)) for name, value in response["headers"].items()]
    headers += [("Set-Cookie", str(cookie)) for cookie in response["cookies"]]
    return Response(_status(response["status"]), _checked(headers, content), content)


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
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    headers = cast("dict[str, Any]", members.get("headers") or {})
    listed = [(name, str(value)) for name, value in headers.items()]
    if "content-type" not in {name.lower() for name in headers}:
        kind = "text/plain" if isinstance(body, str) else "application/json"
        listed.append(("Content-Type", f"{kind}; charset=utf-8"))
    status = members.get("status", members.get("statuscode", 200))
    return Response(_status(status), _checked(listed, content), content)


def _status(value: object) -> int:
    """200 for a text that is no number."""
    status = int(str(value)) if _INTEGER.fullmatch(str(value)) else 200
    if not 100 <= status <= 999:
        raise BadResponseError(f"status {value!r} is not an HTTP status")
    return status


def _checked(headers: list[tuple[str, str]], body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers that Kestrel sends. Raises BadResponseError for one that it refuses."""
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise BadResponseError(f"header {name!r} contains a control character or one beyond ASCII")
        if name.lower() == "content-length" and value != str(len(body)):
            raise BadResponseError(f"Content-Length is {value!r}, and the body has {len(body)} bytes")
        # The server sets these itself.
        if name.lower() not in ("content-length", "connection"):
            kept.append((_KNOWN.get(name.lower(), name), value))
    return tuple(kept)
