"""Calls the app's own function that has the `assistantPost` binding, over HTTP at the app's own host name.

The key of the caller goes with it. It is never logged.
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

# Seconds: a little less than the 230 of Azure's front end, so that the client still gets an answer.
TIMEOUT = 220
_CONNECT_TIMEOUT = 10
# An open connection is used again within this time; front ends keep theirs for minutes.
_IDLE_SECONDS = 20
# What Newtonsoft.Json takes for a date in a JSON body, and the host then writes in another form.
_DATE_LIKE = re.compile(r"[0-9].{9}T|/Date\(", re.DOTALL)
_CORE_TOOLS = re.compile(r"localhost(:[0-9]+)?")
# What an HTTP header can carry, as UTF-8 (Kestrel's default); the host checks no key under Core Tools.
_KEY = re.compile("[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?")


class Outcome(Enum):
    DONE = "answered 200"
    FAILED = "answered 500: the binding failed"
    BUSY = "answered 429 or 503, without running"
    KEY_REFUSED = "answered 401 or 403, without running"
    MISSING = "answered 404, without running"
    REFUSED = "answered something else, without running"
    UNREACHABLE = "was not reached"
    INDETERMINATE = "was reached and gave no answer of its own"


_BY_STATUS = {
    200: Outcome.DONE,
    500: Outcome.FAILED,
    # What a front end answers when it gives up on the host, which may run and write nevertheless.
    **dict.fromkeys((408, 502, 504), Outcome.INDETERMINATE),
    **dict.fromkeys((429, 503), Outcome.BUSY),
    **dict.fromkeys((401, 403), Outcome.KEY_REFUSED),
    404: Outcome.MISSING,
}


@dataclass(frozen=True)
class CallResult:
    """How the call ended. `status` is that of the answer, None without one."""

    outcome: Outcome
    status: int | None = None


class _Connections:
    """Open connections to the app's own host: a TLS handshake takes longer than the rest of the call.

    A POST cannot be sent twice, so that one which the other side may be closing is not used again.
    """

    def __init__(self, site_host: str) -> None:
        self._site_host = site_host
        self._lock = threading.Lock()
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []

    def take(self) -> "http.client.HTTPConnection":
        """One that is connected. Raises OSError and HTTPException."""
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
        """Keep it open, unless its last answer has closed it."""
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
    """Run the bound function and wait for it. `assistant_id` has passed the checks. Raises nothing.

    `key` is as the client sent it. Where it has commas they may join two headers of which the host took the
    first, or belong to a key that somebody chose: a 401 runs nothing, so both can be tried.
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

    # Core Tools serve HTTP; everything else that names the app is HTTPS.
    if _CORE_TOOLS.fullmatch(site_host):
        return http.client.HTTPConnection(site_host, timeout=_CONNECT_TIMEOUT)
    return http.client.HTTPSConnection(site_host, timeout=_CONNECT_TIMEOUT, context=trusted_certificates())


def _closed(connection: "http.client.HTTPConnection") -> bool:
    """Whether the other side has said something unasked: that it closes, most often."""
    import selectors  # noqa: PLC0415 # only posts need it

    with selectors.DefaultSelector() as heard:
        heard.register(connection.sock, selectors.EVENT_READ)
        return bool(heard.select(0))


@functools.cache
def trusted_certificates() -> "ssl.SSLContext":
    """Made once: to read all the certificates takes longer than the rest of a post."""
    import ssl  # noqa: PLC0415 # only posts need it

    return ssl.create_default_context()


def encode_body(message: str) -> bytes:
    """`{message}{rest}` is the message; in two parts where the host would rewrite it, as a date."""
    head = 4 if _DATE_LIKE.match(message) else len(message)
    return json.dumps({"message": message[:head], "rest": message[head:]}).encode()
