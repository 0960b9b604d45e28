"""schemathesis against the running app: what its OpenAPI document allows is taken, what it forbids refused.

Findings that stay are data with a reason (EXPLAINED); any other fails, and so does an explanation of nothing.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Workspace

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ,
    reason="writes and deletes assistants of drawn names: local Azure only",
)

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = "8"
# schemathesis leaves out the operation that serves the document itself.
OPERATIONS = {
    "GET /assistants",
    *(f"{method} /assistants/{{assistantId}}" for method in ("PUT", "POST", "GET", "DELETE")),
    "POST /assistants/{assistantId}/messages",
    "GET /health",
}
DEADLINE = 120.0


@dataclass(frozen=True)
class Finding:
    """One failed check. `code` is schemathesis's; `st explain CODE` tells more."""

    code: str
    method: str
    uri: str
    status: int
    answer: str

    def __str__(self) -> str:
        return f"{self.code} {self.method} {self.uri[:200]} -> {self.status} {self.answer[:200]}"


@dataclass(frozen=True)
class Explained:
    """Findings that are right as they are: of these codes, with this status, address and answer."""

    reason: str
    codes: tuple[str, ...]
    status: int
    uri: str = ""
    answer: str = ""

    def __contains__(self, one: Finding) -> bool:
        return (
            one.code in self.codes
            and one.status == self.status
            and re.search(self.uri, one.uri) is not None
            and re.search(self.answer, one.answer) is not None
        )


ID = "[A-Za-z0-9_-]{1,64}"
EXPLAINED = [
    Explained(
        "The Functions host answers a method that a route has not by 404, never 405 (facts of its routing)",
        ("ST204",),
        404,
        answer="^$",
    ),
    Explained(
        "The route constraint refuses an id before any code runs, and the host's own 404 has no body;"
        " an OpenAPI response has one description for a status, with a body and without",
        ("ST104", "ST109"),
        404,
        uri=rf"/assistants/(?!{ID}(/messages)?(\?|$))",
        answer="^$",
    ),
    Explained(
        "A token is opaque: which ones were given out is nothing that a schema can say",
        ("ST202",),
        400,
        uri="continuationToken=",
        answer="continuationToken is not a valid continuation token",
    ),
    Explained(
        "A pattern cannot tell days that are in no calendar, as 0000-00-00",
        ("ST202",),
        400,
        uri="(timestampUTC|since)=",
        answer="must be a UTC time",
    ),
    Explained(
        "timestampUTC excludes the other parameters: OpenAPI has no word for that but its description",
        ("ST202",),
        400,
        uri="timestampUTC=",
        answer="cannot be combined with timestampUTC",
    ),
    Explained(
        "The host leaves empty values of a query out of what it hands to the code: they are not given",
        ("ST201",),
        200,
        uri=r"[?&](timestampUTC|since|limit|includeInstructions|continuationToken)=(&|$)",
    ),
    Explained(
        "A request line is longer than the host takes (8 KiB), so that no code sees it; a message may be"
        " longer than that, and then goes into a body",
        ("ST105", "ST202"),
        400,
        uri=r"message=.{3000}",
        answer="Got more than 8190 bytes when reading",
    ),
    Explained(
        "If-None-Match: * is taken, and an assistant of that name was there",
        ("ST202",),
        412,
        answer="forbids replacing it",
    ),
]


@pytest.fixture(scope="module")
def findings(target: Target, local: Workspace, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """All of one run: its examples, each limit of each schema, and a few drawn ones; the same every time."""
    folder = tmp_path_factory.mktemp("schemathesis")
    document = f"{target.assistants_url.removesuffix('/assistants')}/openapi.json"
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", document, "--tls-verify", str(local.home.ca_file), "--no-color"),
            *("--header", f"x-functions-key: {target.key}", "--warnings", "off"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES),
            *("--generation-deterministic", "--no-shrink", "--continue-on-failure"),
            *("--report", "ndjson", "--report-ndjson-path", "report.ndjson"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    report = folder / "report.ndjson"
    assert report.is_file(), done.stdout + done.stderr
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert "EngineFinished" in events[-1], done.stdout[-2000:]
    recorders = [event["ScenarioFinished"]["recorder"] for event in events if "ScenarioFinished" in event]
    operations = {recorder["label"] for recorder in recorders}
    assert operations >= OPERATIONS, done.stdout[-2000:]
    return [one for recorder in recorders for one in _findings(recorder)]


def _findings(recorder: dict[str, Any]) -> Iterator[Finding]:
    for case, checks in recorder.get("checks", {}).items():
        failed = [check["failure_info"]["failure"] for check in checks if check["status"] == "failure"]
        if not failed:
            continue
        asked: dict[str, Any] = recorder["interactions"][case]
        answer: dict[str, Any] = asked["response"] or {}
        encoded: dict[str, str] = answer.get("content") or {}
        content = base64.b64decode(encoded.get("$base64", "")).decode(errors="replace")
        method, uri, status = asked["request"]["method"], asked["request"]["uri"], answer.get("status_code")
        for one in failed:
            yield Finding(one["code"], method, uri, int(status or 0), content)


def test_no_finding_is_left_unexplained(findings: list[Finding]) -> None:
    assert [str(one) for one in findings if not any(one in explained for explained in EXPLAINED)] == []


def test_every_explanation_explains_something(findings: list[Finding]) -> None:
    """Else it would hide the next finding of its kind."""
    assert [one.reason for one in EXPLAINED if not any(found in one for found in findings)] == []
