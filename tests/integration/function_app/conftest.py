"""Tables for the app's own code: a table service of Azurite, in memory, for all tests of a session."""

import base64
import re
import secrets
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from assistants.settings import CHAT_STATE_TABLE, Settings, StorageSettings
from assistants.tables.clients import Tables
from azure.data.tables import TableServiceClient

from local_azure.runtime import node
from local_azure.runtime.ports import ADDRESS, free_port
from tests.host_requests import Api
from tests.polling import wait_for

ACCOUNT = "apptests"


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

    def listens() -> bool:
        assert process.poll() is None, f"Azurite ended with {process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, port)) == 0

    try:
        wait_for(listens, "Azurite listens", 60)
        endpoint = f"TableEndpoint=http://{ADDRESS}:{port}/{ACCOUNT}"
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};{endpoint};"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def settings(connection_string: str) -> Iterator[Settings]:
    """With lease and to-do tables of its own; ChatState is emptied after the test."""
    suffix = uuid.uuid4().hex[:12]
    storage = StorageSettings(
        connection_string=connection_string, lease_table=f"Leases{suffix}", todo_table=f"Todos{suffix}"
    )
    service: Any = TableServiceClient.from_connection_string(connection_string)
    service.create_table_if_not_exists(CHAT_STATE_TABLE)
    yield Settings(storage=storage, expose_instructions=True)
    # Faster than row by row.
    service.delete_table(CHAT_STATE_TABLE)


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings)


@pytest.fixture
def api(settings: Settings, tables: Tables) -> Api:
    return Api(tables, settings)


@dataclass(frozen=True)
class TableRequest:
    """`resource` is the path without the account, decoded. `rows`: how many the response has.

    `timeouts` are in seconds, to connect and to read.
    """

    method: str
    resource: str
    filter: str
    columns: str
    rows: int
    timeouts: tuple[float, float]


class TableRequests(list[TableRequest]):
    def taken(self) -> list[TableRequest]:
        """What was sent since the last call."""
        taken = self[:]
        self.clear()
        return taken


@pytest.fixture
def table_requests(monkeypatch: pytest.MonkeyPatch) -> TableRequests:
    """What the SDK of the tables sends, its retries included."""
    sent = TableRequests()
    send = requests.Session.send

    def record(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        response = send(session, request, **options)
        url = urlsplit(str(request.url))
        is_json = response.status_code == 200 and "json" in response.headers.get("Content-Type", "")
        body: dict[str, Any] = response.json() if is_json else {}
        rows = len(body["value"]) if "value" in body else int(is_json)
        resource = re.sub("^/[^/]+/", "", unquote(url.path))
        query = dict(parse_qsl(url.query))
        table_filter, columns = query.get("$filter", ""), query.get("$select", "")
        sent.append(
            TableRequest(str(request.method), resource, table_filter, columns, rows, options["timeout"])
        )
        return response

    monkeypatch.setattr(requests.Session, "send", record)
    return sent
