"""Readable names of Pulumi's type tokens, and the data that a resource of a type holds. Pure functions."""

import re
from collections.abc import Mapping

from ops.state import (
    GROUP,
    LOG_WORKSPACE,
    MODEL_ACCOUNT,
    MODEL_DEPLOYMENT,
    PURGED_ACCOUNT,
    SITE,
    STORAGE_ACCOUNT,
    TABLE,
)

_KINDS = {
    "azure-native:applicationinsights:Component": "Application Insights",
    "azure-native:authorization:ManagementLockByScope": "lock",
    MODEL_ACCOUNT: "model account",
    MODEL_DEPLOYMENT: "model deployment",
    "azure-native:managedidentity:UserAssignedIdentity": "identity",
    LOG_WORKSPACE: "log workspace",
    "azure-native:web:AppServicePlan": "plan",
    SITE: "function app",
    "azure-native:web:WebAppFtpAllowed": "FTP sign-in rule",
    "azure-native:web:WebAppScmAllowed": "publishing sign-in rule",
    PURGED_ACCOUNT: "purge of the model account's name",
}

_STORED = ("all conversations", "all to-do items")
_MODEL = ("the model account's host name", "its quota in that region", "its fine-tuned models")

# By type and logical name; an empty name is any other resource of the type. A lease is only a lock.
_LOST_WITH: Mapping[tuple[str, str], tuple[str, ...]] = {
    (GROUP, ""): (*_STORED, "the logs", "the app's host name and function keys", *_MODEL),
    (STORAGE_ACCOUNT, ""): _STORED,
    (TABLE, "chat-state"): _STORED[:1],
    (TABLE, "todos"): _STORED[1:],
    (TABLE, "leases"): (),
    (TABLE, ""): ("all rows of a table",),
    (LOG_WORKSPACE, ""): ("the logs",),
    (MODEL_ACCOUNT, ""): _MODEL,
}


def kind(token: str) -> str:
    """A readable name of letters, digits, spaces and apostrophes only, even for an untrusted token."""
    plain = plain_type(token)
    if plain in _KINDS:
        return _KINDS[plain]
    last = plain.rpartition(":")[2]
    spaced = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", last)
    return " ".join(spaced)[:40].strip().lower() or "resource"


def lost_with(token: str, name: str) -> tuple[str, ...]:
    """The data that is lost if the resource of this type and logical name is deleted or replaced."""
    plain = plain_type(token)
    return _LOST_WITH.get((plain, name), _LOST_WITH.get((plain, ""), ()))


def plain_type(token: str) -> str:
    """Remove the API version from a token, for example `azure-native:storage/v20240101:Table`."""
    return re.sub(r"/v[0-9]{8}(preview|privatepreview)?(?=:)", "", token)
