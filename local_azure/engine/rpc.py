# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# grpcio ships no types; this module is the only one that touches it, and what leaves it is typed.
"""gRPC for the engine: typed unary calls, a server of unary methods, and errors as one exception."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from local_azure.engine.protos import provider_pb2, status_pb2

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

_MESSAGE_LIMIT = 400 * 1024 * 1024  # the CLI's (P:sdk/go/common/util/rpcutil)
_OPTIONS = [
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # A proxy of the environment has no business between processes of one machine.
    ("grpc.enable_http_proxy", 0),
]


class CallError(Exception):
    """A call failed. `uncertain`: the other side may or may not have done what was asked."""

    def __init__(
        self, code: str, message: str, partial: "provider_pb2.ErrorResourceInitFailed | None" = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.partial = partial
        """The resource exists and is not well: what the provider knows of it."""

    @property
    def unimplemented(self) -> bool:
        return self.code == "UNIMPLEMENTED"

    @property
    def uncertain(self) -> bool:
        return self.code in ("UNKNOWN", "INTERNAL", "DATA_LOSS", "UNAVAILABLE")


class AbortError(Exception):
    """Raised by a server's method: the caller gets this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _init_failed(error: Any) -> "provider_pb2.ErrorResourceInitFailed | None":
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(bytes(value)).details:
            failed = provider_pb2.ErrorResourceInitFailed()
            if detail.Is(failed.DESCRIPTOR):
                detail.Unpack(failed)
                return failed
    return None


class Connection:
    def __init__(self, address: str) -> None:
        self.address = address
        self._channel: Any = grpc.aio.insecure_channel(address, options=_OPTIONS)

    def unary(
        self, method: str, request: type[Request], response: type[Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A call of `/package.Service/Method`; raises CallError."""
        call: Any = self._channel.unary_unary(
            method, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )

        async def invoke(message: Request) -> Response:
            try:
                return await call(message)
            except grpc.aio.AioRpcError as error:
                raise CallError(
                    error.code().name, error.details() or error.code().name, _init_failed(error)
                ) from None

        return invoke

    async def close(self) -> None:
        await self._channel.close()


@dataclass(frozen=True)
class Method:
    name: str
    request: type[Message]
    handle: Callable[[Any], Awaitable[Message]]


class Server:
    """Serves unary methods on a port of 127.0.0.1 that the system chooses."""

    def __init__(self) -> None:
        self._server: Any = grpc.aio.server(options=_OPTIONS)
        self.address = ""

    def add(self, service: str, methods: Iterable[Method]) -> None:
        handlers = {method.name: _handler(method) for method in methods}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))

    async def start(self) -> str:
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.address = f"127.0.0.1:{port}"
        return self.address

    async def stop(self) -> None:
        await self._server.stop(0)


def _handler(method: Method) -> Any:
    async def serve(request: Message, context: Any) -> Message:
        try:
            return await method.handle(request)
        except AbortError as error:
            await context.abort(grpc.StatusCode[error.code], str(error))
            raise

    return grpc.unary_unary_rpc_method_handler(
        serve, request_deserializer=method.request.FromString, response_serializer=_serialize
    )


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
