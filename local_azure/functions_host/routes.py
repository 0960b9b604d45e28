"""Parses and matches route templates as ASP.NET does.

Follows `RoutePatternParser`, `RouteParameterParser` and `RoutePatternMatcher`: literals ignore case, one
trailing slash is ignored, an empty segment matches nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
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


Segment = str | Parameter
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


def find(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """The first route that matches the method and the decoded path."""
    for route in routes:
        if not route.methods or method.upper() in route.methods:
            values = match(route.template, path)
            if values is not None:
                return Match(route, values)
    return None


def names(template: Template) -> list[str]:
    return [segment.name for segment in template if isinstance(segment, Parameter)]


def match(template: Template, path: str) -> dict[str, str] | None:
    """Route values for a decoded path such as `/api/assistants/a`, or None."""
    rest = path.removeprefix("/")
    segments = rest.removesuffix("/").split("/") if rest else []
    values: dict[str, str] = {}
    for at, expected in enumerate(template):
        text = segments[at] if at < len(segments) else None
        if text == "":
            return None
        if isinstance(expected, str):
            if text is None or text.upper() != expected.upper():
                return None
            continue
        if expected.catch_all:
            # With all that follows: empty segments and a trailing slash.
            text = "/".join(rest.split("/")[at:]) or None
        if text is None:
            text = expected.default
        if text is None and not (expected.optional or expected.catch_all):
            return None
        if text is not None:
            if not all(constraint(text) for constraint in expected.constraints):
                return None
            values[expected.name] = text
    is_open = bool(template) and isinstance(template[-1], Parameter) and template[-1].catch_all
    return values if is_open or len(segments) <= len(template) else None


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
    template = tuple(_segment(segment, text) for segment in _split(text))
    parameters = names(template)
    for at, name in enumerate(parameters):
        if name.lower() in map(str.lower, parameters[:at]):
            raise TemplateError(
                f"The route parameter name '{name}' appears more than one time in the route "
                f"template '{text}'."
            )
    if any(isinstance(segment, Parameter) and segment.catch_all for segment in template[:-1]):
        raise TemplateError(
            f"A catch-all parameter can only appear as the last segment of the route template '{text}'."
        )
    return template


def _split(template: str) -> list[list[re.Match[str]]]:
    """The tokens of each segment."""
    segments: list[list[re.Match[str]]] = [[]] if template else []
    for token in _TOKEN.finditer(template):
        if token["separator"]:
            segments.append([])
        else:
            segments[-1].append(token)
    return segments[:-1] if segments and not segments[-1] else segments


def _segment(tokens: Sequence[re.Match[str]], template: str) -> Segment:
    if not tokens:
        raise TemplateError(
            f"The route template separator character '/' cannot appear consecutively in '{template}'. "
            f"It must be separated by either a parameter or a literal value."
        )
    if any(token.lastgroup is None for token in tokens):
        raise TemplateError(
            f"There is an incomplete parameter in the route template '{template}'. Check that each '{{' "
            f"character has a matching '}}' character, and that braces in a regular expression are doubled."
        )
    if len(tokens) > 1:
        raise TemplateError(
            f"Local Azure does not have segments of several parts, as in the route template '{template}'. "
            f"A segment is a parameter or a literal."
        )
    if tokens[0]["parameter"] is not None:
        return _parse_parameter(_unescape(tokens[0]["parameter"]), template)
    if "?" in tokens[0]["literal"]:
        raise TemplateError(
            f"The literal section '{tokens[0]['literal']}' of the route template '{template}' is invalid."
        )
    return _unescape(tokens[0]["literal"])


def _unescape(text: str) -> str:
    return text.replace("}}", "}").replace("{{", "{")


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


def _length(value: str) -> int:
    """The length in UTF-16 code units, as .NET counts."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2


def _maxlength(arguments: str | None) -> Constraint:
    limit = int(arguments or "")
    return lambda value: _length(value) <= limit


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


_CONSTRAINTS: Mapping[str, Callable[[str | None], Constraint]] = {"maxlength": _maxlength, "regex": _regex}
