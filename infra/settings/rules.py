"""What the text of one setting must satisfy, and the value that it becomes. Pure.

Rules over several settings are in combinations.py.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, Literal, TypeVar, cast

from infra.stacks import PULL_REQUEST_TAG

HttpAuthLevel = Literal["function", "anonymous"]

INSTRUCTIONS_LIMIT = 32_768
"""UTF-16 units of a string property in Azure Table storage, where instructions end up."""

OWN_TAGS = ("project", "stack", PULL_REQUEST_TAG)
"""Tags that the program sets itself, the last one only in the stack of a pull request."""

Command = tuple[str, ...]
"""Arguments of `pulumi config`."""

T = TypeVar("T")


@dataclass(frozen=True)
class Rule(Generic[T]):
    """`text` completes "must be ...", and is empty if every text is valid.

    `parse` takes text as the engine passes it (arrays and objects are JSON). It raises `InvalidValueError`.
    """

    text: str
    parse: Callable[[str], T]


def rule(text: str) -> Callable[[Callable[[str], T]], Rule[T]]:
    return lambda parse: Rule(text, parse)


class InvalidValueError(ValueError):
    """A value breaks `rule`. `fixes` are steps: (new text, or None to remove; path below the key)."""

    def __init__(self, rule: str, *fixes: tuple[str | None, str]) -> None:
        super().__init__(rule)
        self.rule, self.fixes = rule, fixes or ((None, ""),)

    def commands(self, key: str) -> tuple[Command, ...]:
        return tuple(command(key, text, path) for text, path in self.fixes)


def command(key: str, text: str | None, path: str = "") -> Command:
    """`set` if there is a text, else `rm`; of the whole key or of a path below it, as `.http` or `[0]`."""
    target = ("--path", f"{key}{path}") if path else (key,)
    return ("rm", *target) if text is None else ("set", *target, text)


def to_text(value: object) -> str:
    """A value of YAML as the text that the engine passes for it: JSON, but a string as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def nearest(text: str, options: Collection[str]) -> str | None:
    """The option that is most similar to the text, or None if none is similar."""
    by_lower = {option.lower(): option for option in options}
    matches = get_close_matches(text.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


any_text = Rule("", str)


@rule("true or false")
def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        meant = "true" if text.lower() in ("yes", "on", "1", "true") else "false"
        raise InvalidValueError(f"must be {boolean.text}", (meant, ""))
    return text == "true"


def integer(lowest: int, highest: int, unit: str) -> Rule[int]:
    rule_text = f"a whole number of {unit} from {lowest} to {highest}"

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None
        if value is None or not lowest <= value <= highest:
            better = lowest if value is None else min(max(value, lowest), highest)
            raise InvalidValueError(f"must be {rule_text}", (str(better), ""))
        return value

    return Rule(rule_text, parse)


def integer_of(allowed: Sequence[int], unit: str) -> Rule[int]:
    rule_text = f"one of {', '.join(map(str, allowed))} ({unit})"

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
        if value is None or value not in allowed:
            better = allowed[0] if value is None else min(allowed, key=lambda option: abs(option - value))
            raise InvalidValueError(f"must be {rule_text}", (str(better), ""))
        return value

    return Rule(rule_text, parse)


def one_of(*allowed: str) -> Rule[str]:
    rule_text = f"one of {', '.join(allowed)}"

    def parse(text: str) -> str:
        if text not in allowed:
            better = nearest(text, allowed) or allowed[0]
            raise InvalidValueError(f"must be {rule_text}", (better, ""))
        return text

    return Rule(rule_text, parse)


auth_level = cast("Rule[HttpAuthLevel]", one_of("function", "anonymous"))


@rule("the short name of an Azure region, as eastus2 (az account list-locations -o table)")
def region(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]{2,40}", text):
        better = re.sub(r"[^a-z0-9]", "", text.lower())  # "East US 2" is what the portal displays for eastus2
        usable = re.fullmatch(r"[a-z][a-z0-9]{2,40}", better)
        raise InvalidValueError(f"must be {region.text}", (better if usable else "eastus2", ""))
    return text


@rule(f"{region.text}, or empty")
def optional_region(text: str) -> str:
    return region.parse(text) if text else ""


@rule("a list of regions")
def regions(text: str) -> tuple[str, ...]:
    names = texts(text, regions.text)
    for index, name in enumerate(names):
        try:
            region.parse(name)
        except InvalidValueError as error:
            ((better, _), *_) = error.fixes
            raise InvalidValueError(f"has {name!r}: {error.rule}", (better, f"[{index}]")) from error
    return names


@rule("at most 8 lower-case letters and digits")
def suffix(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{0,8}", text):
        better = re.sub(r"[^a-z0-9]", "", text.lower())[:8]
        raise InvalidValueError(f"must be {suffix.text}", (better or None, ""))
    return text


@rule(f"at most {INSTRUCTIONS_LIMIT} UTF-16 units")
def instructions(text: str) -> str:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if units > INSTRUCTIONS_LIMIT:
        raise InvalidValueError(f"must be {instructions.text}, has {units}")
    if text and not text.strip():
        raise InvalidValueError(
            "must not be only white space; leave it empty for the function app's own instructions"
        )
    if "\0" in text:
        raise InvalidValueError("must not contain a NUL character, which no environment variable can carry")
    return text


@rule("a number from 0 to 2 with at most two decimals, as 0.5")
def temperature(text: str) -> str:
    if not re.fullmatch(r"[01](\.[0-9]{1,2})?|2(\.0{1,2})?", text):
        raise InvalidValueError(f"must be {temperature.text}", ("0.5", ""))
    return text


@rule("a map of scale group to number of instances")
def always_ready(text: str) -> Mapping[str, int]:
    groups = _json(text, dict, always_ready.text, (None, ""), ("1", ".http"))
    for name, count in groups.items():
        # ARM returns lower case: another spelling would always be a difference (azure-rest-api-specs #33095).
        if not re.fullmatch(r"http|blob|durable|function:[a-z][a-z0-9_\-]{0,127}", name):
            reason = f"has group {name!r}: must be http, blob, durable or function:<name>, in lower case"
            raise InvalidValueError(reason, (None, _member(name)), ("1", ".http"))
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1000:
            reason = f"has {json.dumps(count)} for {name}: must be a whole number from 1 to 1000"
            raise InvalidValueError(reason, ("1", _member(name)))
    return dict(sorted(cast("dict[str, int]", groups).items()))


_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.\-]*[a-z0-9])?(:[0-9]{1,5})?")


@rule("a list of origins")
def origins(text: str) -> tuple[str, ...]:
    example = "https://app.example.com"
    values = _json(text, list, origins.text, (None, ""), (example, "[0]"))
    for index, origin in enumerate(values):
        if origin != "*" and not (isinstance(origin, str) and _ORIGIN.fullmatch(origin)):
            reason = f"has {origin!r}: must be * or scheme://host[:port] in lower case, with nothing after it"
            raise InvalidValueError(reason, (_origin_in(str(origin)) or example, f"[{index}]"))
        if origin in values[:index]:
            raise InvalidValueError(f"has {origin!r} twice", (None, f"[{index}]"))
    if "*" in values and len(values) > 1:
        reason = "must be only * or only named origins: * with others allows every page"
        raise InvalidValueError(reason, (None, f"[{values.index('*')}]"))
    return tuple(cast("list[str]", values))


def texts(text: str, what: str) -> tuple[str, ...]:
    """A JSON list of strings; `what` names it, as `a list of regions`."""
    values = _json(text, list, what)
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidValueError(
                f"has {json.dumps(value)[:40]}: must be {what}, as text", (None, f"[{index}]")
            )
    return tuple(cast("list[str]", values))


@rule("a map of name to text")
def tags(text: str) -> Mapping[str, str]:
    """Limits of "Use tags to organize your Azure resources" on Microsoft Learn, as for storage accounts."""
    values = _json(text, dict, tags.text, (None, ""), ("someone", ".owner"))
    most = 50 - len(OWN_TAGS)
    if len(values) > most:
        removal = (None, _member(list(values)[-1]))
        raise InvalidValueError(f"must have at most {most} tags, has {len(values)}", removal)
    names: set[str] = set()
    for name, value in values.items():
        removal = (None, _member(name))
        if not re.fullmatch(r"[^<>%&\\?/\x00-\x1f]{1,128}", name):
            raise InvalidValueError(
                f"has {name!r}: a name is 1 to 128 characters without < > % & \\ ? /", removal
            )
        if name.lower().startswith(("microsoft", "azure", "windows")):
            raise InvalidValueError(
                f"has {name!r}: microsoft, azure and windows are reserved prefixes", removal
            )
        if name.lower() in map(str.lower, OWN_TAGS):
            raise InvalidValueError(f"has {name!r}, which the program sets itself", removal)
        if name.lower() in names:
            raise InvalidValueError(f"has {name!r} twice: names ignore case", removal)
        if not isinstance(value, str | int | float) or len(to_text(value)) > 256:
            raise InvalidValueError(
                f"has {json.dumps(value)[:40]} for {name}: must be text of at most 256 characters", removal
            )
        names.add(name.lower())
    # `pulumi config set --path tags.costCenter 1234` stores a number.
    return {name: to_text(value) for name, value in values.items()}


J = TypeVar("J", dict[str, Any], list[Any])


def _json(text: str, kind: type[J], what: str, *fixes: tuple[str | None, str]) -> J:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise InvalidValueError(f"must be {what}", *fixes)
    return value


def _member(name: str) -> str:
    """The path of an object's member, as `pulumi config --path` reads it."""
    return f".{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f"[{json.dumps(name)}]"


def _origin_in(text: str) -> str | None:
    match = _ORIGIN.match(text.lower())
    return match[0] if match else None
