"""Chat completion requests as Azure.AI.OpenAI 2.1.0 sends them, the client of the extension."""

from collections.abc import Awaitable, Callable, Mapping
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

SCOPE = "https://cognitiveservices.azure.com/.default"


Authorization = Callable[[], Awaitable[dict[str, str]]]
"""The headers that authorize a request."""


@dataclass(frozen=True)
class Completion:
    content: str
    """Empty where the model returned only tool calls."""
    tool_calls: tuple[ToolCall, ...]
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
        authorization: Authorization,
        sleep: Sleep,
    ) -> None:
        self.deployment = deployment
        self._session = session
        self._url = _completions_url(endpoint, deployment)
        self._authorization = authorization
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
        if 200 <= response.status < 300:
            return parse_completion(response.content)
        raise BindingError(_failure(response))

    async def _send(self, body: bytes) -> _Response:
        headers = {**await self._authorization(), "Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=retries.ATTEMPT_TIMEOUT)
        async with self._session.post(
            self._url, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            return _Response(response.status, response.headers, await response.read())


def api_key(key: str) -> Authorization:
    async def headers() -> dict[str, str]:
        return {"api-key": key}

    return headers


def bearer_token(credential: Any) -> Authorization:
    async def headers() -> dict[str, str]:
        token = await credential.get_token(SCOPE)
        return {"Authorization": f"Bearer {token.token}"}

    return headers


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


Read = Callable[[object], Any]


def _nullable(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")  # JSON of another shape
    return dotnet.utf8(value) or ""


def _int32(value: object) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise ValueError(f"{value!r} is not a 32-bit integer")
    return value


def _int64(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not an integer")
    return value


def _one_of(*names: str) -> Read:
    def read(value: object) -> str:
        if _text(value).lower() not in names:
            raise ValueError(f"{value!r} is none of {', '.join(names)}")
        return _text(value)

    return read


def _array(read: Read) -> Read:
    def elements(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"{value!r} is not an array")  # JSON of another shape
        return [read(element) for element in cast("list[object]", value)]

    return elements


def _object(**members: Read) -> Read:
    """Unknown members are kept as they are."""

    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is not an object")  # JSON of another shape
        given = cast("dict[str, object]", value)
        return {name: members[name](member) if name in members else member for name, member in given.items()}

    return read


_FUNCTION = _nullable(_object(name=dotnet.utf8, arguments=_text))
_COMPLETION = _object(
    id=dotnet.utf8,
    object=_text,
    created=_int64,
    model=dotnet.utf8,
    system_fingerprint=dotnet.utf8,
    service_tier=_nullable(_text),
    choices=_array(
        _nullable(
            _object(
                index=_int32,
                finish_reason=_one_of("stop", "length", "tool_calls", "content_filter", "function_call"),
                logprobs=_nullable(_object()),
                message=_nullable(
                    _object(
                        role=_one_of("system", "user", "assistant", "tool", "function"),
                        content=dotnet.utf8,
                        refusal=dotnet.utf8,
                        function_call=_FUNCTION,
                        tool_calls=_nullable(
                            _array(_object(id=dotnet.utf8, type=_one_of("function"), function=_FUNCTION))
                        ),
                    )
                ),
            )
        )
    ),
    usage=_nullable(
        _object(
            total_tokens=_int32,
            prompt_tokens=_int32,
            completion_tokens=_int32,
            prompt_tokens_details=_nullable(_object()),
            completion_tokens_details=_nullable(_object()),
        )
    ),
)
"""The members that OpenAI 2.1.0 reads, of the first choice and of the others."""


def parse_completion(content: bytes) -> Completion:
    """Raises BindingError where the SDK or the extension fails to read the response."""
    try:
        completion: dict[str, Any] = _COMPLETION(dotnet.strict_json(content.decode()))
        message: dict[str, Any] = completion["choices"][0]["message"]
        usage: dict[str, Any] = completion["usage"]
        return Completion(
            message.get("content") or "",
            tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
            usage.get("total_tokens", 0),
            usage.get("completion_tokens", 0),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise BindingError(
            f"The model's response is not a chat completion: {type(error).__name__}: {error}"
        ) from error


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function: Mapping[str, Any] = call.get("function") or {}
    more = {name: value for name, value in call.items() if name not in ("id", "type", "function")}
    more_of_function = {name: value for name, value in function.items() if name not in ("name", "arguments")}
    return ToolCall(call.get("id"), function.get("name"), function.get("arguments"), more, more_of_function)


def _failure(response: _Response) -> str:
    try:
        error: Any = cast("dict[str, Any]", dotnet.strict_json(response.content.decode()))["error"]
        kind = ": ".join(str(error[name]) for name in ("type", "code") if error.get(name))
        return f"HTTP {response.status} ({kind})\n{error.get('message', '')}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"Service request failed. Status: {response.status}"
