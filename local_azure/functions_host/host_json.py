"""`host.json`: the properties that local Azure supports."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

LEVELS: Mapping[str, int] = {
    "trace": 5,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


class HostJsonError(ValueError):
    """host.json is missing or invalid; the message contains every problem."""


@dataclass(frozen=True)
class HostJson:
    route_prefix: str = "api"
    bundle_id: str | None = None
    bundle_range: str = ""
    log_levels: Mapping[str, int] = field(default_factory=dict[str, int])
    """The lowest level that is logged by category; `default` for the other categories."""

    def logs(self, category: str, level: int) -> bool:
        """Whether an entry is logged: the longest matching prefix decides, as in .NET logging."""
        best, lowest = "", logging.INFO
        for name, limit in self.log_levels.items():
            if name.lower() == "default" and not best:
                lowest = limit
            elif category.lower().startswith(name.lower()) and len(name) > len(best):
                best, lowest = name, limit
        return level >= lowest


def load(root: Path) -> HostJson:
    try:
        text = (root / "host.json").read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise HostJsonError(
            "host.json is missing: it must be at the root of the zip, not in a folder."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise HostJsonError(f"host.json cannot be read: {error}") from error
    return parse(text)


def parse(text: str) -> HostJson:
    try:
        content: object = json.loads(text)
    except ValueError as error:
        raise HostJsonError(f"host.json is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise HostJsonError("host.json must contain a JSON object.")
    whole = cast("dict[str, Any]", content)
    problems: list[str] = []

    def section(path: str) -> dict[str, Any]:
        members = whole
        for name in path.split("."):
            value: object = members.get(name, {})
            if not isinstance(value, dict):
                problems.append(f'"{path}" must be an object, but "{name}" is {value!r}')
                return {}
            members = cast("dict[str, Any]", value)
        return members

    if whole.get("version") != "2.0":
        problems.append(f'"version" must be "2.0", not {whole.get("version")!r}')
    prefix = section("extensions.http").get("routePrefix", "api")
    if not isinstance(prefix, str):
        problems.append(f'"extensions.http.routePrefix" must be a string, not {prefix!r}')
    bundle = section("extensionBundle")
    if bundle and not (isinstance(bundle.get("id"), str) and isinstance(bundle.get("version"), str)):
        problems.append('"extensionBundle" needs the strings "id" and "version"')
    levels = section("logging.logLevel")
    for category, level in levels.items():
        if str(level).lower() not in LEVELS:
            problems.append(
                f'"logging.logLevel.{category}" is {level!r}, expected one of {", ".join(LEVELS)}'
            )
    if problems:
        raise HostJsonError(f"host.json is not valid: {'; '.join(problems)}.")
    return HostJson(
        str(prefix),
        bundle.get("id"),
        str(bundle.get("version", "")),
        {category: LEVELS[str(level).lower()] for category, level in levels.items()},
    )
