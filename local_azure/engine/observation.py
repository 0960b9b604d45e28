"""`--run-program` of refresh and destroy: the program runs against the state as it is, and changes nothing.

A program that fails, or whose settings are refused, stops the command before it does anything.
"""

import asyncio

from local_azure.engine.goals import Goal, Outcome
from local_azure.engine.registrations import Registrations
from local_azure.engine.state import STACK_TYPE, Resource
from local_azure.engine.values import UNKNOWN, Properties


class Observation(Registrations):
    """Answers registrations from the state; what is not in it is unknown to the program, as in a preview."""

    async def _register(self, urn: str, goal: Goal) -> Outcome:
        self._claim(urn, goal)
        if goal.type == STACK_TYPE:
            self.root_urn = urn
        old = self._find_old(urn, goal)
        self._goals[urn] = goal
        found = Resource(urn, goal.type, goal.custom, inputs=goal.properties)
        if old is not None:
            found.id, found.outputs = old.id, old.outputs
        if found.is_provider and old is not None:
            await self.deployment.registry.load(old)
        elif found.is_provider:
            found.id = UNKNOWN
            self.deployment.registry.add(
                await self.deployment.registry.plugin_of(goal.type), urn, UNKNOWN, goal.properties
            )
        return Outcome(found)

    async def _read(self, urn: str, goal: Goal, resource_id: str) -> Outcome:
        self._claim(urn, goal)
        old = self._find_old(urn, goal)
        return Outcome(Resource(urn, goal.type, custom=True, id=resource_id, outputs=old and old.outputs))

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        pass

    async def finish(self, *, program_ended_well: bool) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        if not program_ended_well:
            self.deployment.failed = True
