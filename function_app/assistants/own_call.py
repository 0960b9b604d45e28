"""Calls the app's own function that has the `assistantPost` binding, over HTTP at the app's own host name.

The key of the caller goes with it. It is never logged.
"""

import functools
import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# Seconds: a little less than the 230 of Azure's front end, so that the client still gets an answer.
TIMEOUT = 220
_CONNECT_TIMEOUT = 10
# What Newtonsoft.Json takes for a date in a JSON body, and the host then writes in another form.
_DATE_LIKE = re.compile(r"[0-9].{9}T|/Date\(", re.DOTALL)
_CORE_TOOLS = re.compile(r"localhost(:[0-9]+)?")
# What an HTTP header can carry; the host checks no key under Core Tools.
_KEY = re.compile("[\x21-\x7e]+")


class Outcome(Enum):
    DONE = "answered 200"
    FAILED = "answered 500: the binding failed"
    REFUSED = "answered something else, without running"
    UNREACHABLE = "was not reached"
    LOST = "was reached and gave no answer"


@dataclass(frozen=True)
class Called:
    outcome: Outcome
    status: int | None = None


def run_assistant(site_host: str, assistant_id: str, message: str, key: str) -> Called:
    """Run the bound function and wait for it. `assistant_id` has passed the checks. Raises nothing."""
    import http.client  # noqa: PLC0415 # only posts need it

    headers = {"Content-Type": "application/json"}
    if _KEY.fullmatch(key):
        headers["x-functions-key"] = key
    # Core Tools serve HTTP; everything else that names the app is HTTPS.
    connection = (
        http.client.HTTPConnection(site_host, timeout=_CONNECT_TIMEOUT)
        if _CORE_TOOLS.fullmatch(site_host)
        else http.client.HTTPSConnection(site_host, timeout=_CONNECT_TIMEOUT, context=_trusted())
    )
    try:
        connection.connect()
    except (OSError, http.client.HTTPException):
        connection.close()
        return Called(Outcome.UNREACHABLE)
    try:
        connection.sock.settimeout(TIMEOUT)
        connection.request("POST", f"/api/assistants/{assistant_id}/run", encode_body(message), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return Called(Outcome.LOST)
    finally:
        connection.close()
    if status == 200:
        return Called(Outcome.DONE, status)
    return Called(Outcome.FAILED if status == 500 else Outcome.REFUSED, status)


@functools.cache
def _trusted() -> "ssl.SSLContext":
    """Made once: to read all the certificates takes longer than the rest of a post."""
    import ssl  # noqa: PLC0415 # only posts need it

    return ssl.create_default_context()


def encode_body(message: str) -> bytes:
    """`{message}{rest}` is the message; in two parts where the host would rewrite it, as a date."""
    head = 4 if _DATE_LIKE.match(message) else len(message)
    return json.dumps({"message": message[:head], "rest": message[head:]}).encode()
