import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from local_azure.frontends.pulumi import guard
from local_azure.tests.frontends.pulumi.support import Engine

LISTEN = (
    "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"
)


@contextmanager
def engine_process(backend: str | None) -> Generator[str]:
    """A process that listens as an engine does; its address."""
    environment = {name: value for name, value in os.environ.items() if name != guard.BACKEND_VARIABLE}
    environment |= {} if backend is None else {guard.BACKEND_VARIABLE: backend}
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("backend", ["https://api.pulumi.com", "azblob://state", "FILE:///x", "", None])
def test_any_backend_but_a_file_is_refused_by_name(backend: str | None) -> None:
    refusal = guard.refusal_for("127.0.0.1:1", {} if backend is None else {guard.BACKEND_VARIABLE: backend})
    assert refusal is not None
    assert (backend or "is not set") in refusal
    assert "python -m local_azure pulumi" in refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_engine_is_the_process_that_listens_on_its_port(host: str) -> None:
    with engine_process("file:///state") as address:
        assert guard.refusal(f"{host}:{address.rpartition(':')[2]}") is None


@pytest.mark.parametrize("address", ["10.0.0.1:80", "", "x", "127.0.0.1:x", "127.0.0.1:{port}"])
def test_an_engine_without_a_process_on_this_machine_is_refused(address: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # reserved, but nobody listens on it
        refusal = guard.refusal(address.format(port=bound.getsockname()[1]))
    assert refusal is not None
    assert "python -m local_azure pulumi" in refusal


def calls(engine: Engine, address: str) -> list[Any]:
    return [
        engine.stub.Attach(plugin_pb2.PluginAttach(address=address)),
        engine.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=address)),
    ]


async def test_attach_and_handshake_serve_only_a_file_backend(engine: Engine) -> None:
    with engine_process("file:///state") as address:
        for call in calls(engine, address):
            await call
    with engine_process("https://api.pulumi.com") as address:
        for call in calls(engine, address):
            with pytest.raises(grpc.aio.AioRpcError, match=r"api\.pulumi\.com") as error:
                await call
            assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
