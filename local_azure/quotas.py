"""The quotas of local Azure's subscription: defaults, and the file of those that were set.

The file maps `name`, or `region/name` for one region, to the limit.
"""

import json
from pathlib import Path
from typing import cast

from local_azure import whole_file
from local_azure.core.errors import ArmError
from local_azure.services.cognitiveservices import models

FLEX_MEMORY = "FlexConsumption.MemoryMB"
"""Memory of the instances of all Flex Consumption apps of a region (Docs: Flex Consumption plan)."""

DEFAULTS = {
    FLEX_MEMORY: 512_000,
    **{
        models.quota_name(model.name, sku): models.default_quota(model.name, sku)
        for model in models.MODELS
        for sku in models.offers(model.name)
    },
}


def read(file: Path) -> dict[str, int]:
    """The limits that were set. Raises ArmError for a damaged file."""
    try:
        content: object = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    limits = cast("dict[str, object]", content) if isinstance(content, dict) else {"": None}
    if not all(isinstance(limit, int) for limit in limits.values()):
        raise ArmError(500, "InternalServerError", f"{file} is not a map of quota to limit: remove the file.")
    return cast("dict[str, int]", limits)


def write(file: Path, name: str, limit: int | None) -> None:
    """Sets a limit, or restores the default. `name` may begin with a region. Raises ArmError as `read`."""
    limits = {**read(file), name: limit}
    kept = {name: limit for name, limit in limits.items() if limit is not None}
    whole_file.write(file, json.dumps(kept, indent=1).encode(), 0o644)
