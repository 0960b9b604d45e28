"""What to do with each resource, and doing it: the semantics of Pulumi's engine on one event loop.

A registration goes Check -> Diff -> one of same, update, replacement (either
order), create; what is not registered is deleted at the end. State decisions are
made between awaits, so nothing needs a lock; provider calls run side by side.
"""

import asyncio
import os
import traceback
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

from local_azure.engine import graph
from local_azure.engine.aliases import Alias, Identity, alias_urns
from local_azure.engine.events import NO_CHANGE, Diff, Listener, Message, Severity, Step
from local_azure.engine.journal import Journal
from local_azure.engine.providers import Failure, Live, Provider, ProviderError, Registry
from local_azure.engine.rpc import CallError
from local_azure.engine.state import (
    STACK_TYPE,
    Resource,
    is_provider_type,
    make_urn,
    now,
    provider_type,
    referenceable,
    split_reference,
)
from local_azure.engine.values import (
    UNKNOWN,
    Properties,
    UnsupportedValueError,
    Value,
    has_unknown,
    is_secret,
    keep_old,
    parse_path,
    path_contains,
    same,
    secret,
)

Result = Literal["SUCCESS", "FAIL"]
"""What the program is told. The CLI's third, SKIP, is unknown to the SDK that the program runs on (3.272),
which takes whatever is not SUCCESS for a failure."""
T = TypeVar("T")
_INIT_ERROR_KEY = "#initerror"


class StepFailedError(Exception):
    """The step failed and its message has been reported."""


class StoppedError(Exception):
    """No new steps are started any more."""


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


@dataclass(frozen=True)
class Target:
    project: str
    stack: str
    package_config: Callable[[str], Properties]


@dataclass
class _Registration:
    """One registration while it is worked on."""

    goal: Goal
    old: Resource | None
    new: Resource
    provider: Provider | None
    seed: bytes


class Deployment:
    def __init__(
        self,
        target: Target,
        journal: Journal,
        registry: Registry,
        listener: Listener,
        *,
        preview: bool,
        parallel: int | None = None,
    ) -> None:
        self.target = target
        self.preview = preview
        self.failed = False
        self.stopping = False
        self.root_urn = ""
        self._journal = journal
        self._registry = registry
        self._listener = listener
        self._slots = asyncio.Semaphore(parallel or 4 * (os.cpu_count() or 1))
        self._defaults: dict[tuple[str, str, str], asyncio.Task[str]] = {}
        self._tasks: set[asyncio.Task[Outcome]] = set()
        self._goals: dict[str, Goal] = {}
        self._news: dict[str, Resource] = {}
        self._stack_outputs: Properties | None = None
        self._aliased: dict[str, str] = {}  # old URN -> URN of this run
        self._aliases: dict[str, str] = {}  # URN of this run -> old URN
        self._seen: set[str] = set()
        self._operated: set[str] = set()
        self._replaced: set[str] = set()
        self._deleted: set[str] = set()
        self._deleted_early: set[int] = set()
        self._out: set[str] = set()  # failed, or skipped because of a failure
        self._set_base(journal.base)

    def _set_base(self, resources: Sequence[Resource]) -> None:
        self._base = list(resources)
        self._olds = {item.urn: item for item in self._base if not item.delete}

    # --- reporting ----------------------------------------------------------

    def report(self, severity: Severity, text: str, urn: str = "") -> None:
        if severity == "error":
            self.failed = True
        self._listener.message(Message(severity, text, urn))

    def stop(self) -> None:
        """No new steps; what runs may end."""
        self.stopping = True

    # --- programs -----------------------------------------------------------

    async def register(self, goal: Goal) -> Outcome:
        """The resource as it stands afterwards. A failure is reported and is the outcome's result."""
        self._inherit(goal)
        urn = make_urn(self.target.stack, self.target.project, goal.parent, goal.type, goal.name)
        return await self._guarded(urn, goal.type, goal.custom, self._register(urn, goal))

    async def _guarded(
        self, urn: str, kind: str, custom: bool, work: Coroutine[Any, Any, Outcome]
    ) -> Outcome:
        # The call that asked may be gone before this has ended (a program that failed): it ends all the same.
        task = asyncio.create_task(self._outcome(urn, kind, custom, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _outcome(
        self, urn: str, kind: str, custom: bool, work: Coroutine[Any, Any, Outcome]
    ) -> Outcome:
        try:
            return await work
        except (StepFailedError, StoppedError):
            pass
        except (CallError, ProviderError, UnsupportedValueError) as error:
            self.report("error", str(error), urn)
        except Exception:  # noqa: BLE001 - a defect here must not leave the program waiting for ever
            self.report("error", f"the embedded engine failed: {traceback.format_exc()}", urn)
        self.failed = True
        self._out.add(urn)
        return Outcome(Resource(urn, kind, custom), "FAIL")

    def _inherit(self, goal: Goal) -> None:
        parent = self._goals.get(goal.parent)
        if parent is None:
            return
        goal.deleted_with = goal.deleted_with or parent.deleted_with
        goal.protect = parent.protect if goal.protect is None else goal.protect
        goal.retain_on_delete = (
            parent.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete
        )
        if not goal.provider and parent.provider:
            package = split_reference(parent.provider)[0].split("::")[2].removeprefix("pulumi:providers:")
            if not goal.custom or package == goal.type.partition(":")[0]:
                goal.provider = parent.provider

    def _claim(self, urn: str, goal: Goal) -> None:
        if self.stopping:
            raise StoppedError
        if goal.parent and goal.parent not in self._seen:
            raise ProviderError(f"could not find parent resource {goal.parent}")
        if urn in self._seen:
            raise ProviderError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        self._seen.add(urn)

    def _find_old(self, urn: str, goal: Goal) -> Resource | None:
        identity = Identity(self.target.stack, self.target.project, goal.parent, goal.type, goal.name)
        for candidate in (urn, *alias_urns(identity, goal.aliases, self._aliases)):
            old = self._olds.get(candidate)
            if old is None:
                continue
            if candidate != urn:
                if candidate in self._seen or candidate in self._aliased:
                    raise ProviderError(
                        f"Duplicate resource alias '{candidate}' applied to resource with URN '{urn}' "
                        "conflicting with another resource"
                    )
                self._aliased[candidate] = urn
                self._aliases[urn] = candidate
            return old
        return None

    async def _provider_reference(self, goal: Goal) -> str:
        if not goal.custom or is_provider_type(goal.type):
            return ""
        if goal.provider:
            return goal.provider
        return await self.default_provider(goal.type.partition(":")[0], goal.version, goal.download_url)

    async def default_provider(self, package: str, version: str, download_url: str = "") -> str:
        """Reference of the package's default provider, registered on first use. Raises StepFailedError."""
        key = (package, version, download_url)
        if key not in self._defaults:
            self._defaults[key] = asyncio.create_task(self._register_default(package, version))
        return await asyncio.shield(self._defaults[key])

    async def _register_default(self, package: str, version: str) -> str:
        inputs = self.target.package_config(package)
        name = "default"
        if version:
            inputs["version"] = version
            inputs["__internal"] = {}
            name += "_" + version.replace("-", "_").replace("+", "_").replace(".", "_")
        outcome = await self.register(Goal(provider_type(package), name, custom=True, properties=inputs))
        if outcome.result != "SUCCESS":
            raise StepFailedError
        return f"{outcome.resource.urn}::{outcome.resource.id}"

    def provider(self, reference: str) -> Provider:
        found = self._registry.get(reference)
        if found is None:
            raise ProviderError(f"unknown provider {reference!r}")
        return found

    async def _register(self, urn: str, goal: Goal) -> Outcome:
        self._claim(urn, goal)
        if goal.import_id:
            raise ProviderError("the embedded engine does not import resources: install the Pulumi CLI")
        reference = await self._provider_reference(goal)
        old = self._find_old(urn, goal)
        self._goals[urn] = goal
        if goal.type == STACK_TYPE:
            self.root_urn = urn
        new = Resource(
            urn,
            goal.type,
            goal.custom,
            inputs=goal.properties,
            parent=goal.parent,
            protect=bool(goal.protect),
            dependencies=goal.dependencies,
            provider=reference,
            property_dependencies=goal.property_dependencies,
            additional_secret_outputs=goal.additional_secret_outputs,
            aliases=[self._aliases[urn]] if urn in self._aliases else [],
            custom_timeouts=goal.custom_timeouts,
            retain_on_delete=bool(goal.retain_on_delete),
            deleted_with=goal.deleted_with,
            created=old.created if old else "",
            modified=old.modified if old else "",
            source_position=goal.source_position,
            stack_trace=goal.stack_trace,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            refresh_before_update=bool(old and old.refresh_before_update),
        )
        if new.needs() & self._out:
            self._out.add(urn)
            self._operated.add(urn)
            return Outcome(new, "FAIL")
        if not self.preview and has_unknown(cast(Value, goal.properties)):
            raise ProviderError(f"resource {goal.name} has inputs that are unknown outside a preview")
        provider = self.provider(reference) if reference else None
        job = _Registration(goal, old, new, provider, os.urandom(32))
        await self._advance(job)
        self._news[urn] = new
        return Outcome(new)

    async def _advance(self, job: _Registration) -> None:
        old, new, goal = job.old, job.new, job.goal
        fresh = old is None or old.external or old.taint or new.urn in self._deleted
        if old is not None:
            new.inputs = keep_old(old.inputs, new.inputs, goal.ignore_changes)
        await self._check(job, None if fresh or old is None else old.inputs)
        if old is None:
            self._operated.add(new.urn)
            await self._create(job, "create")
        elif new.urn in self._deleted:
            await self._recreate(job, old)
        elif old.external:
            self._operated.add(new.urn)
            await self._create(job, "create-replacement", replaced=old, delete_later=True)
            self._step(Step("replace", old, new), done=True)
        else:
            diff = await self._diff(job, old)
            if new.urn in self._deleted:
                # Meanwhile something that it depends on was deleted before its replacement, and this with it.
                await self._recreate(job, old)
            else:
                await self._change(job, old, diff)

    async def _recreate(self, job: _Registration, old: Resource) -> None:
        """The old one was deleted early, as it depends on something deleted before its replacement."""
        self._deleted.discard(job.new.urn)
        self._mark_replaced(job.new.urn)
        self._step(Step("replace", old, job.new), done=True)
        await self._create(job, "create-replacement", replaced=old)

    def _mark_replaced(self, urn: str) -> None:
        self._replaced.add(urn)
        self._operated.add(urn)

    # --- check and diff -----------------------------------------------------

    async def _check(self, job: _Registration, olds: Properties | None) -> None:
        new = job.new
        news = new.inputs if olds is not None else job.goal.properties
        failures: list[Failure] = []
        if new.is_provider:
            new.inputs, failures = await self._registry.check(new.urn, new.type, olds, news)
        elif job.provider is not None:
            new.inputs, failures = await job.provider.check(
                new.urn, olds, news, job.seed, preview=self.preview
            )
        for failure in failures:
            about = f"{new.type} resource '{new.name}'"
            if failure.property:
                value = new.inputs.get(failure.property)
                shown = "[secret]" if is_secret(value) else value
                text = (
                    f"{about}: property {failure.property} value {{{shown}}} has a problem: {failure.reason}"
                )
            else:
                text = f"{about} has a problem: {failure.reason}"
            self.report("error", text, new.urn)
        if failures:
            raise StepFailedError

    async def _diff(self, job: _Registration, old: Resource) -> Diff:
        new = job.new
        if old.taint:
            return Diff(changes=True, replaces=["id"])
        if new.deleted_with and new.deleted_with in self._replaced:
            return Diff(changes=True, replaces=["deletedWith"])
        if await self._provider_changed(old, new):
            return Diff(changes=True, replaces=["provider"])
        if new.is_provider:
            return await self._registry.diff(new.urn, new.type, old, new.inputs, job.goal.ignore_changes)
        if job.provider is None:
            return Diff(changes=not same(cast(Value, old.inputs), cast(Value, new.inputs)))
        diff = await job.provider.diff(
            old, old.inputs, old.outputs or {}, new.inputs, job.goal.ignore_changes, unknowns=self.preview
        )
        if diff is None:
            self.report(
                "warning",
                "The provider for this resource has inputs that are not known during preview.\n"
                "This preview may not correctly represent the changes that will be applied during an update.",
                new.urn,
            )
            return Diff(changes=True)
        return diff

    async def _provider_changed(self, old: Resource, new: Resource) -> bool:
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        old_urn, old_id = split_reference(old.provider)
        new_urn, _ = split_reference(new.provider)
        if self._aliased.get(old_urn) == new_urn:
            return False
        before = next((item for item in self._base if item.urn == old_urn and item.id == old_id), None)
        after = self._news.get(new_urn)
        if before is None or after is None:
            return old_urn != new_urn
        return (await self._registry.diff(new_urn, after.type, before, after.inputs, [])).replace

    # --- what follows from a difference -------------------------------------

    async def _change(self, job: _Registration, old: Resource, diff: Diff) -> None:
        new = job.new
        diff = replacing_on(diff, job.goal.replace_on_changes, bool(old.init_errors))
        if (diff.changes and diff.replace) or old.pending_replacement:
            await self._replace(job, old, diff)
        elif diff.changes or old.init_errors:
            # Nothing changed but the last operation left it unwell: an update lets the provider go on.
            self._operated.add(new.urn)
            await self._update(job, old, diff)
        else:
            self._operated.add(new.urn)
            await self._same(old, new)

    async def _replace(self, job: _Registration, old: Resource, diff: Diff) -> None:
        new, goal = job.new, job.goal
        if new.protect and old.protect:
            self.report(
                "error",
                f'unable to replace resource "{new.urn}"\nas it is currently marked for protection. '
                "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi "
                "program and run `pulumi up`",
                new.urn,
            )
            if not self.preview:
                raise StepFailedError
        self._mark_replaced(new.urn)
        if not old.taint:
            # The new resource takes nothing over from the old one, its generated name least of all.
            await self._check(job, None)
        before = (
            diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        )
        if not before:
            await self._create(job, "create-replacement", replaced=old, delete_later=True, diff=diff)
            self._step(Step("replace", old, new, diff), done=True)
            return
        for dependent in reversed(await self._replaced_with(old)):
            if id(dependent) in self._deleted_early:
                continue
            if dependent.protect and not dependent.delete:
                self.report(
                    "error",
                    f'unable to replace resource "{dependent.urn}" as part of replacing "{new.urn}" as it is '
                    "currently marked for protection. To unprotect the resource, remove the `protect` flag "
                    "from the resource in your Pulumi program and run `pulumi up`",
                    new.urn,
                )
                raise StepFailedError
            self._deleted.add(dependent.urn)
            self._deleted_early.add(id(dependent))
            await self._delete(dependent, "delete-replaced", pending_replacement=not dependent.delete)
        if not old.pending_replacement:
            self._deleted.add(old.urn)
            await self._delete(old, "delete-replaced", pending_replacement=True)
            self._deleted.discard(old.urn)
        self._step(Step("replace", old, new, diff), done=True)
        await self._create(job, "create-replacement", replaced=old, diff=diff)

    async def _replaced_with(self, root: Resource) -> list[Resource]:
        """What must be replaced because `root` is deleted before its replacement, in dependency order.

        A dependent has to go only when its provider says that it would be replaced
        if the properties that come from `root` were others: it is asked with unknowns.
        """
        gone = {root.urn}
        found: list[Resource] = []
        for candidate in graph.dependents(self._base, root, self._operated | self._deleted):
            if await self._must_go(candidate, gone):
                found.append(candidate)
                gone.add(candidate.urn)
        listed = {id(item) for item in found}
        return found + [
            item for item in self._olds.values() if item.deleted_with == root.urn and id(item) not in listed
        ]

    async def _must_go(self, resource: Resource, gone: set[str]) -> bool:
        if not resource.custom or resource.external:
            return False
        if split_reference(resource.provider)[0] in gone or resource.deleted_with in gone:
            return True
        moved = {key for key, urns in resource.property_dependencies.items() if gone & set(urns)}
        if not moved & resource.inputs.keys():
            return False
        inputs: Properties = {
            key: UNKNOWN if key in moved else value for key, value in resource.inputs.items()
        }
        if resource.is_provider:
            diff = await self._registry.diff(
                resource.urn, resource.type, resource, inputs, resource.ignore_changes
            )
        else:
            provider = await self._ensure(resource.provider)
            diff = await provider.diff(
                resource,
                resource.inputs,
                resource.outputs or {},
                inputs,
                resource.ignore_changes,
                unknowns=True,
            )
        return diff is not None and replacing_on(diff, resource.replace_on_changes, unwell=False).replace

    async def _ensure(self, reference: str) -> Provider:
        """The provider of a resource in the state, also where this run's program does not use it."""
        if found := self._registry.get(reference):
            return found
        urn, resource_id = split_reference(reference)
        resource = next((item for item in self._base if item.urn == urn and item.id == resource_id), None)
        if resource is None:
            raise ProviderError(f"could not find provider {reference!r} in the state")
        return await self._registry.load(resource)

    # --- steps --------------------------------------------------------------

    def _step(self, step: Step, *, done: bool = False) -> None:
        self._listener.step(step, "done" if done else "begin")

    async def _apply(self, step: Step, work: Callable[[], Awaitable[T]]) -> T:
        """One step's work with its events. Raises StepFailedError (reported), StoppedError (not begun)."""
        async with self._slots:
            if self.stopping:
                raise StoppedError
            self._step(step)
            try:
                return await work()
            except (CallError, ProviderError) as error:
                doubt = isinstance(error, CallError) and error.uncertain and error.code == "UNAVAILABLE"
                lost = (
                    " (the provider went away: what became of this operation is not known)" if doubt else ""
                )
                text = f"Preview failed: {error}" if self.preview else f"{error}{lost}"
                self.report("error", text, step.urn)
                self._listener.step(step, "failed")
                raise StepFailedError from None

    def _finish(self, step: Step) -> None:
        self._step(step, done=True)

    async def _same(self, old: Resource, new: Resource) -> None:
        step = Step("same", old, new)
        self._step(step)
        new.id, new.outputs = old.id, old.outputs
        new.import_id = old.import_id
        if new.is_provider:
            # Inputs as they were: the provider has called the difference none.
            self._registry.add(await self._registry.plugin_of(new.type), new.urn, new.id, old.inputs)
        _mark_secret_outputs(new)
        self._journal.end(None, add=new, remove=old, save=must_write(old, new))
        self._finish(step)

    async def _create(
        self,
        job: _Registration,
        op: str,
        *,
        replaced: Resource | None = None,
        delete_later: bool = False,
        diff: Diff = NO_CHANGE,
    ) -> None:
        new = job.new
        step = Step(op, replaced, new, diff)

        async def work() -> None:
            operation = self._journal.begin("creating", new)
            try:
                live = await self._create_live(job)
            except Exception:
                self._journal.end(operation)
                raise
            new.id, new.outputs = live.id, live.outputs
            new.created = new.modified = now()
            new.init_errors = live.failed.reasons if live.failed else []
            _mark_secret_outputs(new)
            if replaced is not None and delete_later:
                replaced.delete = True
            taken = replaced is not None and (replaced.pending_replacement and not delete_later)
            self._journal.end(operation, add=new, remove=replaced if taken else None)
            if live.failed:
                raise ProviderError("\n".join(live.failed.reasons))

        await self._apply(step, work)
        self._finish(step)

    async def _create_live(self, job: _Registration) -> Live:
        new = job.new
        if not new.custom:
            return Live("", {})
        if new.is_provider:
            resource_id = UNKNOWN if self.preview else str(uuid.uuid4())
            self._registry.add(await self._registry.plugin_of(new.type), new.urn, resource_id, new.inputs)
            return Live(resource_id, self._registry.outputs(new.inputs))
        if job.provider is None:
            raise ProviderError(f"resource {new.urn} has no provider")
        return await job.provider.create(new, preview=self.preview)

    async def _update(self, job: _Registration, old: Resource, diff: Diff) -> None:
        new = job.new
        step = Step("update", old, new, diff)

        async def work() -> None:
            new.id = old.id
            operation = self._journal.begin("updating", new)
            try:
                if new.is_provider:
                    self._registry.add(await self._registry.plugin_of(new.type), new.urn, new.id, new.inputs)
                    live = Live(new.id, self._registry.outputs(new.inputs))
                elif job.provider is not None:
                    live = await job.provider.update(old, new, preview=self.preview)
                else:
                    live = Live("", old.outputs or {})
            except Exception:
                self._journal.end(operation)
                raise
            new.outputs = live.outputs
            if new.custom:
                new.modified = now()
            if live.failed:
                # The inputs that stand are the old ones: with the new ones it never was well (P#2011).
                new.init_errors = live.failed.reasons
                new.inputs = old.inputs
            _mark_secret_outputs(new)
            self._journal.end(operation, add=new, remove=old)
            if live.failed:
                raise ProviderError("\n".join(live.failed.reasons))

        await self._apply(step, work)
        self._finish(step)

    async def _delete(self, old: Resource, op: str, *, pending_replacement: bool = False) -> None:
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
            operation = self._journal.begin("deleting", old)
            try:
                await self._delete_live(old)
            except Exception:
                self._journal.end(operation)
                raise
            # Deleted, and its replacement is to come: it stays in the state so that a next run creates it.
            old.pending_replacement = pending_replacement
            self._journal.end(operation, remove=None if pending_replacement else old)

        await self._apply(step, work)
        self._finish(step)

    async def _delete_live(self, old: Resource) -> None:
        gone_with = old.deleted_with and old.deleted_with in self._deleted
        if self.preview or old.external or old.retain_on_delete or gone_with or not old.custom:
            return
        if old.is_provider:
            self._registry.forget(f"{old.urn}::{old.id}")
            return
        await (await self._ensure(old.provider)).delete(old)

    # --- outputs of components and of the stack -----------------------------

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """A component's outputs; the stack's are kept until it is known whether all went well."""
        if urn == self.root_urn:
            self._stack_outputs = outputs
            return
        self._set_outputs(urn, outputs)

    def _set_outputs(self, urn: str, outputs: Properties) -> None:
        new = self._news.get(urn)
        if new is None:
            if urn not in self._out:
                self.report("error", f"outputs were registered for the unknown resource {urn}")
            return
        new.outputs = outputs
        old = self._olds.get(self._aliases.get(urn, urn))
        if old is None or not same(cast(Value, old.outputs or {}), cast(Value, outputs)):
            self._journal.save()
        else:
            self._journal.touch()

    def _finalize_stack(self) -> None:
        if self._stack_outputs is None:
            return
        outputs = self._stack_outputs
        if self.failed or self.stopping:
            # An output that is missing or unknown after a failure is no output that was taken away.
            old = self._olds.get(self.root_urn)
            known = {key: value for key, value in outputs.items() if not has_unknown(value)}
            outputs = ((old.outputs or {}) if old else {}) | known
        self._set_outputs(self.root_urn, outputs)

    # --- reads --------------------------------------------------------------

    async def read(self, goal: Goal, resource_id: str) -> Outcome:
        """A resource that is looked up and not managed (`.get()` of the SDK)."""
        urn = make_urn(self.target.stack, self.target.project, goal.parent, goal.type, goal.name)
        return await self._guarded(urn, goal.type, True, self._read(urn, goal, resource_id))

    async def _read(self, urn: str, goal: Goal, resource_id: str) -> Outcome:
        self._claim(urn, goal)
        reference = await self._provider_reference(goal)
        old = self._find_old(urn, goal)
        new = Resource(
            urn,
            goal.type,
            custom=True,
            id=resource_id,
            inputs=goal.properties,
            parent=goal.parent,
            external=True,
            dependencies=goal.dependencies,
            provider=reference,
            additional_secret_outputs=goal.additional_secret_outputs,
            created=old.created if old else "",
            modified=old.modified if old else "",
            source_position=goal.source_position,
            stack_trace=goal.stack_trace,
        )
        if new.needs() & self._out:
            self._out.add(urn)
            return Outcome(new, "FAIL")
        replacing = old is not None and not old.external and old.id != resource_id
        step = Step("read-replacement" if replacing else "read", old, new)
        self._operated.add(urn)

        async def work() -> None:
            if resource_id == UNKNOWN:
                new.outputs = {}
                return
            operation = self._journal.begin("reading", new)
            try:
                live = await self.provider(reference).read(new, new.inputs, new.inputs)
                if not live.id and not live.outputs:
                    raise ProviderError(f"resource '{resource_id}' does not exist")
            except Exception:
                self._journal.end(operation)
                raise
            new.id, new.outputs = live.id or resource_id, live.outputs
            _mark_secret_outputs(new)
            if replacing and old is not None:
                old.delete = True
            self._journal.end(operation, add=new, remove=None if replacing else old)

        await self._apply(step, work)
        self._finish(step)
        self._news[urn] = new
        return Outcome(new)

    # --- the end of a run ---------------------------------------------------

    async def finish(self, *, program_ended_well: bool) -> None:
        """Deletes what was not registered, unless something failed; then settles the stack's outputs."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if not program_ended_well:
            self.failed = True
        if not self.failed and not self.stopping:
            await self._delete_unregistered()
        self._finalize_stack()
        self._journal.flush()

    def _is_operated(self, urn: str) -> bool:
        return self._aliased.get(urn, urn) in self._operated

    async def _delete_unregistered(self, kept: Collection[int] = ()) -> None:
        condemned: dict[int, str] = {}
        pending: list[Resource] = []
        for resource in self._base:
            if id(resource) in kept:
                continue
            if resource.delete:
                if id(resource) not in self._deleted_early:
                    condemned[id(resource)] = "delete-replaced"
                    self._deleted.add(resource.urn)
            elif not self._is_operated(resource.urn):
                if resource.pending_replacement:
                    pending.append(resource)
                else:
                    condemned[id(resource)] = "delete"
                self._deleted.add(resource.urn)
        for resource in pending:
            # Deleted by an earlier run and wanted no more: only the state knows it still.
            step = Step("remove-pending-replace", resource, None)
            self._step(step)
            self._journal.end(None, remove=resource)
            self._step(step, done=True)
        await self._delete_all(condemned)

    async def destroy(self, *, exclude_protected: bool = False) -> int:
        """Deletes everything in the state, dependents first; returns how many resources it was told to keep.

        Where something is protected nothing is deleted, unless what is protected and
        what that needs is excluded.
        """
        protected = [resource for resource in self._base if resource.protect and not resource.delete]
        kept: set[int] = set()
        if exclude_protected:
            kept = {id(resource) for resource in protected} | graph.required_by(self._base, protected)
        elif protected and not self.preview:
            # The CLI without a preview deletes what it can, and then fails: a stack in halves helps nobody.
            self.report("error", _refusal(self.target.stack, protected))
            return 0
        await self._delete_unregistered(kept)
        self._journal.flush()
        return len(kept)

    async def _delete_all(self, ops: dict[int, str]) -> None:
        resources = list(self._base)
        condemned = [resource for resource in resources if id(resource) in ops]
        blocked: set[int] = set()
        for wave in graph.delete_waves(resources, condemned):
            going = [resource for resource in wave if id(resource) not in blocked]
            results = await asyncio.gather(
                *(self._delete(resource, ops[id(resource)]) for resource in going), return_exceptions=True
            )
            failed: list[Resource] = []
            for resource, result in zip(going, results, strict=True):
                if isinstance(result, StepFailedError | StoppedError):
                    failed.append(resource)
                elif isinstance(result, BaseException):
                    raise result
            if self.stopping or any(not resource.protect for resource in failed):
                self.failed = True
                return
            # A protected resource stays, and with it all that it needs; the rest is deleted all the same.
            blocked |= graph.required_by(resources, failed)

    async def refresh(self, *, logical: bool) -> None:
        """Brings the state up to what the providers have; what is gone leaves the state.

        `logical`: what it finds is what the run changes, as nothing follows it.
        """
        resources = list(self._base)
        found = await asyncio.gather(*(self._guarded_refresh(resource, logical) for resource in resources))
        kept = [item for item in found if item is not None]
        self._set_base(referenceable(kept))
        self._journal.rebase(self._base)

    async def _guarded_refresh(self, old: Resource, logical: bool) -> Resource | None:
        try:
            return await self._refresh(old, logical)
        except (StepFailedError, StoppedError):
            return old

    async def _refresh(self, old: Resource, logical: bool) -> Resource | None:
        step = Step("refresh", old, old, logical=logical)
        if not old.custom or old.is_provider or old.pending_replacement:
            self._step(step)
            self._step(Step("same", old, old, logical=logical), done=True)
            return old

        async def work() -> tuple[Resource | None, Diff]:
            provider = await self._ensure(old.provider)
            live = await provider.read(old, old.inputs, old.outputs or {})
            if live.failed:
                self.report(
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
                new, new.inputs, live.outputs, old.inputs, old.ignore_changes, unknowns=self.preview
            )
            return new, inverted(diff or NO_CHANGE)

        new, diff = await self._apply(step, work)
        if new is None:
            self._step(Step("delete", old, None, logical=logical), done=True)
        else:
            op = "update" if diff.changes else "same"
            self._step(Step(op, old, new, diff, logical=logical), done=True)
        return new

    def warn_of_unfinished(self, operations: Sequence[tuple[str, str]]) -> None:
        """Operations (kind, URN) that an interrupted run left in the state."""
        if not operations:
            return
        lines = "".join(f"\n  * {urn}, interrupted while {kind}" for kind, urn in operations)
        self.report(
            "warning",
            f"The last run was interrupted with {len(operations)} operation(s) under way. This one goes on "
            f"from there; what was being created is created again under the same name:{lines}",
        )


# --- pure parts -------------------------------------------------------------


def _refusal(stack: str, protected: Sequence[Resource]) -> str:
    lines = "".join(f"\n  * {resource.urn}" for resource in protected)
    return (
        f"stack {stack} has {len(protected)} protected resource(s), so nothing was deleted:{lines}\n"
        "To allow it, either remove the `protect` flag from them in your Pulumi program and run "
        f"`pulumi up --stack {stack}`, or use the command:\n`pulumi state unprotect --all --stack {stack}` "
        f"(or with the URNs of some of them).\n`pulumi destroy --exclude-protected --stack {stack}` deletes "
        "what is not protected."
    )


def inverted(diff: Diff) -> Diff:
    detailed = (
        {path: item.inverted() for path, item in diff.detailed.items()} if diff.detailed else diff.detailed
    )
    return replace(diff, replaces=(), detailed=detailed)


def replacing_on(diff: Diff, paths: Sequence[str], unwell: bool) -> Diff:
    """`replaceOnChanges`: changes at these paths become replacements."""
    if not paths or not (diff.changes or unwell):
        return diff
    outer = [parse_path(path) for path in paths]

    def hit(path: str) -> bool:
        return any(path_contains(one, parse_path(path)) for one in outer)

    detailed = diff.detailed
    if detailed is not None:
        detailed = {path: item.replacing() if hit(path) else item for path, item in detailed.items()}
    replaces = list(dict.fromkeys([*diff.replaces, *(key for key in diff.changed if hit(key))]))
    if unwell and hit(_INIT_ERROR_KEY):
        return replace(diff, changes=True, replaces=[*replaces, _INIT_ERROR_KEY], detailed=detailed)
    return replace(diff, replaces=replaces, detailed=detailed)


def _mark_secret_outputs(resource: Resource) -> None:
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


_COMPARED = (
    "urn",
    "type",
    "custom",
    "custom_timeouts",
    "retain_on_delete",
    "provider",
    "parent",
    "deleted_with",
    "protect",
)


def must_write(old: Resource, new: Resource) -> bool:
    """Whether an unchanged resource differs in something that a run killed right now must have saved."""
    if any(getattr(old, name) != getattr(new, name) for name in _COMPARED):
        return True
    if sorted(old.dependencies) != sorted(new.dependencies):
        return True
    old_keys, new_keys = old.property_dependencies, new.property_dependencies
    if {key: sorted(urns) for key, urns in old_keys.items()} != {
        key: sorted(urns) for key, urns in new_keys.items()
    }:
        return True
    return not (
        same(cast(Value, old.inputs), cast(Value, new.inputs))
        and same(cast(Value, old.outputs or {}), cast(Value, new.outputs or {}))
    )
