"""The functions that a model may call, in one registry for all assistants as in AssistantSkillManager."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_azure.functions_host.bindings import dotnet, newtonsoft
from local_azure.functions_host.bindings.dotnet import Raw
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.newtonsoft import JsonObject

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.AssistantSkillManager")

TRIGGER_TYPE = "assistantskilltrigger"


@dataclass(frozen=True)
class SkillTrigger:
    parameter: str
    """Name of the trigger's binding: the member of the arguments that the function gets."""
    skill: str
    """Name of the skill for the model."""
    description: str
    parameters_json: str | None = None


RunFunction = Callable[[str, str | None], Awaitable[str | None]]
"""Runs a function (name, argument) and returns its return value as JSON, or None for nothing.

Raises the errors of the invocation.
"""


class Skills:
    def __init__(self, run: RunFunction) -> None:
        self._run = run
        self._skills: dict[str, tuple[str, SkillTrigger]] = {}

    def register(self, triggers: Mapping[str, SkillTrigger]) -> None:
        """By function name. The names of skills are unique in any case (`function_table.build`)."""
        for function, trigger in triggers.items():
            log.info("Registering skill '%s'", trigger.skill)
            self._skills[trigger.skill.lower()] = (function, trigger)

    def tools(self) -> list[dict[str, Any]]:
        """The tools of a chat completion request. Raises BindingError for an invalid schema."""
        return [_tool(trigger) for _, trigger in self._skills.values()]

    async def invoke(self, name: str | None, arguments: str | None) -> str | None:
        """The return value as JSON. Raises BindingError and the errors of the invocation."""
        if name is None:
            raise BindingError("The function call must have a name")
        if name.lower() not in self._skills:
            raise BindingError(f"No skill registered with name '{name}'")
        function, trigger = self._skills[name.lower()]
        argument = argument_of(arguments, trigger.parameter)
        log.info("Invoking user-code function '%s'", name)
        output = await self._run(function, argument)
        if output is not None:
            log.info("Returning output of user-code function '%s' as JSON: %s", name, output)
        return output


def _tool(trigger: SkillTrigger) -> dict[str, Any]:
    parameters: object = {"type": "object", "properties": {trigger.parameter: {"type": "string"}}}
    if trigger.parameters_json is not None:
        try:
            dotnet.strict_json(trigger.parameters_json)
        except ValueError as error:
            raise BindingError(
                f"parameterDescriptionJson of the skill {trigger.skill!r} is not JSON: {error}"
            ) from error
        parameters = Raw(trigger.parameters_json)
    function = {"name": trigger.skill, "description": trigger.description, "parameters": parameters}
    return {"type": "function", "function": function}


def argument_of(arguments: str | None, parameter: str) -> str | None:
    """The member of the arguments that the function takes, as a string.

    An ISO date-time becomes `MM/dd/yyyy HH:mm:ss`, as Newtonsoft.Json parses it. Raises BindingError if the
    arguments are not an object, or if the member is an object or an array.
    """
    if not arguments:
        return None
    try:
        parsed = newtonsoft.parse(arguments)
        if not isinstance(parsed, JsonObject):
            raise ValueError("it is not a JSON object")
        return newtonsoft.token_text(parsed.get(parameter))
    except ValueError as error:
        raise BindingError(f"The arguments {arguments!r} are invalid: {error}") from error
