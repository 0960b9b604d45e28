"""Functions that a model may call: one registry for all assistants of the host, as the extension's."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local_azure.functions_host.bindings import dotnet
from local_azure.functions_host.bindings.errors import BindingError

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.AssistantSkillManager")

TRIGGER_TYPE = "assistantskilltrigger"


@dataclass(frozen=True)
class SkillTrigger:
    parameter: str
    """Name of the trigger's binding: the only member of the arguments that reaches the function."""
    skill: str
    """What the model calls it."""
    description: str
    parameters_json: str | None = None


@dataclass(frozen=True)
class Returned:
    """What a function gave back, as JSON; None for nothing."""

    json: str | None


Run = Callable[[str, str, str | None], Awaitable[Returned]]
"""Runs the named function with its one parameter and argument. Raises what the call fails with."""


class Skills:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._found: dict[str, tuple[str, SkillTrigger]] = {}

    def register(self, skills: Sequence[tuple[str, SkillTrigger]]) -> None:
        """Function and trigger of each; names do not differ by case alone (`function_table.build`)."""
        for function, trigger in skills:
            log.info("Registering skill '%s'", trigger.skill)
            self._found[trigger.skill.lower()] = (function, trigger)

    def tools(self) -> list[dict[str, Any]]:
        """For the chat completion request; raises BindingError for a schema that is no JSON."""
        return [_tool(trigger) for _, trigger in self._found.values()]

    async def invoke(self, name: str, arguments: str) -> str | None:
        """The result as JSON, so a text is in quotes. Raises what the extension fails with."""
        if name.lower() not in self._found:
            raise BindingError(f"No skill registered with name '{name}'")
        function, trigger = self._found[name.lower()]
        argument = argument_of(arguments, trigger.parameter)
        log.info("Invoking user-code function '%s'", name)
        result = (await self._run(function, trigger.parameter, argument)).json
        if result is not None:
            log.info("Returning output of user-code function '%s' as JSON: %s", name, result)
        return result


def _tool(trigger: SkillTrigger) -> dict[str, Any]:
    parameters: object = {"type": "object", "properties": {trigger.parameter: {"type": "string"}}}
    if trigger.parameters_json is not None:
        try:
            parameters = json.loads(trigger.parameters_json)
        except ValueError as error:
            raise BindingError(
                f"parameterDescriptionJson of the skill {trigger.skill!r} is no JSON: {error}"
            ) from error
    function = {"name": trigger.skill, "description": trigger.description, "parameters": parameters}
    return {"type": "function", "function": function}


def argument_of(arguments: str, parameter: str) -> str | None:
    """The one member that the function takes, as text; all others are dropped.

    An ISO date-time becomes `MM/dd/yyyy HH:mm:ss`: Newtonsoft.Json parses it on the
    way. Raises BindingError for arguments that are no object, or a member that is
    an object or an array.
    """
    if not arguments:
        return None
    try:
        dotnet.check_depth(arguments)
        parsed: object = json.loads(arguments, strict=False)
        if not isinstance(parsed, dict):
            msg = "it is no JSON object"
            raise ValueError(msg)
        return dotnet.text_of(cast("dict[str, object]", parsed).get(parameter))
    except ValueError as error:
        raise BindingError(f"The arguments {arguments!r} cannot be passed on: {error}") from error
