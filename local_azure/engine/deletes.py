"""Which resources are deleted, and in which order: what a program has not registered, or all of them."""

import asyncio
from collections.abc import Collection, Sequence

from local_azure.engine import graph, steps
from local_azure.engine.deployment import Deployment, StepFailedError, StoppedError
from local_azure.engine.events import Step
from local_azure.engine.state import Resource


def _is_operated(deployment: Deployment, urn: str) -> bool:
    return deployment.aliased.get(urn, urn) in deployment.operated


async def delete_unregistered(deployment: Deployment, kept: Collection[int] = ()) -> None:
    """Deletes what this run has not touched, dependents first. `kept`: `id()` of what stays nevertheless."""
    condemned: dict[int, str] = {}
    pending: list[Resource] = []
    for resource in deployment.base:
        if id(resource) in kept:
            continue
        if resource.delete:
            if id(resource) not in deployment.deleted_early:
                condemned[id(resource)] = "delete-replaced"
                deployment.deleted.add(resource.urn)
        elif not _is_operated(deployment, resource.urn):
            if resource.pending_replacement:
                pending.append(resource)
            else:
                condemned[id(resource)] = "delete"
            deployment.deleted.add(resource.urn)
    for resource in pending:
        # Deleted by an earlier run and wanted no more: only the state knows it still.
        step = Step("remove-pending-replace", resource, None)
        deployment.step(step)
        deployment.journal.end(None, remove=resource)
        deployment.step(step, done=True)
    await _delete_all(deployment, condemned)


async def destroy(deployment: Deployment, *, exclude_protected: bool = False) -> int:
    """Deletes everything in the state, dependents first; returns how many resources it was told to keep.

    Where something is protected nothing is deleted, unless what is protected and
    what that needs is excluded.
    """
    protected = [resource for resource in deployment.base if resource.protect and not resource.delete]
    kept: set[int] = set()
    if exclude_protected:
        kept = {id(resource) for resource in protected} | graph.required_by(deployment.base, protected)
    elif protected and not deployment.preview:
        # The CLI without a preview deletes what it can, and then fails: a stack in halves helps nobody.
        deployment.report("error", _refusal(deployment.target.stack, protected))
        return 0
    await delete_unregistered(deployment, kept)
    deployment.journal.flush()
    return len(kept)


async def _delete_all(deployment: Deployment, ops: dict[int, str]) -> None:
    resources = list(deployment.base)
    condemned = [resource for resource in resources if id(resource) in ops]
    blocked: set[int] = set()
    for wave in graph.delete_waves(resources, condemned):
        going = [resource for resource in wave if id(resource) not in blocked]
        results = await asyncio.gather(
            *(steps.delete(deployment, resource, ops[id(resource)]) for resource in going),
            return_exceptions=True,
        )
        failed: list[Resource] = []
        for resource, result in zip(going, results, strict=True):
            if isinstance(result, StepFailedError | StoppedError):
                failed.append(resource)
            elif isinstance(result, BaseException):
                raise result
        if deployment.stopping or any(not resource.protect for resource in failed):
            deployment.failed = True
            return
        # A protected resource stays, and with it all that it needs; the rest is deleted all the same.
        blocked |= graph.required_by(resources, failed)


def _refusal(stack: str, protected: Sequence[Resource]) -> str:
    lines = "".join(f"\n  * {resource.urn}" for resource in protected)
    return (
        f"stack {stack} has {len(protected)} protected resource(s), so nothing was deleted:{lines}\n"
        "To allow it, either remove the `protect` flag from them in your Pulumi program and run "
        f"`pulumi up --stack {stack}`, or use the command:\n`pulumi state unprotect --all --stack {stack}` "
        f"(or with the URNs of some of them).\n`pulumi destroy --exclude-protected --stack {stack}` deletes "
        "what is not protected."
    )
