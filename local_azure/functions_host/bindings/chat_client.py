"""Chat completion requests as Azure.AI.OpenAI 2.1.0 sends them, the client of the extension."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import aiohttp
from yarl import URL

from local_azure.functions_host.bindings import dotnet, retries
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.retries import Sleep
from local_azure.functions_host.bindings.rows import ToolCall

API_VERSION = "2024-10-21"
"""What Azure.AI.OpenAI 2.1.0 sends."""

_SUCCESS = 200
"""The only status that the SDK takes for one."""

SCOPE = "https://cognitiveservices.azure.com/.default"


@dataclass(frozen=True)
class Completion:
    content: str
    """Empty where the model returned only tool calls."""
    tool_calls: tuple[ToolCall | None, ...]
    """None where the model wrote null."""
    total_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    content: bytes


class ChatClient:
    """Client of one model deployment."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: str,
        deployment: str,
        credential: Any,
        sleep: Sleep,
    ) -> None:
        """`credential` is an API key or an asynchronous credential of azure-identity."""
        self.deployment = deployment
        self._session = session
        self._url = _completions_url(endpoint, deployment)
        self._credential = credential
        self._sleep = sleep

    async def complete(self, request: Mapping[str, Any]) -> Completion:
        """Raises BindingError with the service's error message when no attempt succeeds."""
        body = dotnet.newtonsoft({**request, "model": self.deployment}).encode()
        try:
            response = await retries.send(
                lambda: self._send(body),
                lambda response: (response.status, response.headers),
                broken=(aiohttp.ClientError, TimeoutError),
                delay=_delay,
                sleep=self._sleep,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise BindingError(f"Retry failed after {len(retries.BACKOFF) + 1} tries: {reason}") from error
        if response.status == _SUCCESS:
            return parse_completion(response.content)
        raise BindingError(_failure(response))

    async def _send(self, body: bytes) -> _Response:
        headers = {"Content-Type": "application/json"}
        if isinstance(self._credential, str):
            headers["api-key"] = self._credential
        else:
            headers["Authorization"] = f"Bearer {(await self._credential.get_token(SCOPE)).token}"
        limit = aiohttp.ClientTimeout(total=retries.ATTEMPT_TIMEOUT)
        async with self._session.post(
            self._url, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            return _Response(response.status, response.headers, await response.read())


def _completions_url(endpoint: str, deployment: str) -> URL:
    """Raises BindingError for an endpoint that is no absolute URL."""
    base = URL(endpoint.strip())
    if not base.absolute:
        raise BindingError(f"Invalid URI: the endpoint of the model is {endpoint!r}.")
    # System.Uri resolves the deployments `.` and `..`, but keeps every escaped character.
    path = f"{base.raw_path.rstrip('/')}/openai/deployments/{quote(deployment, safe='')}/chat/completions"
    segments = path.replace("/deployments/../", "/").replace("/deployments/./", "/deployments/")
    return URL(f"{base.origin()}{segments}?api-version={API_VERSION}", encoded=True)


def _delay(backoff: float, headers: Mapping[str, str]) -> float:
    requested = retries.retry_after(headers)
    return backoff if requested is None else requested


_TEXT = {"type": ["string", "null"]}
_INTEGER = {"type": "integer"}
_INT32 = {**_INTEGER, "minimum": -(2**31), "maximum": 2**31 - 1}


def _object(kind: object = ("object", "null"), **properties: object) -> dict[str, object]:
    return {"type": kind, "properties": properties}


def _one_of(*names: str) -> dict[str, object]:
    return {"type": "string", "pattern": rf"(?i)\A({'|'.join(names)})\Z"}


_FUNCTION = _object(name=_TEXT, arguments={"type": "string"})
_MESSAGE = _object(
    role=_one_of("system", "user", "assistant", "tool", "function"),
    content=_TEXT,
    refusal=_TEXT,
    function_call=_FUNCTION,
    tool_calls={
        "type": ["array", "null"],
        "items": _object(id=_TEXT, type=_one_of("function"), function=_FUNCTION),
    },
)
_CHOICE = _object(
    index=_INT32,
    finish_reason=_one_of("stop", "length", "tool_calls", "content_filter", "function_call"),
    logprobs=_object(),
    message=_MESSAGE,
)
_COMPLETION = _object(
    "object",
    id=_TEXT,
    object={"type": "string"},
    created=_INTEGER,
    model=_TEXT,
    system_fingerprint=_TEXT,
    service_tier=_TEXT,
    choices={"type": "array", "items": _CHOICE},
    usage=_object(
        total_tokens=_INT32,
        prompt_tokens=_INT32,
        completion_tokens=_INT32,
        prompt_tokens_details=_object(audio_tokens=_INT32, cached_tokens=_INT32),
        completion_tokens_details=_object(audio_tokens=_INT32, reasoning_tokens=_INT32),
    ),
)
"""The members that OpenAI 2.1.0 reads, of the first choice and of the others (Draft 4: 3.0 is no integer)."""


def parse_completion(content: bytes) -> Completion:
    """Raises BindingError where the SDK or the extension fails to read the response."""
    import jsonschema  # noqa: PLC0415 # it takes 100 ms, and a host without a post starts faster

    try:
        completion: Any = dotnet.strict_json(content.decode())
        validator: Any = jsonschema.Draft4Validator(_COMPLETION)
        validator.validate(completion)
        # Half a surrogate pair fails here.
        dotnet.newtonsoft(completion).encode()
        message: dict[str, Any] = completion["choices"][0]["message"]
        usage: dict[str, Any] = completion["usage"]
        return Completion(
            message.get("content") or "",
            tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
            usage.get("total_tokens", 0),
            usage.get("completion_tokens", 0),
        )
    except (jsonschema.ValidationError, KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise BindingError(
            f"The model's response is not a chat completion: "
            f"{type(error).__name__}: {getattr(error, 'message', error)}"
        ) from error


def _tool_call(call: Mapping[str, Any] | None) -> ToolCall | None:
    if call is None:
        return None
    more = {name: value for name, value in call.items() if name not in ("id", "type", "function")}
    function: Mapping[str, Any] | None = call.get("function")
    if function is None:
        return ToolCall(call.get("id"), None, None, more, None)
    more_of_function = {name: value for name, value in function.items() if name not in ("name", "arguments")}
    return ToolCall(call.get("id"), function.get("name"), function.get("arguments"), more, more_of_function)


def _failure(response: _Response) -> str:
    try:
        error: Any = cast("dict[str, Any]", dotnet.strict_json(response.content.decode()))["error"]
        kind = ": ".join(str(error[name]) for name in ("type", "code") if error.get(name))
        return f"HTTP {response.status} ({kind})\n{error.get('message', '')}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"Service request failed. Status: {response.status}"
