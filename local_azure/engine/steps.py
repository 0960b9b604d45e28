"""The steps on one resource: each does its work at the provider, and has the journal save what came of it."""

import uuid
from dataclasses import dataclass

from local_azure.engine.deployment import Deployment
from local_azure.engine.differences import must_write
from local_azure.engine.events import NO_CHANGE, Diff, Step
from local_azure.engine.goals import Goal
from local_azure.engine.providers import Live, Provider, ProviderError
from local_azure.engine.state import Resource, now
from local_azure.engine.values import UNKNOWN, is_secret, secret


@dataclass
class Registration:
    """One registration while it is worked on."""

    goal: Goal
    old: Resource | None
    new: Resource
    provider: Provider | None
    seed: bytes


async def same(deployment: Deployment, old: Resource, new: Resource) -> None:
    step = Step("same", old, new)
    deployment.step(step)
    new.id, new.outputs = old.id, old.outputs
    new.import_id = old.import_id
    if new.is_provider:
        # Inputs as they were: the provider has called the difference none.
        deployment.registry.add(await deployment.registry.plugin_of(new.type), new.urn, new.id, old.inputs)
    mark_secret_outputs(new)
    deployment.journal.end(None, add=new, remove=old, save=must_write(old, new))
    deployment.step(step, done=True)


async def create(
    deployment: Deployment,
    job: Registration,
    op: str,
    *,
    replaced: Resource | None = None,
    delete_later: bool = False,
    diff: Diff = NO_CHANGE,
) -> None:
    new = job.new
    step = Step(op, replaced, new, diff)

    async def work() -> None:
        operation = deployment.journal.begin("creating", new)
        try:
            live = await _create_live(deployment, job)
        except Exception:
            deployment.journal.end(operation)
            raise
        new.id, new.outputs = live.id, live.outputs
        new.created = new.modified = now()
        new.init_errors = live.failed.reasons if live.failed else []
        mark_secret_outputs(new)
        if replaced is not None and delete_later:
            replaced.delete = True
        taken = replaced is not None and (replaced.pending_replacement and not delete_later)
        deployment.journal.end(operation, add=new, remove=replaced if taken else None)
        if live.failed:
            raise ProviderError("\n".join(live.failed.reasons))

    await deployment.apply(step, work)
    deployment.step(step, done=True)


async def _create_live(deployment: Deployment, job: Registration) -> Live:
    new = job.new
    if not new.custom:
        return Live("", {})
    if new.is_provider:
        resource_id = UNKNOWN if deployment.preview else str(uuid.uuid4())
        deployment.registry.add(
            await deployment.registry.plugin_of(new.type), new.urn, resource_id, new.inputs
        )
        return Live(resource_id, deployment.registry.outputs(new.inputs))
    if job.provider is None:
        raise ProviderError(f"resource {new.urn} has no provider")
    return await job.provider.create(new, preview=deployment.preview)


async def update(deployment: Deployment, job: Registration, old: Resource, diff: Diff) -> None:
    new = job.new
    step = Step("update", old, new, diff)

    async def work() -> None:
        new.id = old.id
        operation = deployment.journal.begin("updating", new)
        try:
            if new.is_provider:
                deployment.registry.add(
                    await deployment.registry.plugin_of(new.type), new.urn, new.id, new.inputs
                )
                live = Live(new.id, deployment.registry.outputs(new.inputs))
            elif job.provider is not None:
                live = await job.provider.update(old, new, preview=deployment.preview)
            else:
                live = Live("", old.outputs or {})
        except Exception:
            deployment.journal.end(operation)
            raise
        new.outputs = live.outputs
        if new.custom:
            new.modified = now()
        if live.failed:
            # The inputs that stand are the old ones: with the new ones it never was well (P#2011).
            new.init_errors = live.failed.reasons
            new.inputs = old.inputs
        mark_secret_outputs(new)
        deployment.journal.end(operation, add=new, remove=old)
        if live.failed:
            raise ProviderError("\n".join(live.failed.reasons))

    await deployment.apply(step, work)
    deployment.step(step, done=True)


async def delete(
    deployment: Deployment, old: Resource, op: str, *, pending_replacement: bool = False
) -> None:
    if old.external:
        op = "discard-replaced" if op == "delete-replaced" else "read-discard"
    step = Step(op, old, None)

    async def work() -> None:
        if op == "delete" and old.protect:
            raise ProviderError(
                f'resource "{old.urn}" cannot be deleted\nbecause it is protected. To unprotect the '
                "resource, either remove the `protect` flag from the resource in your Pulumi program and "
                f"run `pulumi up`, or use the command:\n`pulumi state unprotect '{old.urn}'`"
            )
        operation = deployment.journal.begin("deleting", old)
        try:
            await _delete_live(deployment, old)
        except Exception:
            deployment.journal.end(operation)
            raise
        # Deleted, and its replacement is to come: it stays in the state so that a next run creates it.
        old.pending_replacement = pending_replacement
        deployment.journal.end(operation, remove=None if pending_replacement else old)

    await deployment.apply(step, work)
    deployment.step(step, done=True)


async def _delete_live(deployment: Deployment, old: Resource) -> None:
    gone_with = old.deleted_with and old.deleted_with in deployment.deleted
    if deployment.preview or old.external or old.retain_on_delete or gone_with or not old.custom:
        return
    if old.is_provider:
        deployment.registry.forget(f"{old.urn}::{old.id}")
        return
    await (await deployment.ensure(old.provider)).delete(old)


def mark_secret_outputs(resource: Resource) -> None:
    """Outputs that the program names as secret, and those whose input of the same name is one."""
    if resource.outputs is None:
        return
    marked = {
        key: secret(value)
        if key in resource.additional_secret_outputs or is_secret(resource.inputs.get(key))
        else value
        for key, value in resource.outputs.items()
    }
    resource.outputs = marked
