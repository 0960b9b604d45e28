"""The HTTP endpoint of ARM: authenticates, validates, routes and authorizes a request."""

import json
from typing import Any, cast

from aiohttp import web

from local_azure.core.errors import ArmError
from local_azure.core.resource import Azure
from local_azure.core.store import SUBSCRIPTION_ID
from local_azure.core.tokens import ARM_AUDIENCES, TokenError, Tokens
from local_azure.frontends.arm_http.async_operations import AsyncOperations
from local_azure.frontends.arm_http.call import Call, error_response, response
from local_azure.frontends.arm_http.routes import ROUTES, Route

_WITH_BODY = frozenset({"PUT", "PATCH", "POST"})


class Arm:
    """`url` is the gateway's, without a closing slash."""

    def __init__(self, azure: Azure, tokens: Tokens, url: str) -> None:
        self._azure = azure
        self._tokens = tokens
        self._url = url
        self._operations = AsyncOperations()

    async def close(self) -> None:
        await self._operations.close()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        try:
            return await self._respond(request)
        except ArmError as error:
            if error.status == 404 and request.method == "HEAD":
                return response(status=404)
            return error_response(error)

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        principal = self._authenticate(request)
        if "api-version" not in request.query:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        # azure-mgmt-resource sends `//subscriptions/…`.
        path = "/" + request.path.strip("/")
        _refuse_other_subscription(path)
        route, names = _route(request.method, path)
        call = Call(
            azure=self._azure,
            operations=self._operations,
            principal=principal,
            path=path,
            names=names,
            query=dict(request.query),
            body=await _body(request) if request.method in _WITH_BODY else {},
            url=self._url,
        )
        if route.action is not None:
            call.require(route.action, names.get("scope", path))
        return await route.handler(call)

    def _authenticate(self, request: web.BaseRequest) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ArmError(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            return self._tokens.verify(token.strip(), ARM_AUDIENCES)
        except TokenError as error:
            raise ArmError(
                401, "InvalidAuthenticationToken", f"The access token is refused: {error}."
            ) from error


def _refuse_other_subscription(path: str) -> None:
    parts = path.split("/")
    if parts[1].lower() == "subscriptions" and len(parts) > 2 and parts[2].lower() != SUBSCRIPTION_ID:
        raise ArmError(
            404,
            "SubscriptionNotFound",
            f"The subscription '{parts[2]}' could not be found; local Azure's is '{SUBSCRIPTION_ID}'.",
        )


def _route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route, and the values of the braces in its path. Raises ArmError 405."""
    for route in ROUTES:
        if route.method == method and (match := route.pattern.fullmatch(path)) is not None:
            return route, match.groupdict()
    raise ArmError(405, "MethodNotAllowed", f"Local Azure does not answer {method} on '{path}'.")


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    try:
        content: Any = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise ArmError(
            400, "InvalidRequestContent", f"The request content was invalid and could not be read: {error}"
        ) from error
    if not isinstance(content, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid: it is no JSON object.")
    return cast("dict[str, Any]", content)
