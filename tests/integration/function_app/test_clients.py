"""The table clients, which all requests of a process share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from assistants.settings import Settings, StorageSettings
from assistants.tables.clients import Tables
from azure.core.pipeline import Pipeline

SETTINGS = Settings(
    storage=StorageSettings(connection_string="AccountName=app;AccountKey=a2V5;EndpointSuffix=example")
)


def test_no_pipeline_is_built_after_the_first_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline built over policies that other clients share breaks their requests: four reads of ten, while
    two threads made clients (`'_SansIOHTTPPolicyRunner' object has no attribute 'next'`)."""
    pipelines: list[Pipeline[Any, Any]] = []
    build = Pipeline[Any, Any].__init__

    def keep(pipeline: Pipeline[Any, Any], *arguments: Any, **options: Any) -> None:
        pipelines.append(pipeline)
        build(pipeline, *arguments, **options)

    monkeypatch.setattr(Pipeline, "__init__", keep)
    tables = Tables(SETTINGS)
    _ = tables.chat_state
    count = len(pipelines)
    _ = tables.chat_state, tables.leases, tables.todos
    assert len(pipelines) == count > 0


def test_concurrent_first_requests_share_one_client() -> None:
    tables = Tables(SETTINGS)
    barrier = threading.Barrier(8)

    def take(_number: int) -> int:
        barrier.wait(30)
        return id(tables.leases)

    with ThreadPoolExecutor(8) as executor:
        assert len(set(executor.map(take, range(8)))) == 1
