"""Input bindings of a function: their properties, resolved for each invocation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_azure.functions_host import binding_template
from local_azure.functions_host.binding_data import BindingData
from local_azure.functions_host.binding_template import Template
from local_azure.functions_host.bindings import assistant_post, assistant_query, dotnet
from local_azure.functions_host.bindings.assistant_create import property_names
from local_azure.functions_host.bindings.assistant_post import PostRequest
from local_azure.functions_host.bindings.assistant_query import QueryRequest
from local_azure.functions_host.bindings.assistant_service import AssistantService

_PROPERTIES: Mapping[str, Mapping[str, str]] = {
    assistant_query.BINDING_TYPE: property_names(QueryRequest),
    assistant_post.BINDING_TYPE: property_names(PostRequest),
}
# The properties that the attributes do not mark with AutoResolve have no binding expressions.
_NO_TEMPLATE = frozenset({"ai_connection_name", "chat_storage_connection_setting", "is_reasoning_model"})

TYPES = frozenset(_PROPERTIES)


class PropertyError(ValueError):
    """A binding property has the wrong type; the function is in error."""


@dataclass(frozen=True)
class InputBinding:
    name: str
    type: str
    """In lower case."""
    properties: Mapping[str, Template | str | bool]


def parse(binding: Mapping[str, Any]) -> InputBinding:
    """From an indexed binding with resolved settings. Raises PropertyError and TemplateFormatError."""
    kind = str(binding["type"]).lower()
    names = _PROPERTIES[kind]
    properties = {
        names[name.lower()]: _property(names[name.lower()], value)
        for name, value in binding.items()
        if name.lower() in names and value is not None
    }
    return InputBinding(str(binding["name"]), kind, properties)


def _property(member: str, value: object) -> Template | str | bool:
    if member == "is_reasoning_model":
        if str(value).strip().lower() in ("true", "false"):
            return str(value).strip().lower() == "true"
        raise PropertyError(f"Could not convert string to boolean: {value!r}. Property 'isReasoningModel'.")
    text = value if isinstance(value, str) else str(value)
    return text if member in _NO_TEMPLATE else binding_template.parse(text)


async def read(binding: InputBinding, service: AssistantService, data: BindingData, function: str) -> str:
    """The handler's argument. Raises BindingError and the errors of the storage and model clients."""
    values: dict[str, Any] = {
        name: dotnet.well_formed(value.bind(data, function)) if isinstance(value, Template) else value
        for name, value in binding.properties.items()
    }
    if binding.type == assistant_query.BINDING_TYPE:
        return await service.query(QueryRequest(**values))
    return await service.post(PostRequest(**values))
