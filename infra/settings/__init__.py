"""The stack's settings: declared once (declarations.py), read once, checked before the first resource."""

from infra.settings.declarations import SETTINGS, HostSettings, LogSettings, ModelSettings, Settings
from infra.settings.reading import parse, python_version_of, python_warnings, read, today
from infra.settings.schema import InvalidSettingsError, Problem, app_settings_of

__all__ = [
    "SETTINGS",
    "HostSettings",
    "InvalidSettingsError",
    "LogSettings",
    "ModelSettings",
    "Problem",
    "Settings",
    "app_settings_of",
    "parse",
    "python_version_of",
    "python_warnings",
    "read",
    "today",
]
