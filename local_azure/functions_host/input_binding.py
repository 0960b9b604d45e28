"""Input bindings of a function: their properties, resolved from the binding data of each invocation.

Binding expressions such as `{assistantId}` and `{Query.message}` are resolved as by the WebJobs SDK (Docs:
Azure Functions binding expression patterns); `{rand-guid}`, `{DateTime}` and `{sys}` are not supported.
`%SETTING%` is resolved once, when the function is loaded: values of a request are never app settings.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from local_azure.functions_host.binding_data import BindingData, JsonObject, Query
from local_azure.functions_host.bindings import assistant_post, assistant_query, dotnet, newtonsoft
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_query import QueryRequest
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.payload import property_names

_PROPERTIES: Mapping[str, Mapping[str, str]] = {
    assistant_query.BINDING_TYPE: property_names(QueryRequest),
    assistant_post.BINDING_TYPE: property_names(PostRequest),
}
# The properties that the attributes do not mark with AutoResolve have no binding expressions.
_NO_TEMPLATE = frozenset({"ai_connection_name", "chat_storage_connection_setting", "is_reasoning_model"})

TYPES = frozenset(_PROPERTIES)

Template = list[str | list[str]]
"""Texts, and expressions as a list of their names."""

_TOKEN = re.compile(
    r"(?P<escape>\{\{|\}\})|\{(?P<expression>[^{}]*)\}|(?P<literal>[^{}]+)|(?P<unbalanced>[{}])"
)
_EXPRESSION = re.compile(r"[^\W\d]\w*(\.[^\W\d][\w-]*)*")


@dataclass(frozen=True)
class InputBinding:
    name: str
    type: str
    """In lower case."""
    properties: Mapping[str, Template | str | bool]


def parse(binding: Mapping[str, Any]) -> InputBinding:
    """From an indexed binding with resolved settings. Raises ValueError."""
    kind = str(binding["type"]).lower()
    names = _PROPERTIES[kind]
    properties = {
        names[name.lower()]: _property(names[name.lower()], str(value))
        for name, value in binding.items()
        if name.lower() in names and value is not None
    }
    return InputBinding(str(binding["name"]), kind, properties)


def _property(member: str, text: str) -> Template | str | bool:
    if member == "is_reasoning_model":
        if text.strip().lower() not in ("true", "false"):
            raise ValueError(f"Could not convert string to boolean: {text!r}. Property 'isReasoningModel'.")
        return text.strip().lower() == "true"
    return text if member in _NO_TEMPLATE else parse_template(text)


async def read(binding: InputBinding, service: AssistantService, data: BindingData) -> str:
    """The handler's argument. Raises BindingError and the errors of the storage and model clients."""
    values: dict[str, Any] = {
        name: dotnet.well_formed(bind(value, data)) if isinstance(value, list) else value
        for name, value in binding.properties.items()
    }
    if binding.type == assistant_query.BINDING_TYPE:
        return await service.query(QueryRequest(**values))
    return await service.post(PostRequest(**values))


def parse_template(text: str) -> Template:
    """Raises ValueError."""
    parts: Template = []
    for token in _TOKEN.finditer(text):
        expression = token["expression"]
        if token["unbalanced"]:
            missing = "closing" if token["unbalanced"] == "{" else "opening"
            position = token.start() + 1
            raise ValueError(f"Invalid template '{text}'. Missing {missing} bracket at position {position}.")
        if expression is None:
            parts.append(token["literal"] or token["escape"][0])
        elif _EXPRESSION.fullmatch(expression):
            parts.append(expression.split("."))
        else:
            raise ValueError(f"Invalid template '{text}'. The parameter name '{expression}' is invalid.")
    return parts


def bind(template: Template, data: BindingData) -> str:
    """Replaces the expressions by values. Raises BindingError where a value is missing."""
    return "".join(part if isinstance(part, str) else _evaluate(part, data) for part in template)


def _evaluate(path: list[str], data: BindingData) -> str:
    name, *members = path
    if name.lower() not in data:
        raise BindingError(f"No value for named parameter '{name}'.")
    value = data[name.lower()]
    for member in members:
        value = _member(value, member)
    if isinstance(value, dict):
        return ""  # recording body/message-object
    return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, list) else str(value)


def _member(value: object, name: str) -> object:
    if isinstance(value, Query):
        if name in value:
            return value[name]
    elif isinstance(value, Mapping):
        for member_name, member in cast("Mapping[str, object]", value).items():
            if member_name.lower() == name.lower():
                if isinstance(value, JsonObject) and not isinstance(member, (dict, list)):
                    return newtonsoft.token_text(member) or ""
                return cast("object", member)
    raise BindingError(f"Error while accessing '{name}': property doesn't exist.")
