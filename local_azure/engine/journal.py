"""The snapshot while it changes: after every step it is what a next run can go on from."""

from collections.abc import Callable
from dataclasses import replace

from local_azure.engine.state import Operation, Resource, Snapshot


class Journal:
    """New resources stand in the order of their completion, then what the run has not touched yet.

    `write` gets the whole snapshot; it is called before and after everything that
    changes the world, so that a kill at any moment leaves a state that says what
    was going on. In a preview `write` does nothing.
    """

    def __init__(self, base: Snapshot, write: Callable[[Snapshot], None]) -> None:
        self.base = list(base.resources)
        self._rest = base.rest
        self._news: list[Resource] = []
        self._running: list[Operation] = []
        # A create that was interrupted may exist: it stays noted until its resource is in the state.
        self._unfinished = [operation for operation in base.operations if operation.kind == "creating"]
        # The other kinds are told by the resource itself; dropping them is a change to save.
        self._dirty = len(self._unfinished) != len(base.operations)
        self._write = write

    def begin(self, kind: str, resource: Resource) -> Operation:
        operation = Operation(kind, resource)
        self._running.append(operation)
        self.save()
        return operation

    def end(
        self,
        operation: Operation | None,
        *,
        add: Resource | None = None,
        remove: Resource | None = None,
        save: bool = True,
    ) -> None:
        if operation is not None:
            self._running.remove(operation)
        if add is not None:
            self._news.append(add)
            self._unfinished = [left for left in self._unfinished if left.resource.urn != add.urn]
        if remove is not None:
            self._news = [item for item in self._news if item is not remove]
            self.base = [item for item in self.base if item is not remove]
        if save:
            self.save()
        else:
            self._dirty = True

    def rebase(self, resources: list[Resource]) -> None:
        """What a refresh found in place of the old resources."""
        self.base = resources
        self.save()

    def forget_unfinished(self) -> None:
        """Drops the creations that an interrupted run has left."""
        if self._unfinished:
            self._unfinished = []
            self._dirty = True

    def touch(self) -> None:
        self._dirty = True

    def save(self) -> None:
        self._dirty = False
        self._write(self.snapshot())

    def flush(self) -> None:
        if self._dirty:
            self.save()

    @property
    def news(self) -> list[Resource]:
        return self._news

    def snapshot(self) -> Snapshot:
        renames = {alias: item.urn for item in self._news for alias in item.aliases}
        resources = [*self._news, *self.base]
        if renames:
            # The alias has done its work: no reference to the former URN is left.
            resources = [replace(item.renamed(renames), aliases=[]) for item in resources]
        return Snapshot(resources, [*self._running, *self._unfinished], self._rest)
