"""The `assistantCreate` output binding: its value read as create requests, and their table operations.

The extension's hazards are reproduced: the id is not escaped in the filter, and the old rows are
deleted before the new ones are inserted.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from local_azure.functions_host.bindings import dotnet, newtonsoft, rows
from local_azure.functions_host.bindings.conversation import Table, partition_filter
from local_azure.functions_host.bindings.errors import BindingError

BINDING_TYPE = "assistantcreate"
TRANSACTION_LIMIT = 100

Kind = Literal["string", "json", "bytes"]

DEFAULT_INSTRUCTIONS = "You are a helpful assistant."
DEFAULT_COLLECTION = "ChatState"


@dataclass(frozen=True)
class AssistantCreateRequest:
    """The extension's class of the same name, with its defaults."""

    id: str | None = ""
    instructions: str | None = DEFAULT_INSTRUCTIONS
    chat_storage_connection_setting: str | None = None
    collection_name: str | None = DEFAULT_COLLECTION


def property_names(request: type) -> Mapping[str, str]:
    """The fields of a request class by the name of their property in lower case."""
    return {field.name.replace("_", ""): field.name for field in fields(request)}


_PROPERTIES = property_names(AssistantCreateRequest)


def requests_from(kind: Kind, value: str | bytes) -> Iterator[AssistantCreateRequest]:
    """One request, or one per element of a JSON array, each read when its turn comes. Raises BindingError."""
    try:
        for text in _texts(kind, value):
            yield _request(newtonsoft.parse(text, dates=False, literals=True))
    except ValueError as error:
        raise BindingError(f"Invalid assistant create request: {error}") from error


def _texts(kind: Kind, value: str | bytes) -> Iterator[str]:
    """The JSON of each request: the host parses a text with braces, and gives on what it then writes."""
    if isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
        return
    if kind == "json":
        parsed = newtonsoft.parse(value, dates=False)
        if parsed is None:
            return
        if isinstance(parsed, str):
            kind, value = "string", parsed
    text = value.strip()
    if (text[:1], text[-1:]) not in (("{", "}"), ("[", "]")):
        yield value
        return
    parsed = newtonsoft.parse(text, dates=kind == "string")
    for element in cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]:
        yield element if isinstance(element, str) else dotnet.newtonsoft(element)


def _request(content: object) -> AssistantCreateRequest:
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object with id and instructions, got {json.dumps(content)}")
    values = {
        _PROPERTIES[name.lower()]: _text(name, member)
        for name, member in cast("dict[str, object]", content).items()
        if name.lower() in _PROPERTIES
    }
    return AssistantCreateRequest(**values)


def _text(name: str, value: object) -> str | None:
    if isinstance(value, bool | float):
        return dotnet.newtonsoft(value).strip('"')
    if value is newtonsoft.UNDEFINED or not isinstance(value, str | None):
        raise ValueError(f"error reading string at {name!r}: unexpected {type(value).__name__}")
    return None if value is None else dotnet.well_formed(str(value))


async def create_assistant(table: Table, request: AssistantCreateRequest) -> None:
    """Creates the table if it is missing, deletes the old rows and inserts the new ones. Not atomic."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

    with suppress(ResourceExistsError):
        await table.create_table()
    batch: list[tuple[str, Mapping[str, Any]]] = []

    async for entity in table.query_entities(partition_filter(request.id)):
        if len(batch) == TRANSACTION_LIMIT:
            await table.submit_transaction(batch)
            batch.clear()
        batch.append(("delete", {name: entity[name] for name in ("PartitionKey", "RowKey")}))
    if batch:
        await table.submit_transaction(batch)
    await table.submit_transaction(
        [("create", row) for row in rows.initial_rows(request.id, request.instructions)]
    )
