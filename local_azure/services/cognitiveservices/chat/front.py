"""The endpoint of one Azure OpenAI account: authentication, role, deployment, rate limits, then the model.

Route and headers as Azure.AI.OpenAI 2.1 and the `openai` packages send them:

    POST /openai/deployments/{deployment}/chat/completions?api-version=2024-10-21

Beside it is local Azure's own `/local-azure/model`, for the developer alone.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from local_azure.core import clock
from local_azure.core.access import permits
from local_azure.core.regions import words
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Store
from local_azure.core.tokens import MODEL_AUDIENCES, TokenError, Tokens
from local_azure.services.cognitiveservices.chat import backend, scripts, upstream
from local_azure.services.cognitiveservices.chat.completion import completion, truncate
from local_azure.services.cognitiveservices.chat.counting import prompt_tokens
from local_azure.services.cognitiveservices.chat.errors import (
    ErrorResponse,
    RequestError,
    deployment_not_found,
    gateway_error,
    resource_not_found,
)
from local_azure.services.cognitiveservices.chat.replies import Reply, reply
from local_azure.services.cognitiveservices.chat.request import check, check_length, check_stand_in, parse
from local_azure.services.cognitiveservices.chat.throttle import Limits, RateLimiter
from local_azure.services.cognitiveservices.models import Model, find_model

CONTROL_PATH = "/local-azure/model"

_ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
# Docs: Azure OpenAI API version lifecycle. The first ones with tools, up to the last before /openai/v1.
_API_VERSIONS = words(
    "2024-02-01 2024-06-01 2024-10-21 2024-02-15-preview 2024-03-01-preview 2024-04-01-preview "
    "2024-05-01-preview 2024-07-01-preview 2024-08-01-preview 2024-09-01-preview 2024-10-01-preview "
    "2024-12-01-preview 2025-01-01-preview 2025-02-01-preview 2025-03-01-preview 2025-04-01-preview"
)
_ROUTE = re.compile(r"/openai/deployments/([^/]+)/chat/completions/?", re.IGNORECASE)
_MAX_REQUESTS = 200
"""Requests that are kept with their answers, in memory only: no log has them."""


@dataclass(frozen=True)
class _Deployment:
    model: Model
    limits: Limits | None
    """None: the deployment has no rate limit of this kind (provisioned throughput)."""
    limiter: RateLimiter

    @property
    def model_name(self) -> str:
        return f"{self.model.name}-{self.model.version}"


class ChatEndpoint:
    """The request handler of one account."""

    def __init__(self, account_id: str, store: Store, tokens: Tokens, backend_file: Path) -> None:
        self._account_id = account_id
        self._store = store
        self._tokens = tokens
        self._backend_file = backend_file
        self._script: deque[scripts.Step] = deque()
        self._exchanges: deque[Mapping[str, Any]] = deque(maxlen=_MAX_REQUESTS)
        self._limiters: dict[str, RateLimiter] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            principal_id = self._authenticate(request)
            if request.path == CONTROL_PATH:
                return await self._control(request, principal_id)
            return await self._chat(request, principal_id)
        except RequestError as error:
            return _to_http(error.response, {})

    def _authenticate(self, request: web.BaseRequest) -> str:
        """The principal id of the caller."""
        properties: dict[str, Any] = (self._store.get(self._account_id) or {}).get("properties", {})
        if properties.get("publicNetworkAccess") == "Disabled":
            text = "Public access is disabled. Please configure private endpoint."
            raise gateway_error(403, "AccessDenied", text)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            if "api-key" in request.headers and properties.get("disableLocalAuth"):
                text = "Key based authentication is disabled for this resource."
                raise gateway_error(403, "AuthenticationTypeDisabled", text)
            raise gateway_error(
                401,
                "401",
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
                "valid key for an active subscription and use a correct regional API endpoint for your "
                "resource.",
            )
        try:
            return self._tokens.verify(token.strip(), MODEL_AUDIENCES)
        except TokenError as error:
            raise gateway_error(
                401,
                "Unauthorized",
                "Access token is missing, invalid, audience is incorrect "
                f"(https://cognitiveservices.azure.com), or have expired. ({error})",
            ) from error

    async def _chat(self, request: web.BaseRequest, principal_id: str) -> web.StreamResponse:
        route, version = _ROUTE.fullmatch(request.path), request.query.get("api-version", "")
        # A missing or unknown version is answered as an unknown path (azure-docs#114602, azurechat#426).
        if route is None or request.method != "POST" or version not in _API_VERSIONS:
            raise resource_not_found()
        if not permits(self._store, principal_id, self._account_id, data_action=_ACTION):
            # 401, not 403 (microsoft/semantic-kernel#10020).
            raise gateway_error(
                401,
                "PermissionDenied",
                f"The principal `{principal_id}` lacks the required data action `{_ACTION}` to perform "
                "`POST /openai/deployments/{deployment-id}/chat/completions` operation.",
            )
        exchange: dict[str, Any] = {
            "time": clock.now(),
            "principalId": principal_id,
            "deployment": route[1],
            "apiVersion": version,
            "scripted": False,
            "request": None,
        }
        headers: dict[str, str] = {}
        try:
            response, answer = await self._complete(request, exchange, headers)
        except RequestError as error:
            response, answer = _to_http(error.response, headers), {"error": error.response.error}
        self._exchanges.append({**exchange, "status": response.status, "answer": answer})
        return response

    async def _complete(
        self, request: web.BaseRequest, exchange: dict[str, Any], headers: dict[str, str]
    ) -> tuple[web.StreamResponse, object]:
        """The response and its JSON. Adds to the exchange and to the headers, for the errors raised, too."""
        body = exchange["request"] = parse(await request.content.read())
        deployment = self._deployment(exchange["deployment"])
        chat = deployment.model.chat
        max_tokens = check(body, chat)
        # In a thread, since the first request loads the encoding, and a long prompt takes long.
        prompt = await asyncio.to_thread(prompt_tokens, body["messages"], body.get("tools") or ())
        check_length(prompt, max_tokens, chat)
        remote = None if self._script else self._remote()
        if remote is None:
            check_stand_in(body, scripted=bool(self._script))
        if deployment.limits is not None:
            headers |= deployment.limiter.admit(
                prompt + (max_tokens or 0), deployment.limits, exchange["apiVersion"]
            )
        if remote is not None:
            name = deployment.model.name
            response, answer = await upstream.forward(request, body, remote, name, headers)
        else:
            if self._script:
                model_reply = await self._scripted(exchange, headers)
            else:
                model_reply = truncate(reply(body, deployment.model_name), max_tokens)
            answer = completion(model_reply, body, deployment.model_name, prompt)
            response = web.json_response(answer, headers=headers)
        if max_tokens is None:
            deployment.limiter.spend(_completion_tokens(answer))
        return response, answer

    async def _scripted(self, exchange: dict[str, Any], headers: dict[str, str]) -> Reply:
        """The next step's reply, after its delay. Raises RequestError with the step's error."""
        step = self._script.popleft()
        exchange["scripted"] = True
        await asyncio.sleep(step.delay)
        headers |= step.headers
        if isinstance(step.answer, ErrorResponse):
            raise RequestError(step.answer)
        return step.answer

    def _remote(self) -> backend.Remote | None:
        try:
            return backend.read(self._backend_file)
        except backend.BackendError as error:
            raise gateway_error(502, "502", str(error)) from error

    def _deployment(self, name: str) -> _Deployment:
        """Raises RequestError for a name, a model or a SKU that answers no chat request."""
        resource = self._store.get(f"{self._account_id}/deployments/{name}")
        model_id: dict[str, str] = (resource or {}).get("properties", {}).get("model", {})
        model = find_model(model_id.get("name", ""), model_id.get("version"))
        if resource is None or model is None:
            raise deployment_not_found()
        if model.stage_on(clock.today()) == "Retired":
            text = f"The model '{model.name}' of this deployment was retired on {model.retires}."
            raise gateway_error(410, "410", text)
        sku = resource.get("sku", {})
        sku_name, units = sku.get("name", ""), int(sku.get("capacity", 1))
        if sku_name.endswith("Batch"):
            raise gateway_error(
                400,
                "OperationNotSupported",
                f"The chatCompletion operation does not work with the specified model, {model.name}. Please "
                "choose different model and try again.",
            )
        limits = Limits(units * 1000, units * model.chat.requests_per_unit)
        limiter = self._limiters.setdefault(name.lower(), RateLimiter())
        return _Deployment(model, None if "Provisioned" in sku_name else limits, limiter)

    async def _control(self, request: web.BaseRequest, principal_id: str) -> web.Response:
        """GET: the requests kept; POST: steps to queue; DELETE: drops both."""
        if principal_id != DEVELOPER_PRINCIPAL_ID:
            raise gateway_error(403, "403", "Only the developer controls local Azure's model.")
        if request.method == "POST":
            try:
                steps = scripts.parse(json.loads(await request.content.read()))
            except ValueError as error:  # a ScriptError, or of json
                raise gateway_error(400, "400", str(error)) from error
            self._script.extend(steps)
        elif request.method == "DELETE":
            self._script.clear()
            self._exchanges.clear()
        elif request.method != "GET":
            raise resource_not_found()
        return web.json_response({"queued": len(self._script), "requests": list(self._exchanges)})


def _completion_tokens(answer: object) -> int:
    """What the answer used; 0 where a server of the user's own does not say it."""
    match answer:
        case {"usage": {"completion_tokens": int(tokens)}}:
            return tokens
        case _:
            return 0


def _to_http(response: ErrorResponse, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(
        {"error": response.error}, status=response.status, headers={**headers, **response.headers}
    )
