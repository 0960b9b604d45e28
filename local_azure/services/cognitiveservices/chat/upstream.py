"""Requests to a server with OpenAI's API, instead of the stand-in's replies."""

import json
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from local_azure.services.cognitiveservices.chat.backend import Remote
from local_azure.services.cognitiveservices.chat.errors import gateway_error

# A model on a laptop takes minutes for a long answer.
_TIMEOUT = aiohttp.ClientTimeout(total=600, connect=10)


async def forward(
    request: web.BaseRequest, body: Mapping[str, Any], remote: Remote, model: str, headers: Mapping[str, str]
) -> tuple[web.StreamResponse, object]:
    """The server's response as it comes, with `headers` added, and its JSON body (None for a stream).

    Raises RequestError (502) when the server does not answer.
    """
    content = {**body, "model": remote.model or model}
    response: web.StreamResponse | None = None
    received = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.post(
                f"{remote.url}/chat/completions", json=content, headers=_key(remote), allow_redirects=False
            ) as answer,
        ):
            kind = answer.headers.get("Content-Type", "application/json")
            response = web.StreamResponse(status=answer.status, headers={**headers, "Content-Type": kind})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                received += chunk
                await response.write(chunk)
            await response.write_eof()
    except (aiohttp.ClientError, TimeoutError) as error:
        if response is not None:
            # The response has begun: aiohttp cuts the connection, so that the client sees it incomplete.
            raise
        text = (
            f"The model at {remote.url} does not answer: {error}. `python -m local_azure model use local` "
            "brings the stand-in back."
        )
        raise gateway_error(502, "502", text) from error
    try:
        return response, json.loads(received)
    except ValueError:
        return response, None


def _key(remote: Remote) -> dict[str, str]:
    if remote.key_variable is None:
        return {}
    key = os.environ.get(remote.key_variable)
    if not key:
        raise gateway_error(
            502,
            "502",
            f"Local Azure's environment has no {remote.key_variable} with the key for {remote.url}: "
            "set it, then `python -m local_azure stop` and `start`.",
        )
    return {"Authorization": f"Bearer {key}"}
