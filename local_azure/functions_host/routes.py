"""Parses and matches route templates as ASP.NET does.

Follows `RoutePatternParser`, `RouteParameterParser` and `RoutePatternMatcher`: literals ignore case, one
trailing slash is ignored, an empty segment matches nothing. Default values and segments of several parts are
not supported.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


class TemplateError(ValueError):
    """A route template that ASP.NET rejects or local Azure does not support; the function is in error."""

    def __init__(self, template: str, reason: str) -> None:
        super().__init__(f"The route template '{template}' is not valid: {reason}.")


Constraint = Callable[[str], bool]
"""Whether a value satisfies an inline constraint."""


@dataclass(frozen=True)
class Template:
    pattern: re.Pattern[str]
    """Matches a path, with a group for each parameter."""
    parameters: Mapping[str, Sequence[Constraint]]

    def match(self, path: str) -> dict[str, str] | None:
        """Route values for a decoded path such as `/api/assistants/a`, or None."""
        matched = self.pattern.fullmatch(path)
        if matched is None:
            return None
        given = zip(self.parameters, matched.groups(), strict=True)
        values = {name: value for name, value in given if value is not None}
        fits = (constraint(value) for name, value in values.items() for constraint in self.parameters[name])
        return values if all(fits) else None


@dataclass(frozen=True)
class Route:
    """A function's HTTP trigger. `methods` are upper case; an empty set means all."""

    function: str
    template: Template
    methods: frozenset[str] = frozenset()
    auth_level: str = "anonymous"
    """`anonymous`, `function` or `admin`."""
    parameter: str = "req"
    """Name of the function's parameter for the request."""


@dataclass(frozen=True)
class Match:
    route: Route
    values: Mapping[str, str]


def find(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """The first route that matches the method and the decoded path."""
    for route in routes:
        if not route.methods or method.upper() in route.methods:
            values = route.template.match(path)
            if values is not None:
                return Match(route, values)
    return None


_SEGMENT = re.compile(
    r"(?:^|/)(?:\{(?P<parameter>(?:\{\{|\}\}|[^{}])*)\}|(?P<literal>(?:\{\{|\}\}|[^{}/?])+))(?=/|$)",
    re.DOTALL,
)
"""`{{` and `}}` are escaped braces; a regular expression in a parameter may contain slashes."""

_NAME = re.compile(r"[^{}/?*:=]*")
_CONSTRAINT = re.compile(r":([^:=(]*)(?:\((.*?)(?:\)(?=[:=]|\Z)|\Z))?", re.DOTALL)
"""As in ASP.NET, a `)` that is not followed by `:`, `=` or the end is part of the arguments."""


def parse(text: str) -> Template:
    """Raises TemplateError."""
    pattern, at, parameters = "", 0, dict[str, Sequence[Constraint]]()
    is_open = False
    while at < len(text.removesuffix("/")):
        segment = _SEGMENT.match(text, at)
        if segment is None or text.startswith(("/", "~")):
            raise TemplateError(
                text,
                f"{text[at:]!r} does not begin with one literal or one parameter (the host puts a '/' at the "
                f"start itself; braces of a regular expression are doubled, as in {{{{2}}}})",
            )
        if is_open:
            raise TemplateError(text, "a catch-all parameter can only be the last segment")
        at = segment.end()
        if segment["parameter"] is None:
            pattern += "/" + re.escape(_unescape(segment["literal"]))
            continue
        name, constraints, kind = _parameter(_unescape(segment["parameter"]), text)
        if name.lower() in map(str.lower, parameters):
            raise TemplateError(text, f"the parameter {name!r} appears more than once")
        parameters[name] = constraints
        is_open = kind == "*"
        # With `*` all that follows: empty segments and a trailing slash.
        pattern += {"": "/([^/]+)", "?": "(?:/([^/]+))?", "*": "(?:/([^/].*)?)?"}[kind]
    return Template(re.compile(f"{pattern}{'' if is_open else '/?'}", re.IGNORECASE | re.DOTALL), parameters)


def _unescape(text: str) -> str:
    return text.replace("}}", "}").replace("{{", "{")


def _parameter(text: str, template: str) -> tuple[str, list[Constraint], str]:
    """Name, constraints, and `*`, `?` or the empty string."""
    stars = len(text) - len(text.lstrip("*"))
    optional = text.endswith("?")
    body = text[stars:].removesuffix("?")
    matched = _NAME.match(body)
    name = matched[0] if matched else ""
    constraints: list[Constraint] = []
    at = len(name)
    while (constraint := _CONSTRAINT.match(body, at)) is not None:
        constraints.append(_constraint(constraint[1], constraint[2] or "", template))
        at = constraint.end()
    if not name or at < len(body) or stars > 2 or (stars and optional):
        raise TemplateError(
            template,
            f"the parameter {text!r} is not a name with constraints, such as id:maxlength(64), and either "
            f"'*' before or '?' behind it (local Azure has no default values)",
        )
    return name, constraints, "*" if stars else "?" * optional


def _constraint(name: str, arguments: str, template: str) -> Constraint:
    factory = _CONSTRAINTS.get(name.lower())
    if factory is None:
        raise TemplateError(
            template, f"local Azure has no constraint {name!r}; it has {', '.join(_CONSTRAINTS)}"
        )
    try:
        return factory(arguments)
    except (ValueError, re.error) as error:
        raise TemplateError(template, f"the constraint {name!r} is not valid: {error}") from error


def _length(value: str) -> int:
    """The length in UTF-16 code units, as .NET counts."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2


def _maxlength(arguments: str) -> Constraint:
    limit = int(arguments)
    return lambda value: _length(value) <= limit


def _regex(arguments: str) -> Constraint:
    """Searches the value, ignoring case.

    .NET stops after 10 s; Python cannot, so a pattern with catastrophic backtracking hangs here.
    """
    text = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", arguments)
    # \Z of .NET also matches before a final newline; \z of .NET is \Z of Python.
    text = text.replace("\\Z", "(?=\\n?\\z)").replace("\\z", "\\Z")
    pattern = re.compile(text, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


_CONSTRAINTS: Mapping[str, Callable[[str], Constraint]] = {"maxlength": _maxlength, "regex": _regex}
