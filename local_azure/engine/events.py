"""What a run reports while it goes: steps, and messages of the program, the providers and the engine."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from local_azure.engine.state import STACK_TYPE, Resource, is_provider_type, urn_name

Phase = Literal["begin", "done", "failed"]
Severity = Literal["debug", "info", "info#err", "warning", "error"]
"""As the CLI's (P:sdk/go/common/diag/sink.go); `info#err` is what a program writes to standard error."""


@dataclass(frozen=True)
class PropertyDiff:
    """`kind`: add, add-replace, delete, delete-replace, update, update-replace."""

    kind: str
    input_diff: bool = False

    def replacing(self) -> "PropertyDiff":
        return (
            self if self.kind.endswith("-replace") else PropertyDiff(f"{self.kind}-replace", self.input_diff)
        )

    def inverted(self) -> "PropertyDiff":
        kind, _, suffix = self.kind.partition("-")
        other = {"add": "delete", "delete": "add"}.get(kind, kind)
        return PropertyDiff(f"{other}-{suffix}" if suffix else other, self.input_diff)


@dataclass(frozen=True)
class Diff:
    """A provider's answer. `changes` None: the provider cannot say."""

    changes: bool | None
    replaces: Sequence[str] = ()
    changed: Sequence[str] = ()
    detailed: Mapping[str, PropertyDiff] | None = None
    delete_before_replace: bool = False

    @property
    def replace(self) -> bool:
        return bool(self.changes) and bool(self.replaces)


NO_CHANGE = Diff(changes=False)


@dataclass(frozen=True)
class Step:
    """One step on one resource. `op` has the CLI's names: same, create, update, delete, replace,
    create-replacement, delete-replaced, read, read-replacement, refresh, discard-replaced, ...
    """

    op: str
    old: Resource | None
    new: Resource | None
    diff: Diff = field(default=NO_CHANGE)
    logical: bool = True
    """Whether it counts as a change of the run (P:pkg/engine/update.go): what a refresh before an update
    or a destroy finds does not."""

    @property
    def resource(self) -> Resource:
        resource = self.new or self.old
        if resource is None:
            raise ValueError("a step without a resource")
        return resource

    @property
    def urn(self) -> str:
        return self.resource.urn

    @property
    def internal(self) -> bool:
        """Default providers: the engine's own, not the program's."""
        name = urn_name(self.urn)
        return is_provider_type(self.resource.type) and (name == "default" or name.startswith("default_"))

    @property
    def listed(self) -> bool:
        """Whether the CLI shows it (P:pkg/backend/display/display.go): of a replacement one step, of what
        is unchanged only the stack and what becomes, or is no longer, protected.
        """
        if self.op == "same":
            changed = self.old and self.new and self.old.protect != self.new.protect
            return bool(changed) or self.resource.type == STACK_TYPE
        return self.op in COUNTED


# Steps that are a whole change by themselves; a replacement is counted once, by its `replace` step.
COUNTED = frozenset({"same", "create", "update", "delete", "replace", "read", "refresh"})


@dataclass(frozen=True)
class Message:
    severity: Severity
    text: str
    urn: str = ""
    ephemeral: bool = False
    """A state of affairs, not worth keeping: shown beside the resource and forgotten."""


class Listener(Protocol):
    """`counts`: number of steps by operation, of those that make up the run's result."""

    counts: Counter[str]

    def step(self, step: Step, phase: Phase) -> None: ...
    def message(self, message: Message) -> None: ...
