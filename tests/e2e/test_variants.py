"""The instructions of the documentation page's six languages, from the request to the row."""

import json
import uuid

import pytest

from tests.e2e.conftest import Target
from tests.variants import TWO_LINES, VARIANTS


def content(target: Target, assistant_id: str) -> list[str]:
    return [row["Content"] for row in target.rows(assistant_id) if row["RowKey"] == "msg-0001"]


@pytest.mark.parametrize("language", VARIANTS)
def test_instructions_of_a_body_are_in_the_row_as_the_language_writes_them(
    target: Target, language: str
) -> None:
    assistant_id, sent = f"e2e-{uuid.uuid4().hex}", VARIANTS[language].instructions

    answer = target.send("PUT", f"/{assistant_id}", json.dumps({"instructions": sent}).encode())

    assert (answer.status, answer.json()) == (202, {"assistantId": assistant_id})
    assert content(target, assistant_id) == [sent]


def test_without_a_body_the_row_has_what_c_sharp_and_java_write(target: Target) -> None:
    assistant_id = f"e2e-{uuid.uuid4().hex}"

    assert target.send("PUT", f"/{assistant_id}").status == 202

    stored = content(target, assistant_id)
    assert stored == [TWO_LINES] == [VARIANTS[language].instructions for language in ("C#",)]
    assert stored == [VARIANTS["Java"].instructions]
