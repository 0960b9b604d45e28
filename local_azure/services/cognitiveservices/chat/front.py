"""The endpoint of one Azure OpenAI account: authentication, role, deployment, rate limits, then the model.

Routes and headers as Azure.AI.OpenAI 2.1 and the `openai` packages send them:

    POST /openai/deployments/{deployment}/chat/completions?api-version=2024-10-21
    POST /openai/v1/chat/completions        (the deployment is the body's `model`)

Beside them is local Azure's own `/local-azure/model`, for the developer alone.
"""

import asyncio
import json
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from local_azure.core import clock, ids
from local_azure.core.access import permits
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Resource, Store
from local_azure.core.tokens import MODEL_AUDIENCES, TokenError, Tokens
from local_azure.services.cognitiveservices.chat import backend, errors, scripts
from local_azure.services.cognitiveservices.chat.completion import completion, truncate
from local_azure.services.cognitiveservices.chat.counting import o200k_base, prompt_tokens
from local_azure.services.cognitiveservices.chat.errors import ErrorResponse, RequestError, gateway_error
from local_azure.services.cognitiveservices.chat.record import Record
from local_azure.services.cognitiveservices.chat.replies import Reply, reply
from local_azure.services.cognitiveservices.chat.request import ChatRequest, check, check_length, parse
from local_azure.services.cognitiveservices.chat.throttle import Limits, RateLimiter
from local_azure.services.cognitiveservices.chat.upstream import Upstream, key_is_set
from local_azure.services.cognitiveservices.models import Model, find_model

CONTROL_PATH = "/local-azure/model"

# Docs: Azure OpenAI API version lifecycle. The first ones with tools, up to the last before /openai/v1.
API_VERSIONS = frozenset(
    [
        "2024-02-01",
        "2024-06-01",
        "2024-10-21",
        "2024-02-15-preview",
        "2024-03-01-preview",
        "2024-04-01-preview",
        "2024-05-01-preview",
        "2024-07-01-preview",
        "2024-08-01-preview",
        "2024-09-01-preview",
        "2024-10-01-preview",
        "2024-12-01-preview",
        "2025-01-01-preview",
        "2025-02-01-preview",
        "2025-03-01-preview",
        "2025-04-01-preview",
    ]
)
_V1_VERSIONS = frozenset({"v1", "preview", "latest"})
_ROUTE = re.compile(r"/openai/(?:deployments/(?P<deployment>[^/]+)|v1)/chat/completions/?", re.IGNORECASE)
_DEPLOYMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True)
class Clocks:
    now: Callable[[], datetime] = clock.utc
    monotonic: Callable[[], float] = time.monotonic
    """Seconds, for the rate limits."""


@dataclass(frozen=True)
class AccountContext:
    """What all accounts have in common."""

    store: Store
    tokens: Tokens
    upstream: Upstream
    backend_file: Path
    clocks: Clocks


@dataclass(frozen=True)
class Deployment:
    name: str
    model: Model
    limits: Limits | None
    """None: the deployment has no rate limit of this kind (provisioned throughput)."""

    @property
    def model_name(self) -> str:
        return f"{self.model.name}-{self.model.version}"


class ChatEndpoint:
    """The request handler of one account."""

    def __init__(self, account_id: str, context: AccountContext) -> None:
        self._account_id = account_id
        self._context = context
        self._script: deque[scripts.Step] = deque()
        self._record = Record()
        self._limiters: dict[str, RateLimiter] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            principal_id = self._authenticate(request)
            if request.path == CONTROL_PATH:
                return await self._control(request, principal_id)
            return await self._chat(request, principal_id)
        except RequestError as error:
            return _to_http(error.response, {})

    def _account(self) -> Resource:
        return self._context.store.get(self._account_id) or Resource(id=self._account_id, name="", type="")

    def _authenticate(self, request: web.BaseRequest) -> str:
        """The principal id of the caller."""
        properties = self._account().get("properties", {})
        if properties.get("publicNetworkAccess") == "Disabled":
            raise errors.public_access_disabled()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            if "api-key" in request.headers and properties.get("disableLocalAuth"):
                raise errors.key_authentication_disabled()
            raise errors.invalid_key()
        try:
            return self._context.tokens.verify(token.strip(), MODEL_AUDIENCES)
        except TokenError as error:
            raise errors.invalid_token(str(error)) from error

    async def _chat(self, request: web.BaseRequest, principal_id: str) -> web.StreamResponse:
        route, version = _ROUTE.fullmatch(request.path), request.query.get("api-version", "")
        if route is None or request.method != "POST":
            raise errors.resource_not_found()
        in_path = route["deployment"] is not None
        # A missing or unknown version is answered as an unknown path (azure-docs#114602, azurechat#426).
        if version not in API_VERSIONS if in_path else (version and version not in _V1_VERSIONS):
            raise errors.resource_not_found()
        if not permits(self._context.store, principal_id, self._account_id, data_action=errors.CHAT_ACTION):
            raise errors.permission_denied(principal_id)
        content = await _read_body(request)
        call = _Call(principal_id, route["deployment"] or "", version or "v1", content)
        headers = {
            "apim-request-id": str(uuid.uuid4()),
            "x-ms-region": self._account().get("location", ""),
        }
        try:
            return await self._complete(request, call, headers)
        except RequestError as error:
            self._keep(call, error.response.status, {"error": error.response.error})
            return _to_http(error.response, headers)

    async def _complete(
        self, request: web.BaseRequest, call: "_Call", headers: dict[str, str]
    ) -> web.StreamResponse:
        body = call.body = parse(call.content)
        if not call.deployment:
            if not isinstance(body.get("model"), str):
                text = "Missing required parameter: 'model'."
                raise errors.invalid_request(text, "model", "missing_required_parameter")
            call.deployment = body["model"]
        deployment = self._deployment(call.deployment)
        chat_request = check(body, deployment.model.chat)
        # In threads, since the first loads the encoding, and the second takes long for a long prompt.
        encoding = await asyncio.to_thread(o200k_base)
        prompt = await asyncio.to_thread(prompt_tokens, chat_request.messages, chat_request.tools, encoding)
        check_length(prompt, chat_request.max_tokens, deployment.model.chat)
        remote = None if self._script else self._remote()
        if remote is None:
            _check_stand_in_supports(chat_request, scripted=bool(self._script))
        reserved = prompt + (chat_request.max_tokens or 0) * chat_request.choices
        headers |= self._admit(deployment, call.api_version, reserved)
        if remote is not None:
            response, answer = await self._context.upstream.forward(
                request, body, remote, deployment.model.name, headers
            )
            self._count_answer(deployment, chat_request, answer)
            self._keep(call, response.status, answer)
            return response
        if self._script:
            model_reply = await self._scripted(call, headers)
        else:
            model_reply = truncate(reply(body, deployment.model_name), chat_request.max_tokens, encoding)
        answer = completion(
            model_reply,
            chat_request,
            model=deployment.model_name,
            prompt_tokens=prompt,
            created=int(self._context.clocks.now().timestamp()),
            encoding=encoding,
        )
        self._count_answer(deployment, chat_request, answer)
        self._keep(call, 200, answer)
        return web.json_response(answer, headers=headers)

    async def _scripted(self, call: "_Call", headers: dict[str, str]) -> Reply:
        """The next step's reply, after its delay. Raises RequestError with the step's error."""
        step = self._script.popleft()
        call.scripted = True
        await asyncio.sleep(step.delay)
        headers |= step.headers
        if isinstance(step.answer, ErrorResponse):
            raise RequestError(step.answer)
        return step.answer

    def _remote(self) -> backend.Remote | None:
        try:
            return backend.read(self._context.backend_file)
        except backend.BackendError as error:
            raise gateway_error(502, "502", str(error)) from error

    def _deployment(self, name: str) -> Deployment:
        """Raises RequestError for a name, a model or a SKU that answers no chat request."""
        scope, kind, names = ids.parse(self._account_id)
        resource = None
        if _DEPLOYMENT_NAME.fullmatch(name):
            resource = self._context.store.get(ids.build(scope, f"{kind}/deployments", *names, name))
        if resource is None:
            raise errors.deployment_not_found()
        model_id: dict[str, str] = resource.get("properties", {}).get("model", {})
        model = find_model(model_id.get("name", ""), model_id.get("version"))
        if model is None:
            raise errors.deployment_not_found()
        if model.stage_on(self._context.clocks.now().date().isoformat()) == "Retired":
            raise errors.model_retired(model.name, model.retires)
        sku = resource.get("sku", {})
        if sku.get("name", "").endswith("Batch"):
            raise errors.chat_not_supported(model.name)
        units = int(sku.get("capacity", 1))
        limits = Limits(units * 1000, units * model.chat.requests_per_unit)
        return Deployment(resource["name"], model, None if "Provisioned" in sku.get("name", "") else limits)

    def _admit(self, deployment: Deployment, api_version: str, tokens: int) -> Mapping[str, str]:
        """The headers with the remaining requests and tokens. Raises RequestError with 429."""
        if deployment.limits is None:
            return {}
        admission = self._limiter(deployment).admit(tokens, deployment.limits)
        if admission.exceeded is not None:
            raise errors.rate_limited(
                admission.exceeded, api_version, admission.retry_after, admission.headers
            )
        return admission.headers

    def _limiter(self, deployment: Deployment) -> RateLimiter:
        return self._limiters.setdefault(deployment.name.lower(), RateLimiter(self._context.clocks.monotonic))

    def _count_answer(self, deployment: Deployment, chat_request: ChatRequest, answer: object) -> None:
        """Counts an answer whose length the request had not limited."""
        usage: object = cast("dict[str, Any]", answer).get("usage") if isinstance(answer, dict) else None
        tokens = cast("dict[str, Any]", usage).get("completion_tokens") if isinstance(usage, dict) else None
        if chat_request.max_tokens is None and isinstance(tokens, int):
            self._limiter(deployment).spend(tokens)

    async def _control(self, request: web.BaseRequest, principal_id: str) -> web.Response:
        """GET: the requests kept; POST: steps to queue; DELETE: drops both."""
        if principal_id != DEVELOPER_PRINCIPAL_ID:
            raise gateway_error(403, "403", "Only the developer controls local Azure's model.")
        if request.method == "POST":
            content = await _read_body(request)
            try:
                steps = scripts.parse(json.loads(content))
            except ValueError as error:  # a ScriptError, or of json
                raise gateway_error(400, "400", str(error)) from error
            if len(self._script) + len(steps) > scripts.MAX_STEPS:
                raise gateway_error(400, "400", f"at most {scripts.MAX_STEPS} steps can be queued.")
            self._script.extend(steps)
        elif request.method == "DELETE":
            self._script.clear()
            self._record.clear()
        elif request.method != "GET":
            raise errors.resource_not_found()
        remote = self._remote()
        return web.json_response(
            {
                "url": remote.url if remote else None,
                "keyVariable": remote.key_variable if remote else None,
                "keyIsSet": key_is_set(remote) if remote else True,
                "queued": len(self._script),
                "requests": self._record.exchanges(),
            }
        )

    def _keep(self, call: "_Call", status: int, answer: object) -> None:
        exchange = {
            "time": clock.text(self._context.clocks.now()),
            "principalId": call.principal_id,
            "deployment": call.deployment,
            "apiVersion": call.api_version,
            "status": status,
            "scripted": call.scripted,
            "request": call.body,
            "answer": answer,
        }
        self._record.add(exchange, len(call.content))


@dataclass
class _Call:
    """A request as far as it is known, for the record."""

    principal_id: str
    deployment: str
    api_version: str
    content: bytes
    body: dict[str, Any] | None = None
    """None when it is not JSON."""
    scripted: bool = False


def _check_stand_in_supports(chat_request: ChatRequest, *, scripted: bool) -> None:
    if chat_request.stream:
        raise errors.not_supported_by_stand_in("stream", "stream")
    form: object = chat_request.body.get("response_format")
    kind: object = cast("dict[str, Any]", form).get("type") if isinstance(form, dict) else None
    if kind in ("json_object", "json_schema") and not scripted:
        raise errors.not_supported_by_stand_in(f"answer in the format '{kind}'", "response_format")


async def _read_body(request: web.BaseRequest) -> bytes:
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > _MAX_BODY:
            raise gateway_error(413, "413", f"The request's body has more than {_MAX_BODY} bytes.")
    return bytes(content)


def _to_http(response: ErrorResponse, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(
        {"error": response.error}, status=response.status, headers={**headers, **response.headers}
    )
