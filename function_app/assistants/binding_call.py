"""Calls the app's function with the `assistantPost` binding, over HTTP at the app's own host name.

The caller's key is sent with the call and never logged.
"""

import functools
import json
import re
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from assistants import paths

if TYPE_CHECKING:
    import http.client
    import ssl

# Seconds: less than the 230 of Azure's front end, so that the client still gets a response.
TIMEOUT = 220
_CONNECT_TIMEOUT = 10
# Seconds within which an idle connection is reused; front ends keep theirs open for minutes.
_IDLE_SECONDS = 20
# What Newtonsoft.Json reads as a date in a JSON body, and the host writes in another form.
_DATE_LIKE = re.compile(r"[0-9].{9}T|/Date\(", re.DOTALL)
_CORE_TOOLS = re.compile(r"localhost(:[0-9]+)?")
# The values that an HTTP header allows, in UTF-8 (Kestrel's default). Core Tools check no key.
_KEY = re.compile("[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?")


class Outcome(Enum):
    DONE = "answered 200"
    FAILED = "answered 500: the binding failed"
    BUSY = "answered 429 or 503, without running"
    KEY_REFUSED = "answered 401 or 403, without running"
    MISSING = "answered 404, without running"
    REFUSED = "answered something else, without running"
    UNREACHABLE = "was not reached"
    INDETERMINATE = "was sent, and its result is not known"


_BY_STATUS = {
    200: Outcome.DONE,
    500: Outcome.FAILED,
    # A front end stopped waiting for the host, which may still run and write.
    **dict.fromkeys((408, 502, 504), Outcome.INDETERMINATE),
    **dict.fromkeys((429, 503), Outcome.BUSY),
    **dict.fromkeys((401, 403), Outcome.KEY_REFUSED),
    404: Outcome.MISSING,
}


@dataclass(frozen=True)
class CallResult:
    """`status` is that of the response, None without one."""

    outcome: Outcome
    status: int | None = None


class _Connections:
    """Open connections to the app's own host: a TLS handshake takes longer than the rest of the call.

    A POST must not be sent twice, so a connection that the server may be closing is not reused.
    """

    def __init__(self, site_host: str) -> None:
        self._site_host = site_host
        self._lock = threading.Lock()
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []

    def take(self) -> "http.client.HTTPConnection":
        """A connected one. Raises OSError and HTTPException."""
        while (idle := self._pop()) is not None:
            since, connection = idle
            if time.monotonic() - since < _IDLE_SECONDS and not _closed(connection):
                return connection
            connection.close()
        connection = _new(self._site_host)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(TIMEOUT)
        return connection

    def give(self, connection: "http.client.HTTPConnection") -> None:
        """Return it for reuse, unless its last response has closed it."""
        if connection.sock is not None:  # pyright: ignore[reportUnnecessaryComparison] # typeshed leaves out None
            now = time.monotonic()
            with self._lock:
                while self._idle and now - self._idle[0][0] > _IDLE_SECONDS:
                    self._idle.pop(0)[1].close()
                self._idle.append((now, connection))

    def _pop(self) -> "tuple[float, http.client.HTTPConnection] | None":
        with self._lock:
            return self._idle.pop() if self._idle else None


def run_assistant(site_host: str, assistant_id: str, message: str, key: str) -> CallResult:
    """Run the bound function and wait for its response. `assistant_id` has been validated. Raises nothing.

    `key` is as the client sent it. Commas in it may join two headers, of which the host used the first, or
    belong to a custom key. After a 401 nothing has run, so that both can be tried.
    """
    call = _call(site_host, assistant_id, message, key)
    first_key = key.partition(",")[0].strip()
    if call.status == 401 and first_key != key:
        return _call(site_host, assistant_id, message, first_key)
    return call


def _call(site_host: str, assistant_id: str, message: str, key: str) -> CallResult:
    import http.client  # noqa: PLC0415 # only posts need it

    headers: dict[str, str | bytes] = {"Content-Type": "application/json"}
    if _KEY.fullmatch(key):
        headers["x-functions-key"] = key.encode("utf-8", "replace")
    connections = _connections(site_host)
    try:
        connection = connections.take()
    except (OSError, http.client.HTTPException):
        return CallResult(Outcome.UNREACHABLE)
    try:
        path = paths.url_path(f"assistants/{assistant_id}/run")
        connection.request("POST", path, encode_body(message), headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return CallResult(Outcome.INDETERMINATE)
    connections.give(connection)
    return CallResult(_BY_STATUS.get(response.status, Outcome.REFUSED), response.status)


@functools.cache
def _connections(site_host: str) -> _Connections:
    return _Connections(site_host)


def _new(site_host: str) -> "http.client.HTTPConnection":
    import http.client  # noqa: PLC0415 # only posts need it

    # Core Tools serve HTTP, every other host HTTPS.
    if _CORE_TOOLS.fullmatch(site_host):
        return http.client.HTTPConnection(site_host, timeout=_CONNECT_TIMEOUT)
    return http.client.HTTPSConnection(site_host, timeout=_CONNECT_TIMEOUT, context=trusted_certificates())


def _closed(connection: "http.client.HTTPConnection") -> bool:
    """Whether the server has sent something on the idle connection, usually that it closes it."""
    import selectors  # noqa: PLC0415 # only posts need it

    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


@functools.cache
def trusted_certificates() -> "ssl.SSLContext":
    """Cached: reading all certificates takes longer than the rest of a post."""
    import ssl  # noqa: PLC0415 # only posts need it

    return ssl.create_default_context()


def encode_body(message: str) -> bytes:
    """`{message}{rest}` is the message; it is split if the host would rewrite it as a date."""
    head = 4 if _DATE_LIKE.match(message) else len(message)
    return json.dumps({"message": message[:head], "rest": message[head:]}).encode()
