"""Refresh: what the providers have becomes what the state says."""

import asyncio
from dataclasses import replace
from typing import cast

from local_azure.engine.deployment import Deployment, StepFailedError, StoppedError
from local_azure.engine.differences import inverted
from local_azure.engine.events import NO_CHANGE, Diff, Step
from local_azure.engine.state import Resource, now, referenceable
from local_azure.engine.values import Value, same


async def refresh(deployment: Deployment, *, logical: bool) -> None:
    """Brings the state up to what the providers have; what is gone leaves the state.

    `logical`: what it finds is what the run changes, as nothing follows it.
    """
    resources = list(deployment.base)
    found = await asyncio.gather(*(_guarded(deployment, resource, logical) for resource in resources))
    kept = [item for item in found if item is not None]
    deployment.set_base(referenceable(kept))
    deployment.journal.rebase(deployment.base)


async def _guarded(deployment: Deployment, old: Resource, logical: bool) -> Resource | None:
    try:
        return await _refresh(deployment, old, logical)
    except (StepFailedError, StoppedError):
        return old


async def _refresh(deployment: Deployment, old: Resource, logical: bool) -> Resource | None:
    step = Step("refresh", old, old, logical=logical)
    if not old.custom or old.is_provider or old.pending_replacement:
        deployment.step(step)
        deployment.step(Step("same", old, old, logical=logical), done=True)
        return old

    async def work() -> tuple[Resource | None, Diff]:
        provider = await deployment.ensure(old.provider)
        live = await provider.read(old, old.inputs, old.outputs or {})
        if live.failed:
            deployment.report(
                "warning",
                "Refreshed resource is in an unhealthy state:\n* " + "\n* ".join(live.failed.reasons),
                old.urn,
            )
        if not live.id:
            return None, NO_CHANGE
        inputs = old.inputs if live.inputs is None else live.inputs
        new = replace(
            old,
            id=live.id,
            inputs=inputs,
            outputs=live.outputs,
            init_errors=live.failed.reasons if live.failed else [],
        )
        moved = not same(cast(Value, inputs), cast(Value, old.inputs))
        if moved or not same(cast(Value, live.outputs), cast(Value, old.outputs or {})):
            new.modified = now()
        if old.external:
            return new, Diff(changes=new.modified != old.modified)
        # What an `up` right after would change back, told the other way round.
        diff = await provider.diff(
            new, new.inputs, live.outputs, old.inputs, old.ignore_changes, unknowns=deployment.preview
        )
        return new, inverted(diff or NO_CHANGE)

    new, diff = await deployment.apply(step, work)
    if new is None:
        deployment.step(Step("delete", old, None, logical=logical), done=True)
    else:
        op = "update" if diff.changes else "same"
        deployment.step(Step(op, old, new, diff, logical=logical), done=True)
    return new
