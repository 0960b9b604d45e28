"""The table clients, which all requests of a process share."""

import threading
from typing import Any

import pytest
from assistants.settings import Settings, StorageSettings
from assistants.tables.clients import Tables
from azure.core.pipeline import Pipeline

KEY = "a2V5"
SETTINGS = Settings(
    storage=StorageSettings(connection_string=f"AccountName=app;AccountKey={KEY};EndpointSuffix=example")
)


def test_no_pipeline_is_built_after_the_first_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline built over policies that other clients share breaks their requests: four reads of ten, while
    two threads made clients (`'_SansIOHTTPPolicyRunner' object has no attribute 'next'`)."""
    built: list[Pipeline[Any, Any]] = []
    build = Pipeline[Any, Any].__init__

    def keep(pipeline: Pipeline[Any, Any], *arguments: Any, **options: Any) -> None:
        built.append(pipeline)
        build(pipeline, *arguments, **options)

    monkeypatch.setattr(Pipeline, "__init__", keep)
    tables = Tables(SETTINGS)
    _ = tables.chat_state
    built_by_the_first = len(built)

    for _ in range(2):
        _ = tables.chat_state, tables.leases, tables.todos

    assert len(built) == built_by_the_first > 0


def test_concurrent_first_requests_share_one_client() -> None:
    tables = Tables(SETTINGS)
    together = threading.Barrier(8)
    clients: list[object] = []

    def take() -> None:
        together.wait(30)
        clients.append(tables.leases)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(clients) == 8
    assert len(set(map(id, clients))) == 1
