"""Tables for the app's own code: a table service of Azurite, in memory, for all tests of a session."""

import base64
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from assistants.settings import CHAT_STATE_TABLE, Settings, StorageSettings
from assistants.tables.clients import Tables
from azure.data.tables import TableServiceClient

from local_azure.runtime import node
from local_azure.runtime.ports import ADDRESS, free_port

ACCOUNT = "apptests"
DEADLINE = 30.0


@pytest.fixture(scope="session")
def connection_string(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, key = free_port(), base64.b64encode(secrets.token_bytes(64)).decode()
    process = subprocess.Popen(
        [
            str(node.NODE),
            str(node.script("azurite", "dist/src/table/main.js")),
            *("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"),
            *("--tableHost", ADDRESS, "--tablePort", str(port)),
        ],
        env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        cwd=tmp_path_factory.mktemp("azurite"),
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        endpoint = f"TableEndpoint=http://{ADDRESS}:{port}/{ACCOUNT}"
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};{endpoint};"
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        assert process.poll() is None, f"Azurite ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("Azurite does not listen")


@pytest.fixture
def settings(connection_string: str) -> Iterator[Settings]:
    """Of a deployment whose lease and to-do tables are its own; ids tell apart what is in ChatState."""
    suffix = uuid.uuid4().hex[:12]
    storage = StorageSettings(
        connection_string=connection_string, lease_table=f"Leases{suffix}", todo_table=f"Todos{suffix}"
    )
    service: Any = TableServiceClient.from_connection_string(connection_string)
    service.create_table_if_not_exists(CHAT_STATE_TABLE)
    yield Settings(storage=storage, expose_instructions=True)
    table = service.get_table_client(CHAT_STATE_TABLE)
    for row in list(table.list_entities(select=["PartitionKey", "RowKey"])):
        table.delete_entity(row)


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings)
