"""azure-native's automatic names, for resources that the program does not name."""

import hashlib
import secrets
import uuid
from enum import Enum

_SUFFIX_DIGITS = 8


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
