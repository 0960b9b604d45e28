"""Chat completion requests as Azure.AI.OpenAI 2.1.0 sends them, the client of the extension."""

import asyncio
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote

import aiohttp

from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import ToolCall

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.OpenAIClientFactory")

API_VERSION = "2024-10-21"
"""What Azure.AI.OpenAI 2.1.0 sends."""

SCOPE = "https://cognitiveservices.azure.com/.default"
ATTEMPT_TIMEOUT = 100.0
"""Seconds for one attempt (`NetworkTimeout` of System.ClientModel)."""

RETRIABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
BACKOFF = (0.8, 1.6, 3.2)
"""Seconds before the second, third and fourth attempt (recordings failures/…-for-ever)."""

DELAY_LIMIT = 4_294_967.294
"""Seconds that `Task.Delay` of .NET can wait; a longer wait fails at once."""


@dataclass(frozen=True)
class Completion:
    content: str
    """Empty where the model returned only tool calls."""
    tool_calls: tuple[ToolCall, ...]
    total_tokens: int
    output_tokens: int


class ChatClient:
    """Client of one model deployment, which authenticates by an API key or else by the credential."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, deployment: str, key: str | None, credential: Any
    ) -> None:
        self.deployment = deployment
        self._session = session
        self._url = (
            f"{endpoint.rstrip('/')}/openai/deployments/{quote(deployment, safe='')}/chat/completions"
            f"?api-version={API_VERSION}"
        )
        self._key = key
        self._credential = credential

    async def complete(self, request: Mapping[str, Any]) -> Completion:
        """Raises BindingError with the service's error message when no attempt succeeds."""
        body = {**request, "model": self.deployment}
        for delay in (*BACKOFF, None):
            try:
                status, requested_delay, content = await self._send(body)
            except (aiohttp.ClientError, TimeoutError) as error:
                if delay is None:
                    reason = str(error) or type(error).__name__
                    raise BindingError(f"Retry failed after {len(BACKOFF) + 1} tries: {reason}") from error
                await asyncio.sleep(delay)
                continue
            if 200 <= status < 300:
                return parse_completion(content)
            if delay is None or status not in RETRIABLE_STATUSES:
                raise BindingError(_failure(status, content))
            if requested_delay is not None and requested_delay > DELAY_LIMIT:
                raise BindingError(
                    f"The retry delay of the service is longer than .NET can wait: {requested_delay} s"
                )
            log.debug("The model returned status %d; the request is retried", status)
            await asyncio.sleep(delay if requested_delay is None else requested_delay)
        raise AssertionError

    async def _send(self, body: Mapping[str, Any]) -> tuple[int, float | None, object]:
        headers = {"api-key": self._key} if self._key else await self._bearer_token()
        limit = aiohttp.ClientTimeout(total=ATTEMPT_TIMEOUT)
        async with self._session.post(
            self._url, json=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            try:
                content: object = await response.json(content_type=None)
            except ValueError:
                content = None
            return response.status, retry_after(response.headers), content

    async def _bearer_token(self) -> dict[str, str]:
        token = await self._credential.get_token(SCOPE)
        return {"Authorization": f"Bearer {token.token}"}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The retry delay in seconds of a response, given as a number or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) * unit
            if math.isfinite(seconds):
                return max(0.0, seconds)
    with suppress(KeyError, ValueError):
        moment = parsedate_to_datetime(headers["Retry-After"]).astimezone(UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def parse_completion(content: object) -> Completion:
    """Raises BindingError where the SDK fails to read the response: no choice, no usage."""
    try:
        whole = cast("dict[str, Any]", content)
        message: dict[str, Any] = whole["choices"][0]["message"]
        usage: dict[str, Any] = whole["usage"]
        calls = tuple(
            ToolCall(str(call["id"]), str(call["function"]["name"]), str(call["function"]["arguments"]))
            for call in message.get("tool_calls") or ()
        )
        text = str(message.get("content") or "")
        return Completion(text, calls, int(usage["total_tokens"]), int(usage["completion_tokens"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BindingError(
            f"The model's response is not a chat completion: {type(error).__name__}: {error}"
        ) from error


def _failure(status: int, content: object) -> str:
    error: object = cast("dict[str, Any]", content).get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return f"Service request failed. Status: {status}"
    members = cast("dict[str, Any]", error)
    kind = ": ".join(str(members[name]) for name in ("type", "code") if members.get(name))
    return f"HTTP {status} ({kind})\n{members.get('message', '')}"
