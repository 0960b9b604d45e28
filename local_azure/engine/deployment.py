"""One run over a stack's resources: what its parts share, what it reports, and how a step is made.

All of a run is on one event loop. State decisions are made between awaits, so
nothing needs a lock; provider calls run side by side.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from local_azure.engine.events import Listener, Message, Severity, Step
from local_azure.engine.journal import Journal
from local_azure.engine.providers import Provider, ProviderError, Registry
from local_azure.engine.rpc import CallError
from local_azure.engine.state import Resource, split_reference
from local_azure.engine.values import Properties

T = TypeVar("T")


class StepFailedError(Exception):
    """The step failed and its message has been reported."""


class StoppedError(Exception):
    """No new steps are started any more."""


@dataclass(frozen=True)
class Target:
    project: str
    stack: str
    package_config: Callable[[str], Properties]


class Deployment:
    """The state that registrations, steps, deletes and a refresh share, by URN where nothing else is said."""

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
        self.journal = journal
        self.registry = registry
        self._listener = listener
        self._slots = asyncio.Semaphore(parallel or 4 * (os.cpu_count() or 1))
        self.news: dict[str, Resource] = {}  # what this run has made of it
        self.aliased: dict[str, str] = {}  # old URN -> URN of this run
        self.operated: set[str] = set()  # what the program wants: it is not deleted at the end
        self.replaced: set[str] = set()
        self.deleted: set[str] = set()
        self.deleted_early: set[int] = set()  # id() of what went before its own turn, for a replacement
        self.set_base(journal.base)

    def set_base(self, resources: Sequence[Resource]) -> None:
        self.base = list(resources)
        self.olds = {item.urn: item for item in self.base if not item.delete}

    def report(self, severity: Severity, text: str, urn: str = "") -> None:
        if severity == "error":
            self.failed = True
        self._listener.message(Message(severity, text, urn))

    def stop(self) -> None:
        """No new steps; what runs may end."""
        self.stopping = True

    def provider(self, reference: str) -> Provider:
        found = self.registry.get(reference)
        if found is None:
            raise ProviderError(f"unknown provider {reference!r}")
        return found

    async def ensure(self, reference: str) -> Provider:
        """The provider of a resource in the state, also where this run's program does not use it."""
        if found := self.registry.get(reference):
            return found
        urn, resource_id = split_reference(reference)
        resource = next((item for item in self.base if item.urn == urn and item.id == resource_id), None)
        if resource is None:
            raise ProviderError(f"could not find provider {reference!r} in the state")
        return await self.registry.load(resource)

    def step(self, step: Step, *, done: bool = False) -> None:
        self._listener.step(step, "done" if done else "begin")

    async def apply(self, step: Step, work: Callable[[], Awaitable[T]]) -> T:
        """One step's work with its events. Raises StepFailedError (reported), StoppedError (not begun)."""
        async with self._slots:
            if self.stopping:
                raise StoppedError
            self.step(step)
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
