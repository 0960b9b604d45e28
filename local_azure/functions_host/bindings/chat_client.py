"""The chat model over HTTPS, as the Azure OpenAI client calls it that the extension refers to (2.1.0)."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
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
ATTEMPT_LIMIT = 100.0
"""Seconds, of each attempt (`NetworkTimeout` of System.ClientModel)."""

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
BACKOFF = (0.8, 1.6, 3.2)
"""Seconds before each further attempt (recordings failures/…-for-ever)."""

DELAY_LIMIT = 4_294_967.294
"""Seconds that `Task.Delay` of .NET can wait; a longer wait fails at once."""

Authorize = Callable[[], Awaitable[Mapping[str, str]]]
"""The headers that show who calls."""


@dataclass(frozen=True)
class Completion:
    content: str
    """Empty where the model answered with calls alone."""
    tool_calls: tuple[ToolCall, ...]
    total_tokens: int
    output_tokens: int


class ChatClient:
    """One deployment of one account."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, deployment: str, authorize: Authorize
    ) -> None:
        self.deployment = deployment
        self._session = session
        self._url = (
            f"{endpoint.rstrip('/')}/openai/deployments/{quote(deployment, safe='')}/chat/completions"
            f"?api-version={API_VERSION}"
        )
        self._authorize = authorize

    async def complete(self, request: Mapping[str, Any]) -> Completion:
        """Raises BindingError with the service's words when no attempt succeeds."""
        body = {**request, "model": self.deployment}
        for delay in (*BACKOFF, None):
            try:
                status, wanted_delay, answer = await self._send(body)
            except (aiohttp.ClientError, TimeoutError) as error:
                if delay is None:
                    reason = str(error) or type(error).__name__
                    raise BindingError(f"Retry failed after {len(BACKOFF) + 1} tries: {reason}") from error
                await asyncio.sleep(delay)
                continue
            if 200 <= status < 300:
                return parse_completion(answer)
            if delay is None or status not in RETRIED:
                raise BindingError(_failure(status, answer))
            if wanted_delay is not None and wanted_delay > DELAY_LIMIT:
                raise BindingError(
                    f"The model asks for a wait that is longer than .NET can wait: {wanted_delay} s"
                )
            log.debug("The model answered %d; it is asked again", status)
            await asyncio.sleep(delay if wanted_delay is None else wanted_delay)
        raise AssertionError

    async def _send(self, body: Mapping[str, Any]) -> tuple[int, float | None, object]:
        headers = await self._authorize()
        limit = aiohttp.ClientTimeout(total=ATTEMPT_LIMIT)
        async with self._session.post(
            self._url, json=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            try:
                answer: object = await response.json(content_type=None)
            except ValueError:
                answer = None
            return response.status, retry_after(response.headers), answer


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service names, as a number or as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) * unit
            if math.isfinite(seconds):
                return max(0.0, seconds)
    with suppress(KeyError, ValueError):
        moment = parsedate_to_datetime(headers["Retry-After"]).astimezone(UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def parse_completion(answer: object) -> Completion:
    """Raises BindingError where the SDK would stumble: no choice, no usage."""
    try:
        whole = cast("dict[str, Any]", answer)
        message: dict[str, Any] = whole["choices"][0]["message"]
        usage: dict[str, Any] = whole["usage"]
        calls = tuple(
            ToolCall(str(one["id"]), str(one["function"]["name"]), str(one["function"]["arguments"]))
            for one in message.get("tool_calls") or ()
        )
        content = str(message.get("content") or "")
        return Completion(content, calls, int(usage["total_tokens"]), int(usage["completion_tokens"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BindingError(
            f"The model's answer is no chat completion: {type(error).__name__}: {error}"
        ) from error


def _failure(status: int, answer: object) -> str:
    error: object = cast("dict[str, Any]", answer).get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return f"Service request failed. Status: {status}"
    members = cast("dict[str, Any]", error)
    kind = ": ".join(str(members[name]) for name in ("type", "code") if members.get(name))
    return f"HTTP {status} ({kind})\n{members.get('message', '')}"
