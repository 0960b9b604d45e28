"""azure-native's automatic names, and the names that Azure reserves."""

import hashlib
import secrets
import uuid
from enum import Enum

_SUFFIX_DIGITS = 8

# Docs: Resolve errors for reserved resource names.
_RESERVED = frozenset(
    {
        "access", "app_browsers", "app_code", "app_data", "app_globalresources", "app_localresources",
        "app_themes", "app_webreferences", "azure", "bing", "bizspark", "biztalk", "cortana", "directx",
        "dotnet", "dynamics", "excel", "exchange", "forefront", "groove", "hololens", "hyperv", "kinect",
        "lync", "msdn", "o365", "office", "office365", "onedrive", "onenote", "outlook", "powerpoint",
        "sharepoint", "skype", "visio", "visualstudio", "web.config", "xbox",
    }
)  # fmt: skip


def is_reserved(name: str) -> bool:
    """Whether no resource with an endpoint may have the name, a word of Microsoft's."""
    name = name.lower()
    return name in _RESERVED or name.startswith("login") or "microsoft" in name or "windows" in name


class AutoName(Enum):
    """How azure-native makes the name of a resource type (its `AutoNameKind`)."""

    RANDOM = "random"
    """Logical name and eight hex digits: resources whose parent is a resource group or a subscription."""
    COPY = "copy"
    """The logical name: children of another resource."""
    UUID = "uuid"
    """A GUID: role assignments."""
    DEFAULT = "default"
    """`default`, the only name that the type can have: service properties of a storage account."""

    @property
    def is_random(self) -> bool:
        return self in {AutoName.RANDOM, AutoName.UUID}

    @property
    def takes_proposals(self) -> bool:
        """Whether a name that the engine proposes (`pulumi:autonaming`) is taken: a GUID is not proposed."""
        return self in {AutoName.RANDOM, AutoName.COPY}


def automatic_name(strategy: AutoName, urn: str, seed: bytes) -> str:
    """The same name for the same seed; the engine keeps a resource's seed from preview to update."""
    logical_name = urn.rpartition("::")[2]
    if strategy is AutoName.COPY:
        return logical_name
    if strategy is AutoName.DEFAULT:
        return "default"
    digits = hashlib.sha256(b"local-azure" + seed).hexdigest() if seed else secrets.token_hex(16)
    if strategy is AutoName.UUID:
        return str(uuid.UUID(hex=digits[:32], version=4))
    return f"{logical_name}{digits[:_SUFFIX_DIGITS]}"
