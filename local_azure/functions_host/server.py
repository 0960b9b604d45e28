"""The HTTP server of the host: aiohttp with what Kestrel accepts, refuses and limits."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParserPy, RawRequestMessage
from aiohttp.web_protocol import RequestHandler

SERVER = "local-azure"

FIRST_REQUEST_TIMEOUT = 2.0
"""Seconds within which an accepted connection is expected to send its first request."""

LINE_LIMIT = 8_192
"""Bytes of a request line."""

HEADERS_LIMIT = 32_768
"""Bytes of all header lines."""

HEADER_COUNT_LIMIT = 100

LINGERING_TIME = 1.0
"""Seconds in which the rest of a body is read that was refused."""


class Server(web.Server):
    """Tracks accepted connections without a request."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler)
        self.accepted: WeakKeyDictionary[RequestHandler, float] = WeakKeyDictionary()

    def __call__(self) -> Any:
        connection = _Connection(self)  # before the TLS handshake
        self.accepted[connection] = time.monotonic()
        return connection

    def awaits_requests(self) -> bool:
        """Whether a client has just connected and not yet sent a request, which a stop would drop."""
        # A connection whose TLS handshake fails is not reported, and a pooled one may stay idle for long.
        now = time.monotonic()
        return any(now - since < FIRST_REQUEST_TIMEOUT for since in self.accepted.values())


class FunctionResponse(web.Response):
    """Without a Content-Type that the function has not set.

    A function's own Transfer-Encoding goes with its body as it is, and without a length.
    """

    async def _prepare_headers(self) -> None:
        has_type = "Content-Type" in self.headers
        await super()._prepare_headers()
        if not has_type:
            self.headers.pop("Content-Type", None)
        if "Transfer-Encoding" in self.headers:
            self.headers.pop("Content-Length", None)
            self.force_close()


class _Connection(RequestHandler):
    def __init__(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, lingering_time=LINGERING_TIME)
        self._server = server
        self.access_logger, self._logging_enabled = None, False
        self._parser = _Parser(
            self,
            loop,
            max_line_size=LINE_LIMIT - len("\r\n"),
            max_field_size=HEADERS_LIMIT,
            # Kestrel does not decompress a body; aiohttp would, and rejects one that is not compressed.
            auto_decompress=False,
            payload_exception=web.RequestPayloadError,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    def data_received(self, data: bytes) -> None:
        self._server.accepted.pop(self, None)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.accepted.pop(self, None)
        super().connection_lost(exc)

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """A bad request gets its status without a body."""
        del message
        request._version = HttpVersion11  # aiohttp would answer in HTTP/1.0
        if isinstance(exc, HttpProcessingError):
            status = exc.code
        else:
            self.log_exception("The request failed", exc_info=exc)
        response = web.Response(status=status, headers={"Server": SERVER})
        response.force_close()
        return response


class _Parser(HttpRequestParserPy):
    """Reports a request whose chunks are invalid, too: the host reads none."""

    _head: RawRequestMessage | None = None

    def feed_data(self, data: bytes, *arguments: Any, **options: Any) -> Any:
        self._head = None
        try:
            return super().feed_data(data, *arguments, **options)
        except HttpProcessingError as error:
            if self._payload_parser is None:
                if isinstance(error, LineTooLong):
                    raise HttpProcessingError(code=431 if self._lines else 414) from error
                raise
        except ValueError as error:
            raise BadHttpMessage(str(error)) from error
        self._payload_parser, self._upgraded = None, True  # what follows is not read
        if self._head is None:
            cast("RequestHandler", self.protocol).close()
            return [], True, b""
        return [(self._head._replace(should_close=True), EMPTY_PAYLOAD)], True, b""

    def parse_message(self, lines: list[bytes]) -> RawRequestMessage:
        headers = [line for line in lines[1:] if line]
        if len(headers) > HEADER_COUNT_LIMIT or sum(len(line) + 2 for line in headers) > HEADERS_LIMIT:
            raise HttpProcessingError(code=431)
        if not lines[0].isascii():
            raise BadHttpMessage("The request line is not ASCII")
        names = [line.partition(b":")[0].lower() for line in headers]
        if b"transfer-encoding" in names:
            # The length does not count; the function sees it under another name.
            headers = [
                b"X-" + line if name == b"content-length" else line
                for name, line in zip(names, headers, strict=True)
            ]
        message = super().parse_message([lines[0], *headers, b""])
        if message.version not in ((1, 0), (1, 1)):
            raise HttpProcessingError(code=505)
        has_length = b"content-length" in names or b"transfer-encoding" in names
        if message.version == (1, 0) and message.method in ("POST", "PUT") and not has_length:
            raise BadHttpMessage("A body in HTTP/1.0 has no length")
        authority = urlsplit(message.path).netloc if "://" in message.path.partition("?")[0] else ""
        if authority and not message.path.startswith("/") and authority != message.headers.get("Host"):
            raise BadHttpMessage("The target and Host name different hosts")
        self._head = message._replace(upgrade=False)  # no function switches protocols
        return self._head
