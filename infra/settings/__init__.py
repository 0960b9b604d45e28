"""The stack's settings: read once, checked before anything is made."""

from infra.settings.reading import (
    KEYS,
    NAME_SUFFIX,
    HostSettings,
    LogSettings,
    ModelSettings,
    Settings,
    own_keys,
    parse,
    python_version_of,
    read,
)

__all__ = [
    "KEYS",
    "NAME_SUFFIX",
    "HostSettings",
    "LogSettings",
    "ModelSettings",
    "Settings",
    "own_keys",
    "parse",
    "python_version_of",
    "read",
]
