"""The extension bundles and their binding types.

Nothing is downloaded: the versions are those of Azure/azure-functions-extension-bundles (#720, #758).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

GENERAL = "Microsoft.Azure.Functions.ExtensionBundle"
PREVIEW = "Microsoft.Azure.Functions.ExtensionBundle.Preview"
EXPERIMENTAL = "Microsoft.Azure.Functions.ExtensionBundle.Experimental"

EMULATED_OPENAI = "0.19.0-alpha"
"""The version of the OpenAI extension whose assistant bindings local Azure emulates."""

BUILT_IN_TYPES = frozenset({"httptrigger", "http", "timertrigger"})
"""Binding types that the host has without a bundle, in lower case."""

OPENAI_TYPES = frozenset(
    {
        "assistantcreate",
        "assistantpost",
        "assistantquery",
        "assistantskilltrigger",
        "embeddings",
        "embeddingsstore",
        "semanticsearch",
        "textcompletion",
    }
)

_OPENAI: Mapping[str, Mapping[str, str | None]] = {
    # Version of the bundle: version of the OpenAI extension in it; None: not in it.
    GENERAL: {"4.38.0": None},
    PREVIEW: {"4.44.0": "0.19.0-alpha", "4.45.0": "0.19.0-alpha", "4.48.0": "0.21.0-alpha"},
    EXPERIMENTAL: {"4.45.0": "0.19.0-alpha", "4.48.0": "0.21.0-alpha"},
}

_Version = tuple[int, ...]


class BundleError(ValueError):
    """An `extensionBundle` section that no known bundle satisfies."""


@dataclass(frozen=True)
class Bundle:
    id: str
    version: str
    openai: str | None
    """Version of the OpenAI extension in it, or None."""

    @property
    def types(self) -> frozenset[str]:
        return BUILT_IN_TYPES | OPENAI_TYPES if self.openai else BUILT_IN_TYPES


def resolve(bundle_id: str, version_range: str) -> Bundle:
    """The newest bundle in the range (`[4.45.0, 4.46.0)`, `[4.*, 5.0.0)`). Raises BundleError."""
    known = next((name for name in _OPENAI if name.lower() == bundle_id.lower()), None)
    if known is None:
        raise BundleError(
            f"host.json: extensionBundle.id {bundle_id!r} is unknown; bundles are {', '.join(_OPENAI)}."
        )
    inside = [version for version in _OPENAI[known] if _contains(version_range, _bound(version))]
    if not inside:
        raise BundleError(
            f"host.json: no version of {known} known to local Azure lies in {version_range!r}; "
            f"it knows {', '.join(_OPENAI[known])}."
        )
    newest = max(inside, key=_bound)
    return Bundle(known, newest, _OPENAI[known][newest])


def _contains(version_range: str, version: _Version) -> bool:
    limits = re.fullmatch(r"([\[(])\s*([\d.*]*)\s*(?:,\s*([\d.*]*)\s*)?([\])])", version_range.strip())
    if limits is None:
        raise BundleError(
            f"host.json: extensionBundle.version {version_range!r} is not a range such as [4.45.0, 4.46.0)."
        )
    opening, low, high, closing = limits.groups()
    if high is None:
        return version == _bound(low)
    is_above = not low or version > _bound(low) or (opening == "[" and version == _bound(low))
    is_below = not high or version < _bound(high) or (closing == "]" and version == _bound(high))
    return is_above and is_below


def _bound(text: str) -> _Version:
    return tuple(int(part) for part in text.split(".") if part not in ("*", ""))
