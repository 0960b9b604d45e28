"""What a client is told when the model refuses, and when two write at once. On a local Azure of its own."""

import json
import os
import threading
import time
import uuid
from pathlib import Path

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Answer, Workspace

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ, reason="scripts the model of a local Azure of its own"
)


@pytest.fixture
def assistant_id(target: Target) -> str:
    made = f"e2e-{uuid.uuid4().hex}"
    assert target.send("PUT", f"/{made}").status == 202
    return made


def script(local: Workspace, folder: Path, *replies: object) -> None:
    file = folder / "script.json"
    file.write_text(json.dumps(replies))
    local.run("model", "clear")
    local.run("model", "script", str(file))


def test_a_model_at_its_limit_is_a_503_with_its_own_retry_after_and_nothing_is_stored(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    before = target.rows(assistant_id)
    limit = {"error": {"status": 429}, "headers": {"Retry-After": "0"}}
    # The extension's client tries three more times, and then the app asks the model itself; what it has
    # answered serves for ten seconds, so that a failure of a test before may still count.
    end = time.monotonic() + 30
    answer = None
    while (answer is None or answer.headers.get("Retry-After") != "7") and time.monotonic() < end:
        script(local, tmp_path, *[limit] * 4, {**limit, "headers": {"Retry-After": "7"}})
        answer = target.post(assistant_id, "Hi")

    assert answer
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "7"
    assert "at its rate limit" in answer.json()["detail"]
    assert answer.json()["messageStored"] is False
    assert target.rows(assistant_id) == before
    local.run("model", "clear")
    assert target.post(assistant_id, "Hi again").status == 200


def test_of_posts_at_once_each_is_stored_or_refused_by_409(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    script(local, tmp_path, {"text": "Slowly.", "delaySeconds": 1})
    answers: dict[str, Answer] = {}

    def one(message: str) -> None:
        answers[message] = target.post(assistant_id, message)

    threads = [threading.Thread(target=one, args=(f"text {number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    stored = {row["Content"] for row in target.rows(assistant_id) if row.get("Role") == "User"}
    assert {message for message, answer in answers.items() if answer.status == 200} == stored
    refused = [answer for answer in answers.values() if answer.status != 200]
    assert stored
    assert {answer.status for answer in refused} <= {409}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all(answer.json()["messageStored"] is False for answer in refused)


def test_of_a_post_and_puts_at_once_each_is_done_whole_or_refused_by_409(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    script(local, tmp_path, *[{"text": "Slowly.", "delaySeconds": 0.3}] * 4)
    for turn in range(4):
        statuses: list[int] = []
        together = threading.Barrier(4)

        def one(
            number: int, turn: int = turn, said: list[int] = statuses, at: threading.Barrier = together
        ) -> None:
            at.wait(30)
            answer = (
                target.send("PUT", f"/{assistant_id}")
                if number
                else target.post(assistant_id, f"text {turn}")
            )
            said.append(answer.status)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert len(statuses) == 4
        assert set(statuses) <= {200, 202, 409}, statuses
        rows = {row["RowKey"]: row for row in target.rows(assistant_id)}
        numbers = range(1, rows.pop("state")["TotalMessages"] + 1)
        assert list(rows) == [f"msg-{number:04X}" for number in numbers]

    local.run("model", "clear")
    answer = target.post(assistant_id, "the last one")
    assert answer.status == 200, answer.body
    assert "the last one" in answer.json()["reply"]


def test_arguments_that_were_cut_off_end_a_conversation_and_the_answer_says_how_to_go_on(
    target: Target, local: Workspace, tmp_path: Path, assistant_id: str
) -> None:
    cut = {"toolCalls": [{"name": "AddTodo", "arguments": '{"taskDescription": "mi'}]}
    script(local, tmp_path, cut, {"text": "Done."})
    target.post(assistant_id, "Add milk")

    answer = target.post(assistant_id, "And?")

    assert answer.status == 409
    assert "are not valid JSON" in answer.json()["detail"]
    assert target.send("PUT", f"/{assistant_id}").status == 202
    assert target.post(assistant_id, "And now?").status == 200
