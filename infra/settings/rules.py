"""What the text of one setting must satisfy to become a value. Pure; combinations stand in settings.py.

A rule is a function from text, as the engine hands it over (arrays and objects are JSON),
to a value. It raises `RefusedError`, which carries the commands that mend the stack's config.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, cast

from infra.stacks import PULL_REQUEST_TAG

HttpAuthLevel = Literal["function", "anonymous"]

INSTRUCTIONS_LIMIT = 32_768
"""UTF-16 units of a string property in Azure Table storage, where instructions end up."""

OWN_TAGS = ("project", "stack", PULL_REQUEST_TAG)
"""Tags that the program sets itself, the last one only in the stack of a pull request."""

Command = tuple[str, ...]
"""Arguments of `pulumi config`."""


class RefusedError(ValueError):
    """A value breaks `rule`. `mends` are steps: (new text, or None to remove; path below the key)."""

    def __init__(self, rule: str, *mends: tuple[str | None, str]) -> None:
        super().__init__(rule)
        self.rule, self.mends = rule, mends or ((None, ""),)

    def commands(self, key: str) -> tuple[Command, ...]:
        return tuple(command(key, text, path) for text, path in self.mends)


def command(key: str, text: str | None, path: str = "") -> Command:
    """`set` where there is a text, else `rm`; of the whole key or of a path below it, as `.http` or `[0]`."""
    where = ("--path", f"{key}{path}") if path else (key,)
    return ("rm", *where) if text is None else ("set", *where, text)


def nearest(text: str, options: Collection[str]) -> str | None:
    """The option that looks most like the text, or None where none is near."""
    by_lower = {option.lower(): option for option in options}
    matches = get_close_matches(text.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        meant = "true" if text.lower() in ("yes", "on", "1", "true") else "false"
        raise RefusedError("must be true or false", (meant, ""))
    return text == "true"


def integer(lowest: int, highest: int, unit: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None
        if value is None or not lowest <= value <= highest:
            better = lowest if value is None else min(max(value, lowest), highest)
            raise RefusedError(
                f"must be a whole number of {unit} from {lowest} to {highest}", (str(better), "")
            )
        return value

    return read


def integer_of(allowed: Sequence[int], unit: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
        if value is None or value not in allowed:
            better = allowed[0] if value is None else min(allowed, key=lambda option: abs(option - value))
            raise RefusedError(f"must be one of {', '.join(map(str, allowed))} ({unit})", (str(better), ""))
        return value

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            better = nearest(text, allowed) or allowed[0]
            raise RefusedError(f"must be one of {', '.join(allowed)}", (better, ""))
        return text

    return read


def auth_level(text: str) -> HttpAuthLevel:
    return cast("HttpAuthLevel", one_of("function", "anonymous")(text))


def region(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]{2,40}", text):
        better = re.sub(r"[^a-z0-9]", "", text.lower())  # "East US 2" is how the portal shows eastus2
        raise RefusedError(
            "must be the short name of an Azure region, as eastus2 (az account list-locations -o table)",
            (better if re.fullmatch(r"[a-z][a-z0-9]{2,40}", better) else "eastus2", ""),
        )
    return text


def optional_region(text: str) -> str:
    return region(text) if text else ""


def regions(text: str) -> tuple[str, ...]:
    names = texts(text, "a list of regions")
    for index, name in enumerate(names):
        try:
            region(name)
        except RefusedError as refused:
            ((better, _), *_) = refused.mends
            raise RefusedError(f"has {name!r}: {refused.rule}", (better, f"[{index}]")) from refused
    return names


def suffix(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{0,8}", text):
        better = re.sub(r"[^a-z0-9]", "", text.lower())[:8]
        raise RefusedError("must be at most 8 lower-case letters and digits", (better or None, ""))
    return text


def instructions(text: str) -> str:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if units > INSTRUCTIONS_LIMIT:
        raise RefusedError(f"must be at most {INSTRUCTIONS_LIMIT} UTF-16 units, has {units}")
    if text and not text.strip():
        raise RefusedError("must say something, or be empty for the function app's own instructions")
    if "\0" in text:
        raise RefusedError("must not hold a NUL character, which no environment variable can carry")
    return text


def temperature(text: str) -> str:
    if not re.fullmatch(r"[01](\.[0-9]{1,2})?|2(\.0{1,2})?", text):
        raise RefusedError("must be a number from 0 to 2 with at most two decimals, as 0.5", ("0.5", ""))
    return text


def always_ready(text: str) -> Mapping[str, int]:
    groups = _json(text, dict, "a map of scale group to number of instances", (None, ""), ("1", ".http"))
    for name, count in groups.items():
        # ARM answers in lower case, and another spelling would differ for ever (azure-rest-api-specs #33095).
        if not re.fullmatch(r"http|blob|durable|function:[a-z][a-z0-9_\-]{0,127}", name):
            rule = f"has group {name!r}: must be http, blob, durable or function:<name>, in lower case"
            raise RefusedError(rule, (None, _member(name)), ("1", ".http"))
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1000:
            rule = f"has {json.dumps(count)} for {name}: must be a whole number from 1 to 1000"
            raise RefusedError(rule, ("1", _member(name)))
    return dict(sorted(cast("dict[str, int]", groups).items()))


ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.\-]*[a-z0-9])?(:[0-9]{1,5})?")


def origins(text: str) -> tuple[str, ...]:
    example = "https://app.example.com"
    found = _json(text, list, "a list of origins", (None, ""), (example, "[0]"))
    for index, origin in enumerate(found):
        if origin != "*" and not (isinstance(origin, str) and ORIGIN.fullmatch(origin)):
            rule = f"has {origin!r}: must be * or scheme://host[:port] in lower case, with nothing after it"
            raise RefusedError(rule, (_origin_in(str(origin)) or example, f"[{index}]"))
        if origin in found[:index]:
            raise RefusedError(f"has {origin!r} twice", (None, f"[{index}]"))
    if "*" in found and len(found) > 1:
        rule = "must be only * or only named origins: * beside others lets every page call"
        raise RefusedError(rule, (None, f"[{found.index('*')}]"))
    return tuple(cast("list[str]", found))


def texts(text: str, what: str) -> tuple[str, ...]:
    """A JSON list of strings; `what` says of which."""
    found = _json(text, list, what)
    for index, one in enumerate(found):
        if not isinstance(one, str):
            raise RefusedError(f"has {json.dumps(one)[:40]}: must be {what}, as text", (None, f"[{index}]"))
    return tuple(cast("list[str]", found))


def tags(text: str) -> Mapping[str, str]:
    """Limits of "Use tags to organize your Azure resources" on Microsoft Learn, as for storage accounts."""
    found = _json(text, dict, "a map of name to text", (None, ""), ("someone", ".owner"))
    most = 50 - len(OWN_TAGS)
    if len(found) > most:
        raise RefusedError(
            f"must hold at most {most} tags, has {len(found)}", (None, _member(list(found)[-1]))
        )
    seen: set[str] = set()
    for name, value in found.items():
        gone = (None, _member(name))
        if not re.fullmatch(r"[^<>%&\\?/\x00-\x1f]{1,128}", name):
            raise RefusedError(f"has {name!r}: a name is 1 to 128 characters without < > % & \\ ? /", gone)
        if name.lower().startswith(("microsoft", "azure", "windows")):
            raise RefusedError(f"has {name!r}: microsoft, azure and windows are reserved beginnings", gone)
        if name.lower() in map(str.lower, OWN_TAGS):
            raise RefusedError(f"has {name!r}, which the program sets itself", gone)
        if name.lower() in seen:
            raise RefusedError(f"has {name!r} twice: names ignore case", gone)
        if not isinstance(value, str | int | float) or len(_tag_text(value)) > 256:
            raise RefusedError(
                f"has {json.dumps(value)[:40]} for {name}: must be text of at most 256 characters", gone
            )
        seen.add(name.lower())
    return {name: _tag_text(value) for name, value in found.items()}


def _tag_text(value: object) -> str:
    """`pulumi config set --path tags.costCenter 1234` stores a number; the tag is its text."""
    return value if isinstance(value, str) else json.dumps(value)


J = TypeVar("J", dict[str, Any], list[Any])


def _json(text: str, kind: type[J], what: str, *mends: tuple[str | None, str]) -> J:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise RefusedError(f"must be {what}", *mends)
    return value


def _member(name: str) -> str:
    """The path of an object's member, as `pulumi config --path` reads it."""
    return f".{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f"[{json.dumps(name)}]"


def _origin_in(text: str) -> str | None:
    found = ORIGIN.search(text.lower())
    return found[0] if found and text.lower().startswith(found[0]) else None
