"""Bad requests, and which connections a host that ends has to wait for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from local_azure.functions_host import server as module
from local_azure.functions_host.server import FunctionResponse, Server
from tests.polling import wait_for

DEADLINE = 30.0


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, int]]:
    monkeypatch.setattr(module, "FIRST_REQUEST_TIMEOUT", DEADLINE)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        length = request.headers.get("X-Content-Length")
        headers = {"Transfer-Encoding": "chunked"} if request.path == "/own" else {}
        return FunctionResponse(text=f"heard {length}", headers=headers)

    server = Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.shutdown(0)


async def test_a_connection_is_waited_for_until_its_first_request_or_its_end(
    served: tuple[Server, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, port = served
    for first_bytes in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""):
        assert not server.awaits_requests()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.to_thread(wait_for, server.awaits_requests, "a connection", DEADLINE)
        if first_bytes:
            writer.write(first_bytes)
            assert await asyncio.wait_for(reader.readuntil(b"heard"), DEADLINE)
            assert not server.awaits_requests()
        writer.close()
        await asyncio.to_thread(wait_for, lambda: not server.awaits_requests(), "its end", DEADLINE)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(wait_for, server.awaits_requests, "a connection opened in advance", DEADLINE)
    monkeypatch.setattr(module, "FIRST_REQUEST_TIMEOUT", 0.0)
    assert not server.awaits_requests()
    writer.close()


async def answer(port: int, request: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    response = await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()
    return response


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x", "400"),
        ("GET / HTTP/2.0\r\nHost: a", "505"),
        ("POST / HTTP/1.0", "400"),
        ("nonsense", "400"),
        ("GET http://b/ HTTP/1.1\r\nHost: a", "400"),
        ("GET http://a/ HTTP/1.1\r\nHost: a", "200"),
    ],
)
async def test_a_bad_request_gets_a_status_without_a_body(
    served: tuple[Server, int], lines: str, status: str
) -> None:
    response = (await answer(served[1], f"{lines}\r\nConnection: close\r\n\r\n")).decode()
    assert response.split(" ")[:2] == ["HTTP/1.1", status]
    assert response.endswith("\r\n\r\n") is (status != "200")


async def test_the_length_of_a_body_in_chunks_gets_another_name(served: tuple[Server, int]) -> None:
    head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = await answer(served[1], f"{head}no chunk\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert response.count(b"heard") == response.count(b"heard 9") == 1


async def test_a_transfer_encoding_of_the_function_goes_with_its_body_as_it_is(
    served: tuple[Server, int],
) -> None:
    response = await answer(served[1], "GET /own HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in response
    assert b"Content-Length" not in response
    assert response.endswith(b"\r\n\r\nheard None")
