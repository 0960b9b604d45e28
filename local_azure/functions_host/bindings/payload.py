"""Converts the value of an `assistantCreate` output to create requests, as the host and the extension do.

Newtonsoft.Json also accepts comments, single quotes and unquoted names; only standard JSON is accepted
here, which is all that `json.dumps` writes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Literal, cast

from local_azure.functions_host.bindings.dotnet import ISO, well_formed

Kind = Literal["string", "json", "bytes"]

DEFAULT_INSTRUCTIONS = "You are a helpful assistant."
DEFAULT_COLLECTION = "ChatState"


class PayloadError(ValueError):
    """A value that is not an AssistantCreateRequest: the invocation fails with 500."""


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


class _NumberText(str):
    """The literal of a JSON number, which Newtonsoft stores in a string member as it is."""

    __slots__ = ()


def requests_from(kind: Kind, value: str | bytes) -> list[AssistantCreateRequest]:
    """One request, or one per element of a JSON array. Raises PayloadError."""
    return [_request(element) for element in _elements(kind, value)]


def _elements(kind: Kind, value: str | bytes) -> list[object]:
    if isinstance(value, bytes):
        try:
            return [_loads(value.decode("utf-8-sig"))]
        except UnicodeDecodeError as error:
            raise PayloadError(f"The value is not UTF-8: {error}") from error
    text = value.strip()
    if (text[:1], text[-1:]) not in (("{", "}"), ("[", "]")):
        return [_loads(value)]
    parsed = _loads(text)
    if kind == "string":
        parsed = _reformat_dates(parsed)
    return list(cast("list[object]", parsed)) if isinstance(parsed, list) else [parsed]


def _loads(text: str) -> object:
    try:
        return json.loads(text, parse_int=_NumberText, parse_float=_NumberText, parse_constant=_NumberText)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"The value is not JSON: {error}") from error


def _request(element: object) -> AssistantCreateRequest:
    if not isinstance(element, dict):
        raise PayloadError(
            "Invalid assistant create request: expected a JSON object with id and instructions, "
            f"got {type(element).__name__ if element is not None else 'null'}."
        )
    values: dict[str, str | None] = {}
    for name, value in cast("dict[str, object]", element).items():
        if name.lower() in _PROPERTIES:
            values[_PROPERTIES[name.lower()]] = _text(name, value)
    return AssistantCreateRequest(**values)


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if type(value) is str:
        return well_formed(value)
    if isinstance(value, _NumberText):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    raise PayloadError(f"Error reading string at {name!r}: unexpected {type(value).__name__}.")


def _reformat_dates(value: object) -> object:
    """Rewrites strings that are ISO date-times, as Newtonsoft does when it parses (`.000Z` -> `Z`)."""
    if isinstance(value, dict):
        return {name: _reformat_dates(member) for name, member in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_reformat_dates(element) for element in cast("list[object]", value)]
    if type(value) is not str:
        return value
    match = ISO.fullmatch(value)
    if match is None:
        return value
    clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(clock + (zone if zone and zone != "Z" else ""))
    except ValueError:
        return value
    if zone and zone != "Z":
        # .NET converts an offset to local time, which on Azure is UTC, and writes that offset.
        clock, zone = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "+00:00"
    fraction = (fraction or "").rstrip("0")
    return clock + (f".{fraction}" if fraction else "") + (zone or "")
