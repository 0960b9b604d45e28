"""The order that dependencies dictate: pure functions over a snapshot's list, sorted by dependency."""

from collections.abc import Collection, Iterable, Sequence

from local_azure.engine.state import Resource, split_reference


def dependents(resources: Sequence[Resource], root: Resource, ignore: Collection[str]) -> list[Resource]:
    """What depends on `root`, directly or not, in dependency order. Being its child is no dependency."""
    found: list[Resource] = []
    urns = {root.urn}
    for candidate in resources[_index(resources, root) + 1 :]:
        if candidate.urn in ignore:
            continue
        needs = set(candidate.depends_on()) | {split_reference(candidate.provider)[0]}
        if needs & urns:
            found.append(candidate)
            urns.add(candidate.urn)
    return found


def _index(resources: Sequence[Resource], wanted: Resource) -> int:
    return next(at for at, resource in enumerate(resources) if resource is wanted)


def _below(resources: Sequence[Resource]) -> dict[str, list[Resource]]:
    """URN of each resource to all its children, grandchildren and so on."""
    parents = {resource.urn: resource.parent for resource in resources}
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        parent = resource.parent
        while parent:
            found.setdefault(parent, []).append(resource)
            parent = parents.get(parent, "")
    return found


def _required(resources: Sequence[Resource]) -> list[set[int]]:
    """For each resource the indexes of those that must outlive it.

    To depend on a component is to depend on all that it holds.
    """
    below = _below(resources)
    index = {id(resource): at for at, resource in enumerate(resources)}
    by_urn: dict[str, list[int]] = {}
    required: list[set[int]] = []
    for at, resource in enumerate(resources):
        needs: set[int] = set()
        for urn in resource.needs():
            for found in by_urn.get(urn, ()):
                needs.add(found)
                if urn != resource.parent and not resources[found].custom:
                    needs |= {
                        child for child in (index[id(item)] for item in below.get(urn, ())) if child < at
                    }
        required.append(needs)
        by_urn.setdefault(resource.urn, []).append(at)
    return required


def delete_waves(resources: Sequence[Resource], condemned: Iterable[Resource]) -> list[list[Resource]]:
    """The condemned in waves: all of a wave may go at once, and a wave only after the ones before it.

    Whatever depends on a resource goes before it.
    """
    required = _required(resources)
    index = {id(resource): at for at, resource in enumerate(resources)}
    left = {index[id(resource)] for resource in condemned}
    waves: list[list[Resource]] = []
    while left:
        # Those that need nothing condemned any more come first here and so last in the end.
        ready = {at for at in left if not required[at] & left}
        waves.append([resources[at] for at in sorted(ready, reverse=True)])
        left -= ready
    return waves[::-1]


def required_by(resources: Sequence[Resource], kept: Iterable[Resource]) -> set[int]:
    """`id()` of every resource that one of `kept` needs, directly or not."""
    required = _required(resources)
    index = {id(resource): at for at, resource in enumerate(resources)}
    found: set[int] = set()
    todo = [index[id(resource)] for resource in kept]
    while todo:
        new = required[todo.pop()] - found
        found |= new
        todo += new
    return {id(resources[at]) for at in found}
