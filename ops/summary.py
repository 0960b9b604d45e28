"""What a command tells in a workflow run's summary, as GitHub's Markdown."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"
_LONGEST = 300


def write(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add to the summary; nothing where there is no workflow run."""
    path = environment.get(VARIABLE, "")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(f"{markdown}\n")


def code(text: str) -> str:
    """Text from outside as a code span on one line: no Markdown, HTML, mention or link in it counts.

    Also inside a table, where a bar would end the cell even in a code span.
    """
    line = " ".join(text.split()) or " "
    line = "".join(character if character.isprintable() else "�" for character in line)
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}…"
    line = line.replace("|", r"\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"
