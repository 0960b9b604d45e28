"""Converts the HTTP output of a function to an HTTP response, as the host's HttpBinding does."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from local_azure.functions_host.bindings import dotnet, newtonsoft
from local_azure.functions_host.bindings.newtonsoft import JsonObject
from local_azure.functions_host.worker import Datum

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


def convert(output: Datum | None) -> Response:
    """204 for a function without an HTTP output. Raises BadResponseError."""
    if output is None:
        return Response(204)
    if output.type == "http":
        return _from_http(output.value)
    value = _parsed(output.value) if output.type in ("string", "json") else output.value
    # An object with a `body` describes the response; anything else is the body.
    if isinstance(value, JsonObject):
        members = {name.lower(): member for name, member in value.items()}
        if "body" in members:
            body = members["body"]
            headers = cast("dict[str, object]", members.get("headers") or {})
            text = dotnet.newtonsoft(body) if isinstance(body, JsonObject) else _text(body)
            return _response(members.get("statuscode", members.get("status")), headers.items(), text)
    return _response(200, (), value if isinstance(value, bytes) else _text(value))


def _from_http(http: Mapping[str, Any]) -> Response:
    body: Datum | None = http["body"]
    if body is None:
        # The host takes its own object, which then has no body, for the content (recording rpc-response/204).
        own: dict[str, object] = {
            "method": "",
            "query": {},
            "statusCode": http["status"],
            "headers": http["headers"],
            "enableContentNegotiation": False,
            "cookies": [],
        }
        return _response(200, (), dotnet.newtonsoft(own))
    headers = [*http["headers"].items(), *(("Set-Cookie", cookie) for cookie in http["cookies"])]
    content = _parsed(body.value) if body.type == "json" else body.value
    return _response(http["status"], headers, content if isinstance(content, bytes) else _text(content))


def _parsed(text: str) -> object:
    """The value of a JSON text; the text itself if it is none."""
    try:
        return newtonsoft.parse(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    """`ToString` of a parsed value: an object or array is indented."""
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return newtonsoft.token_text(value) or ""


def _response(status: object, headers: Iterable[tuple[str, object]], content: str | bytes) -> Response:
    """The response that Kestrel sends: a text has a Content-Type. Raises BadResponseError."""
    body = content if isinstance(content, bytes) else content.encode()
    kept: list[tuple[str, str]] = []
    for name, value in ((name, str(value)) for name, value in headers):
        if not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise BadResponseError(f"header {name!r} contains a control character or one beyond ASCII")
        if name.lower() == "content-length" and value != str(len(body)):
            raise BadResponseError(f"Content-Length is {value!r}, and the body has {len(body)} bytes")
        # The server sets these itself.
        if name.lower() not in ("content-length", "connection"):
            kept.append((_KNOWN.get(name.lower(), name), value))
    if isinstance(content, str) and "Content-Type" not in dict(kept):
        kept.append(("Content-Type", "text/plain; charset=utf-8"))
    # A status that is no number is 200.
    number = int(str(status)) if _INTEGER.fullmatch(str(status)) else 200
    if not 100 <= number <= 999:
        raise BadResponseError(f"status {status!r} is not an HTTP status")
    return Response(number, tuple(kept), body)
