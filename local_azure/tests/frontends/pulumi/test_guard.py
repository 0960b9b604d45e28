import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

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
def engine_process(backend: str | None) -> Generator[int]:
    """A process that listens as an engine does; the port."""
    environment = {name: value for name, value in os.environ.items() if name != guard.BACKEND_VARIABLE}
    if backend is not None:
        environment[guard.BACKEND_VARIABLE] = backend
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_a_file_backend_is_served() -> None:
    assert guard.decide("127.0.0.1:1", {guard.BACKEND_VARIABLE: "file:///state"}) is None


@pytest.mark.parametrize("backend", ["https://api.pulumi.com", "azblob://state", "s3://b", "FILE:///x", ""])
def test_any_other_backend_is_refused_by_name(backend: str) -> None:
    refusal = guard.decide("127.0.0.1:1", {guard.BACKEND_VARIABLE: backend})
    assert refusal is not None
    assert backend in refusal.message
    assert "python -m local_azure pulumi" in refusal.message


def test_an_engine_without_the_variable_or_without_a_process_is_refused() -> None:
    nothing: dict[str, str] = {}
    for environment in (nothing, None):
        refusal = guard.decide("127.0.0.1:1", environment)
        assert refusal is not None
        assert "python -m local_azure pulumi" in refusal.message


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("127.0.0.1:80", 80),
        ("localhost:80", 80),
        ("[::1]:80", 80),
        ("10.0.0.1:80", None),
        ("", None),
        ("x", None),
    ],
)
def test_only_engines_on_this_machine_are_looked_for(address: str, port: int | None) -> None:
    assert guard.port_of(address) == port


def test_the_environment_is_that_of_the_process_that_listens() -> None:
    with engine_process("file:///here") as port:
        environment = guard.environment_of_listener(port)
    assert environment is not None
    assert environment[guard.BACKEND_VARIABLE] == "file:///here"


def test_a_port_on_which_nobody_listens_has_no_environment() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # held, but not listened on
        assert guard.environment_of_listener(bound.getsockname()[1]) is None


@pytest.mark.parametrize("backend", ["https://api.pulumi.com", None])
async def test_attach_and_handshake_refuse_a_real_backend(engine: Engine, backend: str | None) -> None:
    with engine_process(backend) as port:
        for call in (
            engine.stub.Attach(plugin_pb2.PluginAttach(address=f"127.0.0.1:{port}")),
            engine.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=f"127.0.0.1:{port}")),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_attach_and_handshake_serve_a_file_backend(engine: Engine) -> None:
    with engine_process("file:///state") as port:
        await engine.stub.Attach(plugin_pb2.PluginAttach(address=f"127.0.0.1:{port}"))
        await engine.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=f"127.0.0.1:{port}"))
