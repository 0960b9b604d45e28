"""Which connections a host that ends has to wait for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from local_azure.functions_host import server as module
from local_azure.functions_host.server import Server
from tests.polling import wait_for

DEADLINE = 30.0


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, int]]:
    monkeypatch.setattr(module, "FIRST_REQUEST_TIMEOUT", DEADLINE)

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="heard")

    server = Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.shutdown(0)


async def test_a_connection_is_waited_for_until_its_first_request(served: tuple[Server, int]) -> None:
    server, port = served
    assert not server.awaits_requests()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(wait_for, server.awaits_requests, "a connection", DEADLINE)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"heard"), DEADLINE)
    assert not server.awaits_requests()
    writer.close()


async def test_a_connection_that_is_closed_is_waited_for_no_longer(served: tuple[Server, int]) -> None:
    server, port = served
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(wait_for, server.awaits_requests, "a connection", DEADLINE)
    writer.close()
    await asyncio.to_thread(wait_for, lambda: not server.awaits_requests(), "its end", DEADLINE)


async def test_a_connection_that_was_opened_in_advance_is_not_waited_for(
    served: tuple[Server, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_REQUEST_TIMEOUT", 0.0)
    server, port = served
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(wait_for, lambda: len(server.connections) == 1, "the connection", DEADLINE)
    assert not server.awaits_requests()
    writer.close()
