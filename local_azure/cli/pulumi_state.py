"""The state that the Pulumi CLI keeps in local Azure's backend."""

import json
from typing import Any

from local_azure.home import Home, state_file


def cli_resources(home: Home, project: str, stack: str) -> dict[str, dict[str, Any]]:
    """The inputs of the stack's resources in the Pulumi CLI's state, by URN."""
    file = state_file(home.backend, project, stack)
    try:
        latest: Any = json.loads(file.read_bytes())["checkpoint"].get("latest") or {}
    except (OSError, ValueError):
        # Cut off by a kill of the CLI: the next `pulumi` command recovers it.
        return {"unreadable": {}} if file.exists() else {}
    resources: list[dict[str, Any]] = latest.get("resources") or []
    return {entry["urn"]: entry.get("inputs") or {} for entry in resources if entry.get("custom")}
