"""What becomes of a registration: Check, Diff, then same, update, replacement (either order) or create."""

from typing import cast

from local_azure.engine import graph, steps
from local_azure.engine.deployment import Deployment, StepFailedError
from local_azure.engine.differences import replacing_on
from local_azure.engine.events import Diff, Step
from local_azure.engine.providers import Failure
from local_azure.engine.state import Resource, split_reference
from local_azure.engine.steps import Registration
from local_azure.engine.values import UNKNOWN, Properties, Value, is_secret, keep_old, same


async def advance(deployment: Deployment, job: Registration) -> None:
    """Makes `job.new` what the program wants. Raises StepFailedError, StoppedError."""
    old, new, goal = job.old, job.new, job.goal
    fresh = old is None or old.external or old.taint or new.urn in deployment.deleted
    if old is not None:
        new.inputs = keep_old(old.inputs, new.inputs, goal.ignore_changes)
    await _check(deployment, job, None if fresh or old is None else old.inputs)
    if old is None:
        deployment.operated.add(new.urn)
        await steps.create(deployment, job, "create")
    elif new.urn in deployment.deleted:
        await _recreate(deployment, job, old)
    elif old.external:
        deployment.operated.add(new.urn)
        await steps.create(deployment, job, "create-replacement", replaced=old, delete_later=True)
        deployment.step(Step("replace", old, new), done=True)
    else:
        diff = await _diff(deployment, job, old)
        if new.urn in deployment.deleted:
            # Meanwhile something that it depends on was deleted before its replacement, and this with it.
            await _recreate(deployment, job, old)
        else:
            await _change(deployment, job, old, diff)


async def _recreate(deployment: Deployment, job: Registration, old: Resource) -> None:
    """The old one was deleted early, as it depends on something deleted before its replacement."""
    deployment.deleted.discard(job.new.urn)
    _mark_replaced(deployment, job.new.urn)
    deployment.step(Step("replace", old, job.new), done=True)
    await steps.create(deployment, job, "create-replacement", replaced=old)


def _mark_replaced(deployment: Deployment, urn: str) -> None:
    deployment.replaced.add(urn)
    deployment.operated.add(urn)


async def _check(deployment: Deployment, job: Registration, olds: Properties | None) -> None:
    new = job.new
    news = new.inputs if olds is not None else job.goal.properties
    failures: list[Failure] = []
    if new.is_provider:
        new.inputs, failures = await deployment.registry.check(new.urn, new.type, olds, news)
    elif job.provider is not None:
        new.inputs, failures = await job.provider.check(
            new.urn, olds, news, job.seed, preview=deployment.preview
        )
    for failure in failures:
        about = f"{new.type} resource '{new.name}'"
        if failure.property:
            value = new.inputs.get(failure.property)
            shown = "[secret]" if is_secret(value) else value
            text = f"{about}: property {failure.property} value {{{shown}}} has a problem: {failure.reason}"
        else:
            text = f"{about} has a problem: {failure.reason}"
        deployment.report("error", text, new.urn)
    if failures:
        raise StepFailedError


async def _diff(deployment: Deployment, job: Registration, old: Resource) -> Diff:
    new = job.new
    if old.taint:
        return Diff(changes=True, replaces=["id"])
    if new.deleted_with and new.deleted_with in deployment.replaced:
        return Diff(changes=True, replaces=["deletedWith"])
    if await _provider_changed(deployment, old, new):
        return Diff(changes=True, replaces=["provider"])
    if new.is_provider:
        return await deployment.registry.diff(new.urn, new.type, old, new.inputs, job.goal.ignore_changes)
    if job.provider is None:
        return Diff(changes=not same(cast(Value, old.inputs), cast(Value, new.inputs)))
    diff = await job.provider.diff(
        old, old.inputs, old.outputs or {}, new.inputs, job.goal.ignore_changes, unknowns=deployment.preview
    )
    if diff is None:
        deployment.report(
            "warning",
            "The provider for this resource has inputs that are not known during preview.\n"
            "This preview may not correctly represent the changes that will be applied during an update.",
            new.urn,
        )
        return Diff(changes=True)
    return diff


async def _provider_changed(deployment: Deployment, old: Resource, new: Resource) -> bool:
    if old.provider == new.provider:
        return False
    if not old.provider or not new.provider:
        return True
    old_urn, old_id = split_reference(old.provider)
    new_urn, _ = split_reference(new.provider)
    if deployment.aliased.get(old_urn) == new_urn:
        return False
    before = next((item for item in deployment.base if item.urn == old_urn and item.id == old_id), None)
    after = deployment.news.get(new_urn)
    if before is None or after is None:
        return old_urn != new_urn
    return (await deployment.registry.diff(new_urn, after.type, before, after.inputs, [])).replace


async def _change(deployment: Deployment, job: Registration, old: Resource, diff: Diff) -> None:
    new = job.new
    diff = replacing_on(diff, job.goal.replace_on_changes, bool(old.init_errors))
    if (diff.changes and diff.replace) or old.pending_replacement:
        await _replace(deployment, job, old, diff)
    elif diff.changes or old.init_errors:
        # Nothing changed but the last operation left it unwell: an update lets the provider go on.
        deployment.operated.add(new.urn)
        await steps.update(deployment, job, old, diff)
    else:
        deployment.operated.add(new.urn)
        await steps.same(deployment, old, new)


async def _replace(deployment: Deployment, job: Registration, old: Resource, diff: Diff) -> None:
    new, goal = job.new, job.goal
    if new.protect and old.protect:
        deployment.report(
            "error",
            f'unable to replace resource "{new.urn}"\nas it is currently marked for protection. '
            "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi "
            "program and run `pulumi up`",
            new.urn,
        )
        if not deployment.preview:
            raise StepFailedError
    _mark_replaced(deployment, new.urn)
    if not old.taint:
        # The new resource takes nothing over from the old one, its generated name least of all.
        await _check(deployment, job, None)
    before = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
    if not before:
        await steps.create(deployment, job, "create-replacement", replaced=old, delete_later=True, diff=diff)
        deployment.step(Step("replace", old, new, diff), done=True)
        return
    for dependent in reversed(await _replaced_with(deployment, old)):
        if id(dependent) in deployment.deleted_early:
            continue
        if dependent.protect and not dependent.delete:
            deployment.report(
                "error",
                f'unable to replace resource "{dependent.urn}" as part of replacing "{new.urn}" as it is '
                "currently marked for protection. To unprotect the resource, remove the `protect` flag "
                "from the resource in your Pulumi program and run `pulumi up`",
                new.urn,
            )
            raise StepFailedError
        deployment.deleted.add(dependent.urn)
        deployment.deleted_early.add(id(dependent))
        await steps.delete(deployment, dependent, "delete-replaced", pending_replacement=not dependent.delete)
    if not old.pending_replacement:
        deployment.deleted.add(old.urn)
        await steps.delete(deployment, old, "delete-replaced", pending_replacement=True)
        deployment.deleted.discard(old.urn)
    deployment.step(Step("replace", old, new, diff), done=True)
    await steps.create(deployment, job, "create-replacement", replaced=old, diff=diff)


async def _replaced_with(deployment: Deployment, root: Resource) -> list[Resource]:
    """What must be replaced because `root` is deleted before its replacement, in dependency order.

    A dependent has to go only when its provider says that it would be replaced
    if the properties that come from `root` were others: it is asked with unknowns.
    """
    gone = {root.urn}
    found: list[Resource] = []
    for candidate in graph.dependents(deployment.base, root, deployment.operated | deployment.deleted):
        if await _must_go(deployment, candidate, gone):
            found.append(candidate)
            gone.add(candidate.urn)
    listed = {id(item) for item in found}
    return found + [
        item for item in deployment.olds.values() if item.deleted_with == root.urn and id(item) not in listed
    ]


async def _must_go(deployment: Deployment, resource: Resource, gone: set[str]) -> bool:
    if not resource.custom or resource.external:
        return False
    if split_reference(resource.provider)[0] in gone or resource.deleted_with in gone:
        return True
    moved = {key for key, urns in resource.property_dependencies.items() if gone & set(urns)}
    if not moved & resource.inputs.keys():
        return False
    inputs: Properties = {key: UNKNOWN if key in moved else value for key, value in resource.inputs.items()}
    if resource.is_provider:
        diff = await deployment.registry.diff(
            resource.urn, resource.type, resource, inputs, resource.ignore_changes
        )
    else:
        provider = await deployment.ensure(resource.provider)
        diff = await provider.diff(
            resource,
            resource.inputs,
            resource.outputs or {},
            inputs,
            resource.ignore_changes,
            unknowns=True,
        )
    return diff is not None and replacing_on(diff, resource.replace_on_changes, unwell=False).replace
