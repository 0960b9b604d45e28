"""Binding expressions (`{assistantId}`, `{Query.message}`, `{rand-guid}`), as the WebJobs SDK resolves them.

Docs: Azure Functions binding expression patterns. `%SETTING%` is resolved once, when the function is
loaded: values of a request are never resolved as app settings.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from local_azure.functions_host.binding_data import BindingData, JsonObject, Query
from local_azure.functions_host.bindings import newtonsoft
from local_azure.functions_host.bindings.errors import BindingError

_TOKEN = re.compile(
    r"(?P<escape>\{\{|\}\})|\{(?P<expression>[^{}]*)\}|(?P<literal>[^{}]+)|(?P<unbalanced>[{}])"
)
_BUILT_IN = ("rand-guid", "datetime")
_PART = re.compile(r"[^\W\d][\w-]*")
_DATE_PART = re.compile(r"yyyy|yy|MM|dd|HH|hh|mm|ss|f{1,7}|[A-Za-z]")
_DATE_CODES = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
}
_DEFAULT_DATE = "yyyy-MM-ddTHH-mm-ssZ"


class TemplateFormatError(ValueError):
    """A binding property with an invalid expression; the function is in error."""


@dataclass(frozen=True)
class Expression:
    path: tuple[str, ...]
    format: str | None = None


@dataclass(frozen=True)
class Template:
    parts: tuple[str | Expression, ...]

    def bind(self, data: BindingData, function: str) -> str:
        """Replaces the expressions by values. Raises BindingError where a value is missing."""
        return "".join(
            part if isinstance(part, str) else _evaluate(part, data, function) for part in self.parts
        )


def parse(text: str) -> Template:
    """Raises TemplateFormatError."""
    parts: list[str | Expression] = []
    for token in _TOKEN.finditer(text):
        if token["unbalanced"]:
            missing = "closing" if token["unbalanced"] == "{" else "opening"
            raise TemplateFormatError(
                f"Invalid template '{text}'. Missing {missing} bracket at position {token.start() + 1}."
            )
        if token["expression"] is not None:
            parts.append(_expression(token["expression"], text))
        else:
            parts.append(token["literal"] or token["escape"][0])
    return Template(tuple(parts))


def _expression(text: str, template: str) -> Expression:
    name, colon, form = text.partition(":")
    path = tuple(name.split("."))
    if name.lower() not in _BUILT_IN and ("-" in path[0] or not all(map(_PART.fullmatch, path))):
        raise TemplateFormatError(f"Invalid template '{template}'. The parameter name '{text}' is invalid.")
    return Expression(path, form if colon else None)


def _evaluate(expression: Expression, data: BindingData, function: str) -> str:
    name, *members = expression.path
    if name.lower() in data:
        value: object = data[name.lower()]
    elif name.lower() == "sys":
        value = {"methodname": function, "utcnow": datetime.now(UTC), "randguid": uuid.uuid4()}
    elif name.lower() == "datetime" and not members:
        value = datetime.now(UTC)
    elif name.lower() == "rand-guid":
        value = uuid.uuid4()
    else:
        raise BindingError(f"No value for named parameter '{name}'.")
    for member in members:
        value = _member(value, member)
    return _text(value, expression.format)


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


def _text(value: object, form: str | None) -> str:
    if isinstance(value, datetime):
        return format_date(value, form or _DEFAULT_DATE)
    if isinstance(value, uuid.UUID):
        return format_guid(value, form or "D")
    if isinstance(value, dict):
        return ""  # recording body/message-object
    if isinstance(value, list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return str(value)


def format_guid(value: uuid.UUID, form: str) -> str:
    formats = {"D": str(value), "N": value.hex, "B": f"{{{value}}}", "P": f"({value})"}
    if form.upper() not in formats:
        raise BindingError(f"Format string '{form}' is not valid for a GUID: it can be D, N, B or P.")
    return formats[form.upper()]


def format_date(moment: datetime, form: str) -> str:
    """Formats with the numeric parts of .NET's custom formats; other letters stay as they are."""

    def part(match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith("f"):
            return f"{moment.microsecond * 10:07d}"[: len(text)]
        return moment.strftime(_DATE_CODES[text]) if text in _DATE_CODES else text

    return _DATE_PART.sub(part, form)
