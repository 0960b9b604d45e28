"""Requests to a server with OpenAI's API, instead of the stand-in's replies."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from local_azure.services.cognitiveservices.chat.backend import Remote
from local_azure.services.cognitiveservices.chat.errors import gateway_error

log = logging.getLogger(__name__)

# A model on a laptop takes minutes for a long answer.
_TIMEOUT = aiohttp.ClientTimeout(total=600, connect=10)
_RECOVERY = "`python -m local_azure model use local` brings the stand-in back."


class Upstream:
    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def forward(
        self,
        request: web.BaseRequest,
        body: Mapping[str, Any],
        remote: Remote,
        model: str,
        headers: Mapping[str, str],
    ) -> tuple[web.StreamResponse, object]:
        """The server's response, with `headers` added, and its JSON body (None for a stream).

        Raises RequestError (502) when the server does not answer.
        """
        url = f"{remote.url}/chat/completions"
        content = {**body, "model": remote.model or model}
        try:
            async with self._open_session().post(
                url, json=content, headers=_key(remote), allow_redirects=False
            ) as answer:
                kind = answer.headers.get("Content-Type", "application/json")
                headers = {**headers, "Content-Type": kind}
                if body.get("stream"):
                    return await _stream(request, answer, headers), None
                answer_body = await answer.read()
                return web.Response(status=answer.status, body=answer_body, headers=headers), _json(
                    answer_body
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("the model at %s: %s", remote.url, error or "no answer in time")
            text = f"The model at {remote.url} does not answer: {error}. {_RECOVERY}"
            raise gateway_error(502, "502", text) from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session


def key_is_set(remote: Remote) -> bool:
    return remote.key_variable is None or bool(os.environ.get(remote.key_variable))


def _key(remote: Remote) -> dict[str, str]:
    if remote.key_variable is None:
        return {}
    if not key_is_set(remote):
        raise gateway_error(
            502,
            "502",
            f"Local Azure's environment has no {remote.key_variable} with the key for {remote.url}: "
            "set it, then `python -m local_azure stop` and `start`.",
        )
    return {"Authorization": f"Bearer {os.environ[remote.key_variable]}"}


async def _stream(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("the model's stream broke off: %s", error)
        # The response has begun: only a broken connection shows the client that it is incomplete.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None
