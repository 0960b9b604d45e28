"""Where a stack's resources go, and what all of them carry."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.names import Names


@dataclass(frozen=True)
class Place:
    """What every component is told: the resource group, the region, the names and the tags."""

    group_name: pulumi.Output[str]
    location: str
    names: Names
    tags: Mapping[str, str]
