"""Writes Markdown to the summary of a workflow run."""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"


def write(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append to the summary; does nothing outside a workflow run."""
    path = environment.get(VARIABLE, "")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(f"{markdown}\n")
