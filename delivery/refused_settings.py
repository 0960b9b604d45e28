"""App settings that no site may have: each of them replaces the app's identity for calls to the model.

Source: OpenAIClientFactory.cs of the extension; both effects were recorded with the real extension. It reads
the first two as environment variables, and the last one in any letter case.
"""

from collections.abc import Iterable

_ANOTHER_COMPANY = "sends whole conversations to api.openai.com, another company"
_KEY = "makes the app use a key for the model instead of its identity"

REFUSED_SETTINGS = {
    "OPENAI_API_KEY": _ANOTHER_COMPANY,
    "AZURE_OPENAI_KEY": _KEY,
    "AZUREOPENAI__KEY": _KEY,
}
"""The effect of each setting, by its name in upper case."""


def refused_settings(names: Iterable[str]) -> dict[str, str]:
    """The effects of the settings that are refused, in any letter case, by their names as written."""
    effects = {name: REFUSED_SETTINGS.get(name.upper().replace(":", "__")) for name in names}
    return {name: effect for name, effect in sorted(effects.items()) if effect is not None}


def removal_command(site_id: str, names: Iterable[str]) -> str:
    """The command that removes the settings from the site with this ARM id, which restarts the site."""
    parts = site_id.split("/")
    group, site = (parts[4], parts[-1]) if len(parts) > 8 else ("GROUP", "SITE")
    return (
        f"az functionapp config appsettings delete --resource-group {group} --name {site} "
        f"--setting-names {' '.join(sorted(names))}"
    )
