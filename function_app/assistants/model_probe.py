"""Sends the model a minimal request after a call of the extension has failed and written nothing.

The host answers every failure of the extension with the same 500 without a body. A request of a few tokens
with the app's own identity distinguishes a missing role, a missing deployment and the rate limit.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from assistants.settings import ModelConnection, Settings

if TYPE_CHECKING:
    from assistants.identity import ManagedIdentity

SCOPE = "https://cognitiveservices.azure.com/.default"
KEEP_SECONDS = 10
"""How long an answer is used for all failed posts of this instance."""

# What the extension's own client sends (Azure.AI.OpenAI 2.1.0, recordings).
_API_VERSION = "2024-10-21"
_TIMEOUT = 10


class Cause(Enum):
    """What the model's answer says about the account, as the end of "the model account …"."""

    AVAILABLE = "answers"
    RATE_LIMIT = "is at its rate limit"
    NO_ROLE = "rejects the app's identity"
    DENIED = "denies access"
    NO_DEPLOYMENT = "has no such deployment"
    NO_IDENTITY = "was not probed: the app's identity cannot get a token"
    NO_ANSWER = "does not answer"


@dataclass(frozen=True)
class ModelAnswer:
    """`retry_after` is as sent by the model, in seconds."""

    cause: Cause
    retry_after: int | None = None


Send = Callable[[ModelConnection, str, bytes], tuple[int, Mapping[str, str]]]
"""Sends a chat request with a token. Returns the status and the headers, their names in lower case."""


@dataclass
class ModelProbe:
    """At most one request in KEEP_SECONDS, and one at a time."""

    connection: ModelConnection
    is_reasoning: bool
    get_token: Callable[[str], str]
    send: Send = field(default_factory=lambda: _send)
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answer: ModelAnswer | None = None
    _answered_at: float = float("-inf")

    def probe(self) -> ModelAnswer | None:
        """None if the app has no identity, or another thread is probing."""
        if not self.connection.endpoint or not self._lock.acquire(blocking=False):
            return None
        try:
            if self._answer is None or self.clock() - self._answered_at >= KEEP_SECONDS:
                self._answer = self._request()
                self._answered_at = self.clock()
            return self._answer
        finally:
            self._lock.release()

    def _request(self) -> ModelAnswer:
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 # tables/clients.py says why

        try:
            token = self.get_token(SCOPE)
        except ClientAuthenticationError:
            return ModelAnswer(Cause.NO_IDENTITY)
        # A reasoning model rejects `max_tokens`, and its reasoning counts against the limit: the few tokens
        # are billed even without a text.
        limit = {"max_completion_tokens": 16} if self.is_reasoning else {"max_tokens": 1}
        body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], **limit}).encode()
        try:
            status, headers = self.send(self.connection, token, body)
        except OSError:
            return ModelAnswer(Cause.NO_ANSWER)
        return parse(status, headers)


_CAUSE_BY_STATUS = {401: Cause.NO_ROLE, 403: Cause.DENIED, 404: Cause.NO_DEPLOYMENT, 408: Cause.NO_ANSWER}


def parse(status: int, headers: Mapping[str, str]) -> ModelAnswer:
    """A 400 means that the model has read the request, so it is available."""
    if status == 429:
        seconds = headers.get("retry-after", "")
        is_number = seconds.isascii() and seconds.isdigit()
        return ModelAnswer(Cause.RATE_LIMIT, int(seconds) if is_number else None)
    return ModelAnswer(_CAUSE_BY_STATUS.get(status, Cause.NO_ANSWER if status >= 500 else Cause.AVAILABLE))


def _send(connection: ModelConnection, token: str, body: bytes) -> tuple[int, Mapping[str, str]]:
    """Raises OSError."""
    import http.client  # noqa: PLC0415 # only a failed post needs it

    from assistants.binding_call import trusted_certificates  # noqa: PLC0415 # as above

    url = urlsplit(connection.endpoint)
    deployment = quote(connection.deployment, safe="")
    path = f"/openai/deployments/{deployment}/chat/completions?api-version={_API_VERSION}"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    https = http.client.HTTPSConnection(url.netloc, timeout=_TIMEOUT, context=trusted_certificates())
    try:
        https.request("POST", path, body, headers)
        response = https.getresponse()
        response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    except http.client.HTTPException as error:
        raise OSError(repr(error)) from error
    finally:
        https.close()


def create_probe(settings: Settings) -> ModelProbe:
    """The probe of a deployed app. Without an identity (Core Tools) it sends no request."""
    connection = settings.model_connection

    @functools.cache
    def identity() -> "ManagedIdentity":
        from assistants.identity import ManagedIdentity  # noqa: PLC0415 # tables/clients.py says why

        return ManagedIdentity(connection.identity)

    return ModelProbe(
        connection, settings.model.is_reasoning, lambda scope: identity().get_token(scope).token
    )
