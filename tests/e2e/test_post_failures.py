"""What a client gets when the model refuses. On a local Azure of its own."""

import json
import os
import time
import uuid
from pathlib import Path

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Workspace

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ, reason="scripts the model of a local Azure of its own"
)


def test_a_model_at_its_limit_is_a_503_with_its_own_retry_after_and_nothing_is_stored(
    target: Target, local: Workspace, tmp_path: Path
) -> None:
    assistant_id = f"e2e-{uuid.uuid4().hex}"
    assert target.send("PUT", f"/{assistant_id}").status == 202
    rows = target.rows(assistant_id)
    file = tmp_path / "script.json"
    limit = {"error": {"status": 429}, "headers": {"Retry-After": "0"}}
    # The extension's client tries three more times, and then the app probes the model. An answer is used
    # for ten seconds: at first that of an earlier test may be.
    end = time.monotonic() + 30
    response = None
    while (response is None or response.headers.get("Retry-After") != "7") and time.monotonic() < end:
        file.write_text(json.dumps([*[limit] * 4, {**limit, "headers": {"Retry-After": "7"}}]))
        local.run("model", "clear")
        local.run("model", "script", str(file))
        response = target.post(assistant_id, "Hi")

    assert response
    assert (response.status, response.headers["Content-Type"]) == (503, "application/problem+json")
    assert response.headers["Retry-After"] == "7"
    assert "at its rate limit" in response.json()["detail"]
    assert response.json()["messageStored"] is False
    assert target.rows(assistant_id) == rows
    local.run("model", "clear")
    assert target.post(assistant_id, "Hi again").status == 200
