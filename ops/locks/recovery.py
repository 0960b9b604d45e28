"""Recovers a stack after a killed job, so that the next job can use it."""

from collections.abc import Mapping
from typing import Any

from ops.engine import Pulumi
from ops.github.github import GitHub
from ops.locks.locks import Machine, StackLocks
from ops.output import note
from ops.state import type_and_name


def locks_of(pulumi: Pulumi, stack: str) -> StackLocks:
    """The locks of a stack. GitHub is asked for the state of a run only if a lock names one."""
    machine = Machine.current(pulumi.files, pulumi.environment)

    def run_state(run_id: int, attempt: int) -> str | None:
        return GitHub.connect(pulumi.environment).run_state(run_id, attempt)

    return StackLocks(pulumi.files, pulumi.project, stack, machine, run_state)


def make(pulumi: Pulumi, stack: str) -> None:
    """Create the stack unless it exists. First remove the lock of a job that was killed while it did so.

    Raises LockedError if the lock may still be held.
    """
    release(pulumi, stack)
    pulumi.make_stack(stack)


def recover(pulumi: Pulumi, stack: str) -> None:
    """Remove stranded locks, and clear the pending creates that a killed job left in the state.

    Raises LockedError if the lock may still be held. The resources that were being created remain in the
    resource group of the stack, and a destroy deletes them with it.
    """
    release(pulumi, stack)
    pending = pending_operations(pulumi.export(stack))
    if pending:
        note(f"Stack {stack} has pending operations: {', '.join(pending)}.")
        pulumi.refresh(stack, "--clear-pending-creates")


def release(pulumi: Pulumi, stack: str) -> None:
    """Remove the stranded locks of the stack. Raises LockedError if a lock may still be held."""
    locks_of(pulumi, stack).release_stranded()


def pending_operations(exported: Mapping[str, Any]) -> list[str]:
    """The operations that a killed command did not finish, for example `creating storage-account`."""
    deployment: dict[str, Any] = exported.get("deployment") or {}
    operations: list[dict[str, Any]] = deployment.get("pending_operations") or []
    return [
        f"{operation['type']} {type_and_name(operation['resource']['urn'])[1]}" for operation in operations
    ]
