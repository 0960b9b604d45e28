"""Recovers a stack after a killed job, so that the next job can use it."""

from collections.abc import Mapping
from typing import Any

from ops.engine import Pulumi
from ops.github.github import GitHub
from ops.locks.locks import Machine, RunStateOf, release_stranded
from ops.output import note
from ops.state import type_and_name


def run_state_of(environment: Mapping[str, str]) -> RunStateOf:
    """A function that requests the state of a run from GitHub. It connects only if a lock names a run."""
    return lambda run_id, attempt: GitHub.connect(environment).run_state(run_id, attempt)


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
    machine = Machine.current(pulumi.files, pulumi.environment)
    release_stranded(pulumi.files, pulumi.project, stack, machine, run_state_of(pulumi.environment))


def pending_operations(exported: Mapping[str, Any]) -> list[str]:
    """The operations that a killed command did not finish, for example `creating storage-account`."""
    deployment: dict[str, Any] = exported.get("deployment") or {}
    operations: list[dict[str, Any]] = deployment.get("pending_operations") or []
    return [
        f"{operation['type']} {type_and_name(operation['resource']['urn'])[1]}" for operation in operations
    ]
