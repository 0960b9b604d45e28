"""A stack that a killed job left behind, made usable for the next one."""

import os
from collections.abc import Mapping
from typing import Any

from ops.engine import Pulumi
from ops.github.github import GitHub
from ops.locks.locks import Machine, RunStateOf, release_stranded
from ops.output import note


def run_state_of(environment: Mapping[str, str] = os.environ) -> RunStateOf:
    """Asks GitHub, which is only connected to when a lock names one of its runs."""

    def state(run_id: int, attempt: int) -> str | None:
        return GitHub.connect(environment).run_state(run_id, attempt)

    return state


def make(pulumi: Pulumi, stack: str, run_state: RunStateOf) -> None:
    """Make the stack unless it exists; a job that was killed while it did may have left its lock only.

    Raises LockedError where somebody may hold it.
    """
    release(pulumi, stack, run_state)
    pulumi.make_stack(stack)


def recover(pulumi: Pulumi, stack: str, run_state: RunStateOf) -> None:
    """Remove stranded locks, and forget what was being made when a job was killed.

    Raises LockedError where somebody may hold the stack. What was being made is not lost: it stands in
    the stack's resource group, and a destroy takes that along.
    """
    release(pulumi, stack, run_state)
    pending = pending_operations(pulumi.export(stack))
    if pending:
        note(f"Stack {stack} was left in the middle of: {', '.join(pending)}.")
        pulumi.refresh(stack, "--clear-pending-creates")


def release(pulumi: Pulumi, stack: str, run_state: RunStateOf) -> None:
    """Remove the stack's stranded locks. Raises LockedError where somebody may hold it."""
    machine = Machine.current(pulumi.files, pulumi.environment)
    release_stranded(pulumi.files, pulumi.project, stack, machine, run_state)


def pending_operations(exported: Mapping[str, Any]) -> list[str]:
    """What a killed command had begun and not ended, as `creating storage-account`."""
    deployment: dict[str, Any] = exported.get("deployment") or {}
    operations: list[dict[str, Any]] = deployment.get("pending_operations") or []
    return [
        f"{operation['type']} {operation['resource']['urn'].rpartition('::')[2]}" for operation in operations
    ]
