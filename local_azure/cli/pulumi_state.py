"""The state that the Pulumi CLI keeps in local Azure's backend."""

import json
from typing import Any

from local_azure.home import Home, state_file


def cli_resources(home: Home, project: str, stack: str) -> bool:
    """Whether the Pulumi CLI's state has resources of this stack."""
    file = state_file(home.backend, project, stack)
    try:
        latest: Any = json.loads(file.read_bytes())["checkpoint"].get("latest") or {}
    except (OSError, ValueError):
        return file.exists()  # cut off by a kill of the CLI: the next `pulumi` command recovers it
    return any(resource.get("custom") for resource in latest.get("resources") or ())
