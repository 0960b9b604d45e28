"""What the calls of a program come to: its registrations, reads and outputs, and the end of its run."""

import asyncio
import os
import traceback
from collections.abc import Coroutine
from typing import Any, cast

from local_azure.engine import steps
from local_azure.engine.aliases import Identity, alias_urns
from local_azure.engine.deletes import delete_unregistered
from local_azure.engine.deployment import Deployment, StepFailedError, StoppedError
from local_azure.engine.events import Step
from local_azure.engine.goals import Goal, Outcome, inherit
from local_azure.engine.plan import advance
from local_azure.engine.providers import ProviderError
from local_azure.engine.rpc import CallError
from local_azure.engine.state import (
    STACK_TYPE,
    Resource,
    is_provider_type,
    make_urn,
    provider_type,
)
from local_azure.engine.values import (
    UNKNOWN,
    Properties,
    UnsupportedValueError,
    Value,
    has_unknown,
    same,
)


class Registrations:
    """What one program wants, as it says so."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.root_urn = ""
        self._defaults: dict[tuple[str, str, str], asyncio.Task[str]] = {}
        self._tasks: set[asyncio.Task[Outcome]] = set()
        self._goals: dict[str, Goal] = {}
        self._stack_outputs: Properties | None = None
        self._aliases: dict[str, str] = {}  # URN of this run -> old URN
        self._seen: set[str] = set()
        self._out: set[str] = set()  # failed, or skipped because of a failure

    async def register(self, goal: Goal) -> Outcome:
        """The resource as it stands afterwards. A failure is reported and is the outcome's result."""
        if parent := self._goals.get(goal.parent):
            inherit(goal, parent)
        urn = make_urn(
            self.deployment.target.stack, self.deployment.target.project, goal.parent, goal.type, goal.name
        )
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
            self.deployment.report("error", str(error), urn)
        except Exception:  # noqa: BLE001 - a defect here must not leave the program waiting for ever
            self.deployment.report("error", f"the embedded engine failed: {traceback.format_exc()}", urn)
        self.deployment.failed = True
        self._out.add(urn)
        return Outcome(Resource(urn, kind, custom), "FAIL")

    def _claim(self, urn: str, goal: Goal) -> None:
        if self.deployment.stopping:
            raise StoppedError
        if goal.parent and goal.parent not in self._seen:
            raise ProviderError(f"could not find parent resource {goal.parent}")
        if urn in self._seen:
            raise ProviderError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        self._seen.add(urn)

    def _find_old(self, urn: str, goal: Goal) -> Resource | None:
        identity = Identity(
            self.deployment.target.stack, self.deployment.target.project, goal.parent, goal.type, goal.name
        )
        for candidate in (urn, *alias_urns(identity, goal.aliases, self._aliases)):
            old = self.deployment.olds.get(candidate)
            if old is None:
                continue
            if candidate != urn:
                if candidate in self._seen or candidate in self.deployment.aliased:
                    raise ProviderError(
                        f"Duplicate resource alias '{candidate}' applied to resource with URN '{urn}' "
                        "conflicting with another resource"
                    )
                self.deployment.aliased[candidate] = urn
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
        inputs = self.deployment.target.package_config(package)
        name = "default"
        if version:
            inputs["version"] = version
            inputs["__internal"] = {}
            name += "_" + version.replace("-", "_").replace("+", "_").replace(".", "_")
        outcome = await self.register(Goal(provider_type(package), name, custom=True, properties=inputs))
        if outcome.result != "SUCCESS":
            raise StepFailedError
        return f"{outcome.resource.urn}::{outcome.resource.id}"

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
            self.deployment.operated.add(urn)
            return Outcome(new, "FAIL")
        if not self.deployment.preview and has_unknown(cast(Value, goal.properties)):
            raise ProviderError(f"resource {goal.name} has inputs that are unknown outside a preview")
        provider = self.deployment.provider(reference) if reference else None
        job = steps.Registration(goal, old, new, provider, os.urandom(32))
        await advance(self.deployment, job)
        self.deployment.news[urn] = new
        return Outcome(new)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """A component's outputs; the stack's are kept until it is known whether all went well."""
        if urn == self.root_urn:
            self._stack_outputs = outputs
            return
        self._set_outputs(urn, outputs)

    def _set_outputs(self, urn: str, outputs: Properties) -> None:
        new = self.deployment.news.get(urn)
        if new is None:
            if urn not in self._out:
                self.deployment.report("error", f"outputs were registered for the unknown resource {urn}")
            return
        new.outputs = outputs
        old = self.deployment.olds.get(self._aliases.get(urn, urn))
        if old is None or not same(cast(Value, old.outputs or {}), cast(Value, outputs)):
            self.deployment.journal.save()
        else:
            self.deployment.journal.touch()

    def _finalize_stack(self) -> None:
        if self._stack_outputs is None:
            return
        outputs = self._stack_outputs
        if self.deployment.failed or self.deployment.stopping:
            # An output that is missing or unknown after a failure is no output that was taken away.
            old = self.deployment.olds.get(self.root_urn)
            known = {key: value for key, value in outputs.items() if not has_unknown(value)}
            outputs = ((old.outputs or {}) if old else {}) | known
        self._set_outputs(self.root_urn, outputs)

    async def read(self, goal: Goal, resource_id: str) -> Outcome:
        """A resource that is looked up and not managed (`.get()` of the SDK)."""
        urn = make_urn(
            self.deployment.target.stack, self.deployment.target.project, goal.parent, goal.type, goal.name
        )
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
        self.deployment.operated.add(urn)

        async def work() -> None:
            if resource_id == UNKNOWN:
                new.outputs = {}
                return
            operation = self.deployment.journal.begin("reading", new)
            try:
                live = await self.deployment.provider(reference).read(new, new.inputs, new.inputs)
                if not live.id and not live.outputs:
                    raise ProviderError(f"resource '{resource_id}' does not exist")
            except Exception:
                self.deployment.journal.end(operation)
                raise
            new.id, new.outputs = live.id or resource_id, live.outputs
            steps.mark_secret_outputs(new)
            if replacing and old is not None:
                old.delete = True
            self.deployment.journal.end(operation, add=new, remove=None if replacing else old)

        await self.deployment.apply(step, work)
        self.deployment.step(step, done=True)
        self.deployment.news[urn] = new
        return Outcome(new)

    async def finish(self, *, program_ended_well: bool) -> None:
        """Deletes what was not registered, unless something failed; then settles the stack's outputs."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if not program_ended_well:
            self.deployment.failed = True
        if not self.deployment.failed and not self.deployment.stopping:
            await delete_unregistered(self.deployment)
        self._finalize_stack()
        self.deployment.journal.flush()
