"""Tokens of the app's managed identity, from the endpoint that the platform gives it.

Docs: How to use managed identities for App Service and Azure Functions, "REST endpoint reference".
"""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from assistants.settings import IdentityEndpoint

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

# Seconds. The endpoint is on the same machine and answers from a cache of its own.
_TIMEOUT = 10
_RENEW_BEFORE = 300
_TRIES = 3


class ManagedIdentity:
    """A credential (`TokenCredential` of azure-core). Asks once for each token's life."""

    def __init__(self, endpoint: IdentityEndpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._tokens: dict[str, AccessToken] = {}

    def get_token(self, *scopes: str, **_options: Any) -> "AccessToken":
        """Raises ClientAuthenticationError with the endpoint's own words."""
        (scope,) = scopes
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or token.expires_on - time.time() < _RENEW_BEFORE:
                token = self._tokens[scope] = self._request(scope.removesuffix(".default"))
            return token

    def _request(self, resource: str) -> "AccessToken":
        from azure.core.credentials import AccessToken  # noqa: PLC0415 # storage.py says why
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 # as above

        query = {"api-version": "2019-08-01", "resource": resource, "client_id": self._endpoint.client_id}
        request = urllib.request.Request(  # noqa: S310 # the platform's own address
            f"{self._endpoint.url}?{urllib.parse.urlencode({k: v for k, v in query.items() if v})}",
            headers={"X-IDENTITY-HEADER": self._endpoint.header},
        )
        # The endpoint is on this machine: a proxy that an app setting names does not lead to it.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for attempt in range(_TRIES):
            try:
                with direct.open(request, timeout=_TIMEOUT) as answer:
                    found = json.load(answer)
                return AccessToken(found["access_token"], int(found["expires_on"]))
            except urllib.error.HTTPError as refused:
                if (refused.code < 500 and refused.code != 429) or attempt == _TRIES - 1:
                    words = refused.read(1000).decode("utf-8", "replace")
                    raise ClientAuthenticationError(f"No token: {refused.code} {words}") from refused
            except OSError as error:
                if attempt == _TRIES - 1:
                    raise ClientAuthenticationError(f"No token: {error}") from error
            time.sleep(2**attempt)
        raise AssertionError
