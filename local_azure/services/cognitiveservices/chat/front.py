"""The data plane of one OpenAI account: who may ask, which deployment answers, how often.

Routes and headers as Azure.AI.OpenAI 2.1 and the `openai` packages send them:

    POST /openai/deployments/{deployment}/chat/completions?api-version=2024-10-21
    POST /openai/v1/chat/completions        (the deployment is the body's `model`)

Beside them stands local Azure's own `/local-azure/model`, for the developer alone.
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
from local_azure.core.store import DEVELOPER_PRINCIPAL_ID, Store
from local_azure.core.tokens import MODEL_AUDIENCES, TokenError, Tokens
from local_azure.services.cognitiveservices.chat import backend, errors, scripts
from local_azure.services.cognitiveservices.chat.completion import completion, cut_to_limit
from local_azure.services.cognitiveservices.chat.counting import Encoding, o200k_base, prompt_tokens
from local_azure.services.cognitiveservices.chat.errors import Refusal, RefusedError, not_here, refused
from local_azure.services.cognitiveservices.chat.record import Exchange, Record
from local_azure.services.cognitiveservices.chat.replies import Reply, reply
from local_azure.services.cognitiveservices.chat.request import ChatRequest, check, check_length, parse
from local_azure.services.cognitiveservices.chat.throttle import Limiter, Limits
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
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_MOST_BODY = 16 * 1024 * 1024
_LONG_BODY = 256 * 1024
"""Bytes from which tokens are counted beside the event loop."""


@dataclass(frozen=True)
class Clocks:
    now: Callable[[], datetime] = clock.utc
    monotonic: Callable[[], float] = time.monotonic
    """Seconds, for the rate limits."""


@dataclass(frozen=True)
class Shared:
    """What all accounts have in common."""

    store: Store
    tokens: Tokens
    upstream: Upstream
    backend_file: Path
    clocks: Clocks


@dataclass(frozen=True)
class Target:
    deployment: str
    model: Model
    limits: Limits | None
    """None: the deployment has no rate limit of this kind (provisioned throughput)."""

    @property
    def model_name(self) -> str:
        return f"{self.model.name}-{self.model.version}"


class Front:
    """The request handler of one account."""

    def __init__(self, account_id: str, shared: Shared) -> None:
        self._account_id = account_id
        self._store = shared.store
        self._tokens = shared.tokens
        self._upstream = shared.upstream
        self._backend_file = shared.backend_file
        self._clocks = shared.clocks
        self._script: deque[scripts.Step] = deque()
        self._record = Record()
        self._limiters: dict[str, Limiter] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            principal = self._authenticate(request)
            if request.path == CONTROL_PATH:
                return await self._control(request, principal)
            return await self._chat(request, principal)
        except RefusedError as error:
            return _answer(error.refusal, {})

    def _authenticate(self, request: web.BaseRequest) -> str:
        """The principal id behind the request."""
        account = self._properties()
        if account.get("publicNetworkAccess") == "Disabled":
            raise RefusedError(errors.NO_NETWORK)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            keys_off = "api-key" in request.headers and account.get("disableLocalAuth")
            raise RefusedError(errors.KEYS_OFF if keys_off else errors.WRONG_KEY)
        try:
            return self._tokens.verify(token.strip(), MODEL_AUDIENCES)
        except TokenError as error:
            raise RefusedError(errors.bad_token(str(error))) from error

    async def _chat(self, request: web.BaseRequest, principal: str) -> web.StreamResponse:
        route, version = _ROUTE.fullmatch(request.path), request.query.get("api-version", "")
        if route is None or request.method != "POST":
            raise RefusedError(errors.NOT_FOUND)
        in_path = route["deployment"] is not None
        # No version or an unknown one is a path that is not there (azure-docs#114602, azurechat#426).
        if version not in API_VERSIONS if in_path else (version and version not in _V1_VERSIONS):
            raise RefusedError(errors.NOT_FOUND)
        if not permits(self._store, principal, self._account_id, data_action=errors.CHAT_ACTION):
            raise RefusedError(errors.no_role(principal))
        content = await _body(request)
        call = _Call(principal, route["deployment"] or "", version or "v1", content)
        headers = {"apim-request-id": str(uuid.uuid4()), "x-ms-region": self._region()}
        try:
            return await self._complete(request, call, headers)
        except RefusedError as error:
            self._keep(call, error.refusal.status, {"error": error.refusal.error})
            return _answer(error.refusal, headers)

    async def _complete(
        self, request: web.BaseRequest, call: "_Call", headers: dict[str, str]
    ) -> web.StreamResponse:
        body = call.body = parse(call.content)
        if not call.deployment:
            call.deployment = _model_of(body)
        target = self._target(call.deployment)
        asked = check(body, target.model.chat)
        encoding = await _encoding()
        counted = await _count(asked, encoding, len(call.content))
        check_length(counted, asked.most_tokens, target.model.chat)
        remote = None if self._script else self._remote()
        if remote is None:
            _refuse_what_no_model_here_does(asked, scripted=bool(self._script))
        headers |= self._admit(target, call.api_version, counted + (asked.most_tokens or 0) * asked.choices)
        if remote is not None:
            response, whole = await self._upstream.forward(request, body, remote, target.model.name, headers)
            self._settle(target, asked, whole)
            self._keep(call, response.status, whole)
            return response
        if self._script:
            answer = await self._scripted(call, headers)
        else:
            answer = cut_to_limit(reply(body, target.model_name), asked, encoding)
        whole = completion(
            answer,
            asked,
            model=target.model_name,
            prompt_tokens=counted,
            created=int(self._clocks.now().timestamp()),
            encoding=encoding,
        )
        self._settle(target, asked, whole)
        self._keep(call, 200, whole)
        return web.json_response(whole, headers=headers)

    async def _scripted(self, call: "_Call", headers: dict[str, str]) -> Reply:
        """The next step's reply, when it is due. Raises RefusedError with the step's error."""
        step = self._script.popleft()
        call.scripted = True
        await asyncio.sleep(step.delay)
        headers |= step.headers
        if isinstance(step.answer, Refusal):
            raise RefusedError(step.answer)
        return step.answer

    def _remote(self) -> backend.Remote | None:
        try:
            return backend.read(self._backend_file)
        except backend.BackendError as error:
            raise RefusedError(refused(502, "502", str(error))) from error

    def _target(self, name: str) -> Target:
        """The deployment, ready to answer. Raises RefusedError."""
        scope, kind, names = ids.parse(self._account_id)
        found = None
        if _NAME.fullmatch(name):
            found = self._store.get(ids.build(scope, f"{kind}/deployments", *names, name))
        if found is None:
            raise RefusedError(errors.DEPLOYMENT_NOT_FOUND)
        wanted: dict[str, str] = found.get("properties", {}).get("model", {})
        model = find_model(wanted.get("name", ""), wanted.get("version"))
        if model is None:
            raise RefusedError(errors.DEPLOYMENT_NOT_FOUND)
        if model.stage_on(self._clocks.now().date().isoformat()) == "Retired":
            raise RefusedError(errors.retired(model.name, model.retires))
        sku = found.get("sku", {})
        if sku.get("name", "").endswith("Batch"):
            raise RefusedError(errors.no_chat(model.name))
        units = int(sku.get("capacity", 1))
        limits = Limits(units * 1000, units * model.chat.requests_per_unit)
        return Target(found["name"], model, None if "Provisioned" in sku.get("name", "") else limits)

    def _admit(self, target: Target, api_version: str, tokens: int) -> Mapping[str, str]:
        """The headers that say what is left. Raises RefusedError with 429."""
        if target.limits is None:
            return {}
        verdict = self._limiter(target).admit(tokens, target.limits)
        if verdict.exceeded is not None:
            raise RefusedError(
                errors.throttled(verdict.exceeded, api_version, verdict.retry_after, verdict.headers)
            )
        return verdict.headers

    def _limiter(self, target: Target) -> Limiter:
        return self._limiters.setdefault(target.deployment.lower(), Limiter(self._clocks.monotonic))

    def _settle(self, target: Target, asked: ChatRequest, answer: object) -> None:
        """Counts an answer whose length the request had not limited."""
        usage: object = cast("dict[str, Any]", answer).get("usage") if isinstance(answer, dict) else None
        tokens = cast("dict[str, Any]", usage).get("completion_tokens") if isinstance(usage, dict) else None
        if asked.most_tokens is None and isinstance(tokens, int):
            self._limiter(target).spend(tokens)

    async def _control(self, request: web.BaseRequest, principal: str) -> web.Response:
        """GET: what was asked; POST: steps to queue; DELETE: forgets both."""
        if principal != DEVELOPER_PRINCIPAL_ID:
            raise RefusedError(refused(403, "403", "Only the developer controls local Azure's model."))
        if request.method == "POST":
            content = await _body(request)
            try:
                steps = scripts.parse(json.loads(content))
            except ValueError as error:  # ScriptError is one, as are json's
                raise RefusedError(refused(400, "400", str(error))) from error
            if len(self._script) + len(steps) > scripts.MOST_STEPS:
                raise RefusedError(refused(400, "400", f"at most {scripts.MOST_STEPS} steps can be queued."))
            self._script.extend(steps)
        elif request.method == "DELETE":
            self._script.clear()
            self._record.clear()
        elif request.method != "GET":
            raise RefusedError(errors.NOT_FOUND)
        return web.json_response(self._state())

    def _state(self) -> dict[str, Any]:
        remote = self._remote()
        return {
            "url": remote.url if remote else None,
            "keyVariable": remote.key_variable if remote else None,
            "keyIsSet": key_is_set(remote) if remote else True,
            "queued": len(self._script),
            "requests": [exchange.json() for exchange in self._record.exchanges()],
        }

    def _keep(self, call: "_Call", status: int, answer: object) -> None:
        self._record.add(
            Exchange(
                clock.text(self._clocks.now()),
                call.principal_id,
                call.deployment,
                call.api_version,
                call.body,
                status,
                answer,
                call.scripted,
            ),
            len(call.content),
        )

    def _properties(self) -> dict[str, Any]:
        return (self._store.get(self._account_id) or {}).get("properties", {})

    def _region(self) -> str:
        return (self._store.get(self._account_id) or {}).get("location", "")


@dataclass
class _Call:
    """One request as far as it is known, for the record."""

    principal_id: str
    deployment: str
    api_version: str
    content: bytes
    body: dict[str, Any] | None = None
    scripted: bool = False


def _refuse_what_no_model_here_does(asked: ChatRequest, *, scripted: bool) -> None:
    if asked.stream:
        raise RefusedError(not_here("stream", "stream"))
    form: object = asked.body.get("response_format")
    kind: object = cast("dict[str, Any]", form).get("type") if isinstance(form, dict) else None
    if kind in ("json_object", "json_schema") and not scripted:
        raise RefusedError(not_here(f"answer in the format '{kind}'", "response_format"))


def _model_of(body: Mapping[str, Any]) -> str:
    name = body.get("model")
    if not isinstance(name, str):
        raise RefusedError(
            errors.invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        )
    return name


async def _encoding() -> Encoding:
    """Loaded beside the event loop the first time."""
    if o200k_base.cache_info().currsize == 0:
        return await asyncio.to_thread(o200k_base)
    return o200k_base()


async def _count(asked: ChatRequest, encoding: Encoding, size: int) -> int:
    if size >= _LONG_BODY:
        return await asyncio.to_thread(prompt_tokens, asked.messages, asked.tools, encoding)
    return prompt_tokens(asked.messages, asked.tools, encoding)


async def _body(request: web.BaseRequest) -> bytes:
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > _MOST_BODY:
            raise RefusedError(refused(413, "413", f"The request's body has more than {_MOST_BODY} bytes."))
    return bytes(content)


def _answer(refusal: Refusal, headers: Mapping[str, str]) -> web.Response:
    return web.json_response(
        {"error": refusal.error}, status=refusal.status, headers={**headers, **refusal.headers}
    )
