"""What a client gets when the model refuses, and when several requests write. On a local Azure of its own."""

import json
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Workspace

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ, reason="scripts the model of a local Azure of its own"
)


@pytest.fixture
def assistant_id(target: Target) -> str:
    assistant_id = f"e2e-{uuid.uuid4().hex}"
    assert target.send("PUT", f"/{assistant_id}").status == 202
    return assistant_id


def script(local: Workspace, folder: Path, *replies: object) -> None:
    file = folder / "script.json"
    file.write_text(json.dumps(replies))
    local.run("model", "clear")
    local.run("model", "script", str(file))


def test_a_model_at_its_limit_is_a_503_with_its_own_retry_after_and_nothing_is_stored(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    rows = target.rows(assistant_id)
    limit = {"error": {"status": 429}, "headers": {"Retry-After": "0"}}
    # The extension's client tries three more times, and then the app probes the model. An answer is used
    # for ten seconds: at first that of an earlier test may be.
    end = time.monotonic() + 30
    response = None
    while (response is None or response.headers.get("Retry-After") != "7") and time.monotonic() < end:
        script(local, tmp_path, *[limit] * 4, {**limit, "headers": {"Retry-After": "7"}})
        response = target.post(assistant_id, "Hi")

    assert response
    assert (response.status, response.headers["Content-Type"]) == (503, "application/problem+json")
    assert response.headers["Retry-After"] == "7"
    assert "at its rate limit" in response.json()["detail"]
    assert response.json()["messageStored"] is False
    assert target.rows(assistant_id) == rows
    local.run("model", "clear")
    assert target.post(assistant_id, "Hi again").status == 200


def test_of_concurrent_posts_and_puts_each_is_done_or_refused_by_409(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    script(local, tmp_path, *[{"text": "Slowly.", "delaySeconds": 0.3}] * 8)

    def send(is_put: bool, barrier: threading.Barrier) -> int:
        barrier.wait(30)
        response = target.send("PUT", f"/{assistant_id}") if is_put else target.post(assistant_id, "Hi")
        if response.status == 409:
            assert int(response.headers["Retry-After"]) >= 1
        return response.status

    for puts in (0, 1, 3, 3):
        is_put = [number < puts for number in range(4)]
        with ThreadPoolExecutor(4) as executor:
            statuses = list(executor.map(send, is_put, [threading.Barrier(4)] * 4))

        assert {200, 202} & set(statuses)
        assert set(statuses) <= {200, 202, 409}, statuses
        rows = {row["RowKey"]: row for row in target.rows(assistant_id)}
        numbers = range(1, rows.pop("state")["TotalMessages"] + 1)
        assert list(rows) == [f"msg-{number:04X}" for number in numbers]

    local.run("model", "clear")
    response = target.post(assistant_id, "the last message")
    assert response.status == 200, response.body
    assert "the last message" in response.json()["reply"]
