"""Parses and matches route templates as ASP.NET does.

Follows `RoutePatternParser`, `RouteParameterParser` and `RoutePatternMatcher`: literals ignore case, one
trailing slash is ignored, an empty segment matches nothing.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


class TemplateError(ValueError):
    """A route template that ASP.NET rejects; the function is in error."""


Constraint = Callable[[str], bool]
"""Whether a value satisfies an inline constraint."""


@dataclass(frozen=True)
class Parameter:
    name: str
    constraints: tuple[Constraint, ...] = ()
    optional: bool = False
    default: str | None = None
    catch_all: bool = False


Part = str | Parameter
Segment = tuple[Part, ...]
Template = tuple[Segment, ...]


@dataclass(frozen=True)
class Route:
    """A function's HTTP trigger. `methods` are upper case; an empty set means all."""

    function: str
    template: Template
    methods: frozenset[str] = frozenset()
    auth_level: str = "anonymous"
    """`anonymous`, `function` or `admin`."""


@dataclass(frozen=True)
class Match:
    route: Route
    values: Mapping[str, str]


def compose(prefix: str, route: str) -> str:
    """The template of a function: the route prefix of host.json and the trigger's route."""
    prefix = prefix.strip("/")
    return f"{prefix}/{route}" if prefix else route


def find(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """The first route that matches the method and the decoded path."""
    for route in routes:
        if not route.methods or method.upper() in route.methods:
            values = match(route.template, path)
            if values is not None:
                return Match(route, values)
    return None


def names(template: Template) -> list[str]:
    return [part.name for segment in template for part in segment if isinstance(part, Parameter)]


def match(template: Template, path: str) -> dict[str, str] | None:
    """Route values for a decoded path such as `/api/assistants/a`, or None."""
    rest = path.removeprefix("/")
    segments = rest.removesuffix("/").split("/") if rest else []
    values: dict[str, str] = {}
    for at, expected in enumerate(template):
        segment = segments[at] if at < len(segments) else None
        only = expected[0] if len(expected) == 1 else None
        if segment == "":
            return None
        if isinstance(only, Parameter) and only.catch_all:
            # With all that follows: empty segments and a trailing slash.
            _set_value(values, only, "/".join(rest.split("/")[at:]))
            return values if _accepted(expected, values) else None
        if segment is None:
            if not isinstance(only, Parameter) or not (only.optional or only.default is not None):
                return None
            _set_value(values, only, "")
        else:
            segment_values = _match_segment(expected, segment)
            if segment_values is None:
                return None
            values.update(segment_values)
        if not _accepted(expected, values):
            return None
    return values if len(segments) <= len(template) else None


def _set_value(values: dict[str, str], parameter: Parameter, text: str) -> None:
    if text or parameter.default is not None:
        values[parameter.name] = text or parameter.default or ""


def _accepted(segment: Segment, values: Mapping[str, str]) -> bool:
    return all(
        constraint(values[part.name])
        for part in segment
        if isinstance(part, Parameter) and part.name in values
        for constraint in part.constraints
    )


def _match_segment(segment: Segment, text: str) -> dict[str, str] | None:
    if len(segment) == 1:
        part = segment[0]
        if isinstance(part, Parameter):
            return {part.name: text}
        return {} if part.upper() == text.upper() else None
    return _match_complex(segment, text)


def _match_complex(segment: Segment, text: str) -> dict[str, str] | None:
    """A segment such as `{name}.{extension?}`; the last parameter gets the shortest value."""
    parameters = [part for part in segment if isinstance(part, Parameter)]
    pattern = "".join("(.+)" if isinstance(part, Parameter) else re.escape(part) for part in segment)
    matched = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
    if matched is not None:
        return {part.name: value for part, value in zip(parameters, matched.groups(), strict=True)}
    last = segment[-1]
    if isinstance(last, Parameter) and last.optional and segment[-2] == ".":
        return _match_segment(segment[:-2], text)
    return None


_TOKEN = re.compile(
    r"(?P<separator>/)|\{(?P<parameter>(?:\{\{|\}\}|[^{}])*)\}|(?P<literal>(?:\{\{|\}\}|[^{}/])+)|.",
    re.DOTALL,
)
"""`{{` and `}}` are escaped braces; a regular expression in a parameter may contain slashes."""


def parse(text: str) -> Template:
    """Raises TemplateError with the message of ASP.NET."""
    if text.startswith(("/", "~")):
        raise TemplateError(
            f"The route template '{text}' is not valid: it cannot start with '{text[0]}', "
            f"as the host puts the route prefix and a '/' before it."
        )
    segments = tuple(_parse_segments(text))
    parameters = names(segments)
    for at, name in enumerate(parameters):
        if name.lower() in map(str.lower, parameters[:at]):
            raise TemplateError(
                f"The route parameter name '{name}' appears more than one time in the route "
                f"template '{text}'."
            )
    for segment in segments[:-1]:
        if any(isinstance(part, Parameter) and part.catch_all for part in segment):
            raise TemplateError(
                f"A catch-all parameter can only appear as the last segment of the route template '{text}'."
            )
    return segments


def _parse_segments(template: str) -> Iterator[Segment]:
    parts: list[Part] = []
    for token in _TOKEN.finditer(template):
        if token["separator"]:
            yield _checked_segment(parts, template)
            parts = []
        elif token["parameter"] is not None:
            if parts and isinstance(parts[-1], Parameter):
                raise TemplateError(
                    f"A path segment of the route template '{template}' cannot contain two consecutive "
                    f"parameters. They must be separated by a '/' or by a literal string."
                )
            parts.append(_parse_parameter(_unescape(token["parameter"]), template))
        elif token["literal"]:
            if "?" in token["literal"]:
                raise TemplateError(
                    f"The literal section '{token['literal']}' of the route template '{template}' is invalid."
                )
            parts.append(_unescape(token["literal"]))
        else:
            raise TemplateError(
                f"There is an incomplete parameter in the route template '{template}'. Check that each '{{' "
                f"character has a matching '}}' character, and that braces in a regular expression are "
                f"doubled."
            )
    if parts:
        yield _checked_segment(parts, template)


def _unescape(text: str) -> str:
    return text.replace("}}", "}").replace("{{", "{")


def _checked_segment(parts: Sequence[Part], template: str) -> Segment:
    if not parts:
        raise TemplateError(
            f"The route template separator character '/' cannot appear consecutively in '{template}'. "
            f"It must be separated by either a parameter or a literal value."
        )
    for at, part in enumerate(parts):
        if not isinstance(part, Parameter) or len(parts) == 1:
            continue
        if part.catch_all:
            raise TemplateError(
                f"A path segment of the route template '{template}' that contains more than one section "
                f"cannot contain a catch-all parameter."
            )
        if part.optional and (at != len(parts) - 1 or parts[at - 1] != "."):
            raise TemplateError(
                f"In the route template '{template}' the optional parameter '{part.name}' must be at the "
                f"end of its segment, preceded by a period."
            )
    return tuple(parts)


def _parse_parameter(text: str, template: str) -> Parameter:
    stars = len(text) - len(text.lstrip("*"))
    body = text[stars:]
    optional = body.endswith("?")
    body = body.removesuffix("?")
    name = re.split("[:=]", body, maxsplit=1)[0]
    if not name or stars > 2 or re.search(r"[{}/?*]", name):
        raise TemplateError(
            f"The route parameter name '{name}' is invalid in the route template '{template}'. Names must be "
            f"non-empty and cannot contain these characters: '{{', '}}', '/', '*', '?'."
        )
    constraints, default = _split_constraints(body[len(name) :])
    if optional and (stars or default is not None):
        raise TemplateError(
            f"The parameter '{name}' of the route template '{template}' cannot be optional and "
            f"{'catch-all' if stars else 'have a default value'}."
        )
    return Parameter(
        name, tuple(_constraint(text, template) for text in constraints), optional, default, bool(stars)
    )


_INLINE_CONSTRAINT = re.compile(r":([^:=(]*(?:\(.*?(?:\)(?=[:=]|\Z)|\Z))?)", re.DOTALL)
"""As in ASP.NET, a `)` that is not followed by `:`, `=` or the end is part of the arguments."""


def _split_constraints(text: str) -> tuple[list[str], str | None]:
    """(constraints, default) of a text such as `:maxlength(64):regex(^a$)=b`."""
    constraints: list[str] = []
    at = 0
    while matched := _INLINE_CONSTRAINT.match(text, at):
        constraints.append(matched[1])
        at = matched.end()
    return [constraint for constraint in constraints if constraint], text[at + 1 :] if at < len(
        text
    ) else None


def _constraint(text: str, template: str) -> Constraint:
    name, bracket, rest = text.partition("(")
    arguments = rest.removesuffix(")") if bracket else None
    factory = _CONSTRAINTS.get(name.lower())
    if factory is None:
        raise TemplateError(
            f"Local Azure does not have the constraint '{name}' of the route template '{template}'. "
            f"It has: {', '.join(_CONSTRAINTS)}."
        )
    try:
        return factory(arguments)
    except (ValueError, re.error) as error:
        raise TemplateError(
            f"The constraint '{text}' in the route template '{template}' is not valid: {error}"
        ) from error


_Factory = Callable[[str | None], Constraint]


def _length(value: str) -> int:
    """The length in UTF-16 code units, as .NET counts."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2


def _bounds(kind: str) -> _Factory:
    """`kind`: `low`, `high` or `both`; `length(5)` is both with one number."""

    def make(arguments: str | None) -> Constraint:
        numbers = [int(part) for part in (arguments or "").split(",")]
        if len(numbers) > (2 if kind == "both" else 1):
            raise ValueError("too many arguments")
        low = numbers[0] if kind != "high" else 0
        high = numbers[-1] if kind != "low" else sys.maxsize
        if low > high:
            raise ValueError(f"{low} is more than {high}")
        return lambda value: low <= _length(value) <= high

    return make


def _regex(arguments: str | None) -> Constraint:
    """Searches the value, ignoring case.

    .NET stops after 10 s; Python cannot, so a pattern with catastrophic backtracking hangs here.
    """
    if arguments is None:
        raise ValueError("a regular expression is missing")
    text = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", arguments)
    # \Z of .NET also matches before a final newline; \z of .NET is \Z of Python.
    text = text.replace("\\Z", "(?=\\n?\\z)").replace("\\z", "\\Z")
    pattern = re.compile(text, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


_CONSTRAINTS: Mapping[str, _Factory] = {
    "minlength": _bounds("low"),
    "maxlength": _bounds("high"),
    "length": _bounds("both"),
    "regex": _regex,
}
