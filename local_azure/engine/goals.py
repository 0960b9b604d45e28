"""What a program wants of its resources, and what it is told of them."""

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from local_azure.engine.aliases import Alias
from local_azure.engine.state import Resource, split_reference
from local_azure.engine.values import Properties

Result = Literal["SUCCESS", "FAIL"]
"""What the program is told. The CLI's third, SKIP, is unknown to the SDK that the program runs on (3.272),
which takes whatever is not SUCCESS for a failure."""


@dataclass
class Goal:
    """What a program wants of one resource."""

    type: str
    name: str
    custom: bool
    properties: Properties
    parent: str = ""
    protect: bool | None = None
    dependencies: list[str] = field(default_factory=lambda: cast("list[str]", []))
    property_dependencies: dict[str, list[str]] = field(
        default_factory=lambda: cast("dict[str, list[str]]", {})
    )
    provider: str = ""
    version: str = ""
    download_url: str = ""
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=lambda: cast("list[str]", []))
    replace_on_changes: list[str] = field(default_factory=lambda: cast("list[str]", []))
    additional_secret_outputs: list[str] = field(default_factory=lambda: cast("list[str]", []))
    aliases: list[Alias] = field(default_factory=lambda: cast("list[Alias]", []))
    custom_timeouts: dict[str, float] = field(default_factory=lambda: cast("dict[str, float]", {}))
    import_id: str = ""
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    source_position: str = ""
    stack_trace: list[dict[str, Any]] = field(default_factory=lambda: cast("list[dict[str, Any]]", []))


@dataclass(frozen=True)
class Outcome:
    resource: Resource
    result: Result = "SUCCESS"


def inherit(goal: Goal, parent: Goal) -> None:
    """What a child takes over from its parent where it says nothing itself."""
    goal.deleted_with = goal.deleted_with or parent.deleted_with
    goal.protect = parent.protect if goal.protect is None else goal.protect
    goal.retain_on_delete = (
        parent.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete
    )
    if not goal.provider and parent.provider:
        package = split_reference(parent.provider)[0].split("::")[2].removeprefix("pulumi:providers:")
        if not goal.custom or package == goal.type.partition(":")[0]:
            goal.provider = parent.provider
