"""The workflow run that this process belongs to: its URL, and its summary."""

import os
from collections.abc import Mapping
from pathlib import Path


def run_url(environment: Mapping[str, str] = os.environ, run_id: str = "") -> str:
    """The URL of this run, or of the run `run_id`; empty outside a workflow run."""
    repository, number = environment.get("GITHUB_REPOSITORY"), run_id or environment.get("GITHUB_RUN_ID", "")
    if not repository or not number.isdecimal():
        return ""
    return f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}/actions/runs/{number}"


def write(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append to the summary; does nothing outside a workflow run."""
    path = environment.get("GITHUB_STEP_SUMMARY", "")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(f"{markdown}\n")
