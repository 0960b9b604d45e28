"""What a command tells in a workflow run's summary, as GitHub's Markdown."""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"


def write(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add to the summary; nothing where there is no workflow run."""
    path = environment.get(VARIABLE, "")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(f"{markdown}\n")
