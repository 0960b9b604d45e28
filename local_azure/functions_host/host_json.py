"""`host.json`: the properties that local Azure supports, with the extension bundle that it names.

No bundle is downloaded: the versions are those of Azure/azure-functions-extension-bundles (#720, #758).
"""

import json
import logging
import re
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

EMULATED_OPENAI = "0.19.0-alpha"
"""The version of the OpenAI extension whose assistant bindings local Azure emulates."""

_BUNDLES: Mapping[str, Mapping[str, str | None]] = {
    # Version of the bundle: version of the OpenAI extension in it; None: not in it.
    "Microsoft.Azure.Functions.ExtensionBundle": {"4.38.0": None},
    "Microsoft.Azure.Functions.ExtensionBundle.Preview": {
        "4.44.0": "0.19.0-alpha",
        "4.45.0": "0.19.0-alpha",
        "4.48.0": "0.21.0-alpha",
    },
}
_RANGE = re.compile(r"([\[(])\s*([\d.*]+)\s*(?:,\s*([\d.*]*)\s*)?([\])])")


class HostJsonError(ValueError):
    """host.json is missing or invalid; the message contains every problem."""


@dataclass(frozen=True)
class Bundle:
    id: str
    version: str
    openai: str | None
    """Version of the OpenAI extension in it, or None."""


@dataclass(frozen=True)
class HostJson:
    route_prefix: str = "api"
    bundle: Bundle | None = None
    log_levels: Mapping[str, int] = field(default_factory=dict[str, int])
    """The lowest level that is logged by category; `default` for the other categories."""

    def logs(self, category: str, level: int) -> bool:
        """Whether an entry is logged: the longest matching prefix decides, as in .NET logging."""
        levels = {name.lower(): limit for name, limit in self.log_levels.items()}
        matching = [name for name in levels if category.lower().startswith(name)]
        return level >= levels.get(max(matching, key=len, default="default"), logging.INFO)


def load(root: Path) -> HostJson:
    """Raises HostJsonError."""
    try:
        return parse((root / "host.json").read_bytes())
    except FileNotFoundError:
        raise HostJsonError(
            "host.json is missing: it must be at the root of the zip, not in a folder."
        ) from None


def parse(text: str | bytes) -> HostJson:
    """Raises HostJsonError."""
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
    bundle: Bundle | None = None
    if named := section("extensionBundle"):
        try:
            bundle = resolve(str(named.get("id")), str(named.get("version")))
        except ValueError as error:
            problems.append(str(error))
    levels = {category: str(level) for category, level in section("logging.logLevel").items()}
    problems += [
        f'"logging.logLevel.{category}" is {level!r}, expected one of {", ".join(LEVELS)}'
        for category, level in levels.items()
        if level.lower() not in LEVELS
    ]
    if problems:
        raise HostJsonError(f"host.json is not valid: {'; '.join(problems)}.")
    return HostJson(
        str(prefix), bundle, {category: LEVELS[level.lower()] for category, level in levels.items()}
    )


def resolve(bundle_id: str, version_range: str) -> Bundle:
    """The newest bundle in the range (`[4.45.0, 4.46.0)`, `[4.*, 5.0.0)`). Raises ValueError."""
    known = {name.lower(): name for name in _BUNDLES}.get(bundle_id.lower())
    if known is None:
        raise ValueError(f'"extensionBundle.id" {bundle_id!r} is unknown; bundles are {", ".join(_BUNDLES)}')
    limits = _RANGE.fullmatch(version_range.strip())
    if limits is None:
        raise ValueError(
            f'"extensionBundle.version" {version_range!r} is not a range such as [4.45.0, 4.46.0)'
        )
    opening, low, high, closing = limits.groups()
    high = low if high is None else high  # [4.45.0] is one version

    def contains(version: str) -> bool:
        is_above = _parts(version) > _parts(low) or (opening == "[" and version == low)
        return is_above and (
            not high or _parts(version) < _parts(high) or (closing == "]" and version == high)
        )

    inside = [version for version in _BUNDLES[known] if contains(version)]
    if not inside:
        raise ValueError(
            f"no version of {known} known to local Azure lies in {version_range!r}; "
            f"it knows {', '.join(_BUNDLES[known])}"
        )
    newest = max(inside, key=_parts)
    return Bundle(known, newest, _BUNDLES[known][newest])


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part not in ("*", ""))
