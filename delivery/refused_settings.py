"""App settings that no site may have: each of them takes the place of the app's identity at the model.

Source: OpenAIClientFactory.cs of the extension; both effects were recorded with the real extension. It reads
the first two as environment variables, and the last one in any case.
"""

from collections.abc import Iterable

_ANOTHER_COMPANY = "sends whole conversations to api.openai.com, another company"
_KEY = "signs in to the model by a key, not by the identity"

REFUSED_SETTINGS = {
    "OPENAI_API_KEY": _ANOTHER_COMPANY,
    "AZURE_OPENAI_KEY": _KEY,
    "AZUREOPENAI__KEY": _KEY,
}
"""Name in upper case to what the setting does."""


def refused_settings(names: Iterable[str]) -> dict[str, str]:
    """Those of the names, as they are written, that are refused in any case, and what each one does."""
    effects = {name: REFUSED_SETTINGS.get(name.upper().replace(":", "__")) for name in names}
    return {name: effect for name, effect in sorted(effects.items()) if effect is not None}


def removal_command(site_id: str, names: Iterable[str]) -> str:
    """The command that removes the settings from the site with this ARM id; the site then starts again."""
    parts = site_id.split("/")
    group, site = (parts[4], parts[-1]) if len(parts) > 8 else ("GROUP", "SITE")
    return (
        f"az functionapp config appsettings delete --resource-group {group} --name {site} "
        f"--setting-names {' '.join(sorted(names))}"
    )
