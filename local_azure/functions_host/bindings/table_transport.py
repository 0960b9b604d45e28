"""The transport of the table client, which sends a request again as Azure.Core does.

The SDK's own policy waits 0, 1.6 and 3.2 seconds, and does not repeat a POST whose connection was cut: a
transaction that had arrived is then reported as the failure that it is, and not as a duplicate.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport

from local_azure.functions_host.bindings import retries
from local_azure.functions_host.bindings.retries import Sleep


class RetryingTransport(AioHttpTransport):
    def __init__(self, sleep: Sleep) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] # azure-core leaves options open
        self._sleep = sleep

    async def send(self, request: Any, **config: Any) -> Any:
        send = cast("Callable[..., Awaitable[Any]]", super().send)  # pyright: ignore[reportUnknownMemberType]

        async def attempt() -> Any:
            response = await send(request, **config)
            # A connection may be cut within the body, too.
            await (response.read() if hasattr(response, "read") else response.load_body())
            return response

        return await retries.send(
            attempt,
            lambda response: (response.status_code, response.headers),
            broken=(AzureError,),
            delay=_delay,
            sleep=self._sleep,
        )


def _delay(backoff: float, headers: Mapping[str, str]) -> float:
    return max(backoff, retries.retry_after(headers, int) or 0.0)
