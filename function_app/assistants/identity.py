"""Tokens of the app's managed identity, from the platform's token endpoint.

Docs: How to use managed identities for App Service and Azure Functions, "REST endpoint reference".
"""

import http.client
import json
import threading
import time
import urllib.parse
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from assistants.settings import IdentityEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. The endpoint is on the same machine and answers from a cache of its own.
_TIMEOUT = 10
_TRIES = 3
_RENEW_BEFORE = 300
# As azure-identity does: after a failed renewal, the next one waits while the old token is still valid.
_RETRY_RENEWAL_AFTER = 30
# Without a valid token, requests fail at once for some seconds after the endpoint has failed.
_REMEMBER_FAILURE = 3


class TokenError(ClientAuthenticationError):
    """No token. `passes`: the endpoint did not answer, or failed; otherwise it rejected the identity.

    A ClientAuthenticationError, since the SDK retries a request after any other error.
    """

    def __init__(self, message: str, *, passes: bool) -> None:
        super().__init__(message)
        self.passes = passes


@dataclass
class _Entry:
    """The state of one scope. Times are those of `time.time`."""

    token: AccessToken | None = None
    failure: TokenError | None = None
    failed_at: float = 0.0
    renewal: "Future[AccessToken] | None" = None

    def usable(self, now: float) -> AccessToken | None:
        """A valid token that needs no renewal, or whose renewal has just failed or is in progress."""
        token = self.token
        if token is None or token.expires_on <= now:
            return None
        fresh = token.expires_on - now >= _RENEW_BEFORE
        waiting = self.renewal is not None or now - self.failed_at < _RETRY_RENEWAL_AFTER
        return token if fresh or waiting else None


@dataclass
class ManagedIdentity:
    """A credential (`TokenCredential` of azure-core) that caches each token for its lifetime.

    One request renews a token for all waiting threads. A thread does not wait while the old token is valid.
    """

    endpoint: IdentityEndpoint
    sleep: "Callable[[float], None]" = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entries: dict[str, _Entry] = field(default_factory=dict[str, _Entry])

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """Raises TokenError with the endpoint's own message."""
        (scope,) = scopes
        with self._lock:
            entry = self._entries.setdefault(scope, _Entry())
            now = time.time()
            if token := entry.usable(now):
                return token
            if entry.failure and now - entry.failed_at < _REMEMBER_FAILURE:
                raise entry.failure
            renewal = entry.renewal
            if is_mine := renewal is None:
                renewal = entry.renewal = Future()
        if is_mine:
            self._renew(scope, entry, renewal)
        return renewal.result()

    def _renew(self, scope: str, entry: _Entry, renewal: "Future[AccessToken]") -> None:
        token, failure = None, None
        try:
            token = self._request(scope.removesuffix(".default"))
        except TokenError as error:
            failure = error
        except BaseException as error:  # waiting threads must not wait forever
            failure = TokenError(f"No token: {error!r}", passes=True)
            raise
        finally:
            with self._lock:
                entry.renewal, entry.failure = None, failure
                if token:
                    entry.token = token
                else:
                    entry.failed_at = time.time()
                    # The old token may still be valid for up to five minutes.
                    token = entry.usable(time.time())
            if token:
                renewal.set_result(token)
            else:
                renewal.set_exception(failure)

    def _request(self, resource: str) -> AccessToken:
        """Raises TokenError."""
        failure = TokenError("No token", passes=True)
        for attempt in range(_TRIES):
            if attempt:
                self.sleep(2 ** (attempt - 1))
            try:
                status, body = self._get(resource)
            except (OSError, http.client.HTTPException) as error:
                failure = TokenError(f"No token: the endpoint does not answer ({error!r})", passes=True)
                continue
            if status == 200:
                return _parse(body)
            message = body[:1000].decode("utf-8", "replace")
            failure = TokenError(f"No token: {status} {message}", passes=status >= 500 or status == 429)
            if not failure.passes:
                break
        raise failure

    def _get(self, resource: str) -> tuple[int, bytes]:
        # http.client, not urllib, which would use a proxy that an app setting configures.
        query = {"api-version": "2019-08-01", "resource": resource, "client_id": self.endpoint.client_id}
        url = urllib.parse.urlsplit(self.endpoint.url)
        # App Service's endpoint is HTTP, local Azure's is HTTPS.
        connection_type = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = connection_type(url.netloc, timeout=_TIMEOUT)
        try:
            connection.request(
                "GET",
                f"{url.path}?{urllib.parse.urlencode({k: v for k, v in query.items() if v})}",
                headers={"X-IDENTITY-HEADER": self.endpoint.header},
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _parse(body: bytes) -> AccessToken:
    try:
        content = cast("dict[str, Any]", json.loads(body))
        return AccessToken(str(content["access_token"]), int(content["expires_on"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TokenError(
            "No token: the endpoint answered 200 without access_token and expires_on", passes=True
        ) from error
