"""The arguments that all components share."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.names import Names


@dataclass(frozen=True)
class Place:
    """The resource group, the region, the names and the tags, for every component."""

    group_name: pulumi.Output[str]
    location: str
    names: Names
    tags: Mapping[str, str]
