"""App settings as .NET configuration: names ignore case, and `__` separates sections."""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"%([^%\s]+)%")


class MissingSettingError(ValueError):
    """A binding contains `%NAME%`, but there is no app setting of that name."""


class Configuration:
    def __init__(self, settings: Mapping[str, str]) -> None:
        self._values = {_key(name): value for name, value in settings.items()}

    def get(self, name: str) -> str | None:
        """`AzureWebJobsStorage`, `AzureWebJobsStorage__clientId` or the same with `:`."""
        return self._values.get(_key(name))

    def has_section(self, section_name: str) -> bool:
        """Whether the setting itself or one below it is set."""
        section = _key(section_name)
        return any(name == section or name.startswith(f"{section}:") for name in self._values)

    def resolve(self, text: str) -> str:
        """The text with each `%NAME%` replaced. Raises MissingSettingError."""

        def value_of(placeholder: re.Match[str]) -> str:
            name = placeholder[1]
            value = self.get(name)
            if value is None:
                raise MissingSettingError(
                    f"'%{name}%' does not resolve to a value: the site has no app setting {name!r}."
                )
            return value

        return _PLACEHOLDER.sub(value_of, text)

    def is_disabled(self, function: str) -> bool:
        """By the app setting `AzureWebJobs.NAME.Disabled`; Linux also accepts `_` or `__` as separators."""
        names = (f"AzureWebJobs{dot}{function}{dot}Disabled" for dot in (".", "_", "__"))
        return any((self.get(name) or "").lower() in ("true", "1") for name in names)


def _key(name: str) -> str:
    return name.replace("__", ":").lower()
