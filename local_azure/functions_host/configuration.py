"""App settings as .NET configuration sees them: names without regard to case, `__` for sections."""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"%([^%\s]+)%")


class MissingSettingError(ValueError):
    """`%NAME%` in a binding, and no app setting of that name."""


class Configuration:
    def __init__(self, settings: Mapping[str, str]) -> None:
        self._values = {_key(name): value for name, value in settings.items()}

    def get(self, name: str) -> str | None:
        """`AzureWebJobsStorage`, `AzureWebJobsStorage__clientId` or the same with `:`."""
        return self._values.get(_key(name))

    def has_section(self, name: str) -> bool:
        """Whether `NAME` or anything below it is set."""
        section = _key(name)
        return any(one == section or one.startswith(f"{section}:") for one in self._values)

    def resolve(self, text: str) -> str:
        """The text with each `%NAME%` replaced. Raises MissingSettingError."""

        def value_of(found: re.Match[str]) -> str:
            value = self.get(found.group(1))
            if value is None:
                raise MissingSettingError(
                    f"'%{found.group(1)}%' does not resolve to a value: "
                    f"the site has no app setting {found.group(1)!r}."
                )
            return value

        return _PLACEHOLDER.sub(value_of, text)

    def is_disabled(self, function: str) -> bool:
        """`AzureWebJobs.NAME.Disabled`; Linux also takes `_` and `__` for the periods."""
        names = (f"AzureWebJobs{dot}{function}{dot}Disabled" for dot in (".", "_", "__"))
        return any((self.get(name) or "").lower() in ("true", "1") for name in names)


def _key(name: str) -> str:
    return name.replace("__", ":").lower()
