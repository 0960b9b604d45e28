"""The workflows and actions of .github, for the tests of their content."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

GITHUB = Path(__file__).parents[1] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
FILES = {str(path.relative_to(GITHUB)): path for path in (*WORKFLOWS, *ACTIONS)}


def load(path: Path) -> dict[str, Any]:
    """Every value is a text: `on` is not a boolean, and `0123` keeps its spelling."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 # makes nothing but texts


def scripts(content: dict[str, Any]) -> Iterator[str]:
    """The shell scripts of a workflow or an action."""
    steps_of_jobs = [job.get("steps", []) for job in content.get("jobs", {}).values()]
    for steps in (*steps_of_jobs, content.get("runs", {}).get("steps", [])):
        yield from (step["run"] for step in steps if "run" in step)
