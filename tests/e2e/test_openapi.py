"""schemathesis against the running app: what its OpenAPI document allows is accepted, and nothing else.

Findings that stay are data with a reason (EXPLAINED); any other fails, and so does an explanation of nothing.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import Target
from tests.workspace import Workspace

pytestmark = pytest.mark.skipif(
    "E2E_ASSISTANTS_URL" in os.environ,
    reason="writes and deletes assistants of drawn names: local Azure only",
)

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
# schemathesis leaves out the operation that serves the document itself.
OPERATIONS = {
    "GET /assistants",
    *(f"{method} /assistants/{{assistantId}}" for method in ("PUT", "POST", "GET", "DELETE")),
    "POST /assistants/{assistantId}/messages",
    "GET /health",
}


ID = "[A-Za-z0-9_-]{1,64}"
PARAMETER = "(timestampUTC|since|limit|includeInstructions|includeLock|includeRemaining|prefix|continuationToken)"
# Reason: codes (`st explain CODE`), status, and what the URI and the body contain.
EXPLAINED = {
    "The host answers 404 to a method that a route does not have": ("ST204", 404, "", "^$"),
    "The host's own 404 for an id that fails the route constraint has no body, unlike the one in OpenAPI": (
        "ST104 ST109",
        404,
        rf"/assistants/(?!{ID}(/messages)?(\?|$))",
        "^$",
    ),
    "No schema can say which continuation tokens exist": (
        "ST202",
        400,
        "continuationToken=",
        "continuationToken is not a valid continuation token",
    ),
    "No pattern excludes dates that are in no calendar, such as 0000-00-00": (
        "ST202",
        400,
        "(timestampUTC|since)=",
        "must be a UTC time",
    ),
    "Only a description can say that timestampUTC excludes the other parameters": (
        "ST202",
        400,
        "timestampUTC=",
        "cannot be combined with timestampUTC",
    ),
    "The host leaves empty values of a query out": ("ST201", 200, rf"[?&]{PARAMETER}=(&|$)", ""),
    "The request line is longer than the host accepts (8 KiB); a longer message needs a body": (
        "ST201 ST202",
        414,
        r"message=.{3000}",
        "^$",
    ),
    "If-None-Match: * is valid, and the assistant exists": ("ST202", 412, "", "forbids replacing it"),
}


class Finding(NamedTuple):
    code: str
    method: str
    uri: str
    status: int
    body: str

    def explanations(self) -> list[str]:
        return [
            reason
            for reason, (codes, status, uri, body) in EXPLAINED.items()
            if self.code in codes.split()
            and self.status == status
            and re.search(uri, self.uri)
            and re.search(body, self.body)
        ]


def findings_of(recorder: dict[str, Any]) -> Iterator[Finding]:
    for case, checks in recorder.get("checks", {}).items():
        failures = [check["failure_info"]["failure"] for check in checks if check["status"] == "failure"]
        interaction: dict[str, Any] = recorder["interactions"][case] if failures else {}
        for failure in failures:
            response: dict[str, Any] = interaction["response"] or {}
            content: dict[str, str] = response.get("content") or {}
            body = base64.b64decode(content.get("$base64", "")).decode(errors="replace")
            method, uri = interaction["request"]["method"], interaction["request"]["uri"]
            yield Finding(failure["code"], method, uri, int(response.get("status_code") or 0), body)


def test_every_finding_of_schemathesis_is_explained(target: Target, local: Workspace, tmp_path: Path) -> None:
    """Its examples, each limit of each schema, and a few drawn requests, the same in every run."""
    document = f"{target.assistants_url.removesuffix('/assistants')}/openapi.json"
    run = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", document, "--tls-verify", str(local.home.ca_file), "--no-color"),
            *("--header", f"x-functions-key: {target.key}", "--warnings", "off"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "8"),
            *("--generation-deterministic", "--no-shrink", "--continue-on-failure"),
            *("--report", "ndjson", "--report-ndjson-path", "report.ndjson"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    report = tmp_path / "report.ndjson"
    assert report.is_file(), run.stdout + run.stderr
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert "EngineFinished" in events[-1], run.stdout[-2000:]
    recorders = [event["ScenarioFinished"]["recorder"] for event in events if "ScenarioFinished" in event]
    assert {recorder["label"] for recorder in recorders} >= OPERATIONS, run.stdout[-2000:]

    findings = [finding for recorder in recorders for finding in findings_of(recorder)]
    assert [finding for finding in findings if not finding.explanations()] == []
    used = {reason for finding in findings for reason in finding.explanations()}
    assert used == EXPLAINED.keys(), "any other would hide the next finding of its kind"
